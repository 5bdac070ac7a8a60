"""Train the float CNN that `octavo demo` quantizes, and write it as ONNX.

Development only; needs torch, scikit-learn, onnx and onnxruntime. The data are the 1,797 digits
that scikit-learn ships (8x8 grey levels, 0..16). `split` and `preprocess` are the whole recipe for
the images; both are written into the file's metadata as well, so that whoever has the file can
rebuild the held-out set without this script.

The network, with its output shapes (N, C, H, W)::

    input                                            (N,  1, 8, 8)
    stem      Conv 3x3 - BN - ReLU                   (N, 32, 8, 8)
    residual  Conv 3x3 - BN - ReLU - Conv 3x3 - BN
              - Add(stem) - ReLU                     (N, 32, 8, 8)
    separable depthwise 3x3 stride 2 - BN - ReLU6    (N, 32, 4, 4)
              pointwise 1x1 - BN - ReLU              (N, 64, 4, 4)
    head      GlobalAveragePool - Flatten - Gemm     (N, 10)

The ONNX graph is written node by node from the trained weights, because an exporter may fold
BatchNorm into the convolutions, and folding it is part of what the demo shows.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort  # type: ignore[import-untyped, unused-ignore]
import torch
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits  # type: ignore[import-untyped, unused-ignore]
from torch import nn
from torch.nn import functional

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

HELD_OUT_MODULUS = 3
INPUT_DIVISOR = 16.0
STEM_CHANNELS = 32
SEPARABLE_CHANNELS = 64
CLASSES = 10
LEARNING_RATE = 0.01
WEIGHT_DECAY = 0.01
LABEL_SMOOTHING = 0.05
MIN_ACCURACY = 0.985
MAX_FILE_BYTES = 300_000
OPSET = 17
IR_VERSION = 8  # the IR of opset 17's time, so that older runtimes read the file
DEFAULT_OUTPUT = Path(__file__).resolve().parents[1] / "python/octavo/demo/digits_cnn.onnx"


def split(count: int) -> tuple[IntArray, IntArray]:
    """Return (training, held-out) indices: image i is held out if and only if i % 3 == 0.

    Of the 1,797 digits 1,198 are for training and calibration and 599 are held out. Both parts
    hold digits by the same writers, so accuracy is that of known hands.
    """
    index = np.arange(count, dtype=np.int64)
    held_out = index % HELD_OUT_MODULUS == 0
    return index[~held_out], index[held_out]


def preprocess(images: npt.NDArray[np.float64]) -> FloatArray:
    """Map grey levels 0..16, shape (n, 8, 8), to network input in [0, 1], shape (n, 1, 8, 8)."""
    scaled: FloatArray = (images[:, None, :, :] / INPUT_DIVISOR).astype(np.float32)
    return scaled


class ConvNorm(nn.Module):
    """Convolution without bias, then BatchNorm; "same" padding for odd kernels at stride 1."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply both layers to x of shape (n, inputs, h, w)."""
        normalized: torch.Tensor = self.norm(self.conv(x))
        return normalized


class DigitsNet(nn.Module):
    """The network of the module docstring: (n, 1, 8, 8) in [0, 1] to logits (n, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(1, STEM_CHANNELS, 3)
        self.residual1 = ConvNorm(STEM_CHANNELS, STEM_CHANNELS, 3)
        self.residual2 = ConvNorm(STEM_CHANNELS, STEM_CHANNELS, 3)
        self.depthwise = ConvNorm(STEM_CHANNELS, STEM_CHANNELS, 3, stride=2, groups=STEM_CHANNELS)
        self.pointwise = ConvNorm(STEM_CHANNELS, SEPARABLE_CHANNELS, 1)
        self.head = nn.Linear(SEPARABLE_CHANNELS, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits of a batch."""
        stem = functional.relu(self.stem(x))
        branch = self.residual2(functional.relu(self.residual1(stem)))
        x = functional.relu(branch + stem)
        x = functional.relu6(self.depthwise(x))
        x = functional.relu(self.pointwise(x))
        logits: torch.Tensor = self.head(x.mean(dim=(2, 3)))
        return logits


def shift_randomly(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Shift every image by -1, 0 or 1 pixel along each axis; what comes into view is 0."""
    count, _, height, width = images.shape
    padded = functional.pad(images[:, 0], (1, 1, 1, 1))
    offsets = torch.randint(0, 3, (2, count, 1, 1), generator=generator)
    rows = offsets[0] + torch.arange(height)[None, :, None]
    columns = offsets[1] + torch.arange(width)[None, None, :]
    return padded[torch.arange(count)[:, None, None], rows, columns][:, None]


def train(images: FloatArray, labels: IntArray, *, epochs: int, batch: int, seed: int) -> DigitsNet:
    """Train for a fixed number of epochs and return the last weights, in eval mode.

    The held-out images are not seen: there is no early stopping and no choice of checkpoint.
    One thread and deterministic algorithms make a run repeatable on one machine and torch version.
    """
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    network = DigitsNet()
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    batches = x.shape[0] // batch  # the incomplete last batch of an epoch's permutation is dropped
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=LEARNING_RATE, total_steps=epochs * batches
    )
    network.train()
    for epoch in range(epochs):
        order = torch.randperm(x.shape[0], generator=generator)
        total = 0.0
        for index in order[: batches * batch].view(batches, batch):
            logits = network(shift_randomly(x[index], generator))
            loss = functional.cross_entropy(logits, y[index], label_smoothing=LABEL_SMOOTHING)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            total += loss.item()
        if (epoch + 1) % 10 == 0:
            print(f"epoch {epoch + 1:3d}/{epochs}  mean loss {total / batches:.4f}", flush=True)
    return network.eval()


class GraphWriter:
    """Collects ONNX nodes and initializers; every method returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, value: torch.Tensor | npt.NDArray[np.float32]) -> str:
        """Add a float32 initializer."""
        array = value.detach().numpy() if isinstance(value, torch.Tensor) else value
        self.initializers.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def node(self, op: str, name: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node with one output, which has the node's name."""
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def conv_norm(self, name: str, layer: ConvNorm, x: str) -> str:
        """Add Conv and BatchNormalization as two nodes."""
        conv, norm = layer.conv, layer.norm
        pads = [int(p) for p in conv.padding]
        y = self.node(
            "Conv",
            f"{name}.conv",
            [x, self.constant(f"{name}.conv.weight", conv.weight)],
            kernel_shape=list(conv.kernel_size),
            strides=list(conv.stride),
            pads=pads + pads,
            group=conv.groups,
        )
        state = norm.state_dict()
        keys = ("weight", "bias", "running_mean", "running_var")  # the order ONNX wants
        inputs = [self.constant(f"{name}.norm.{key}", state[key]) for key in keys]
        return self.node("BatchNormalization", f"{name}.norm", [y, *inputs], epsilon=norm.eps)


def to_onnx(network: DigitsNet, metadata: dict[str, str]) -> onnx.ModelProto:
    """Write the network as a checked ONNX model, BatchNorm as nodes of its own."""
    g = GraphWriter()
    stem = g.node("Relu", "stem.relu", [g.conv_norm("stem", network.stem, "input")])
    branch = g.conv_norm("residual1", network.residual1, stem)
    branch = g.node("Relu", "residual1.relu", [branch])
    branch = g.conv_norm("residual2", network.residual2, branch)
    x = g.node("Add", "residual.add", [branch, stem])
    x = g.conv_norm("depthwise", network.depthwise, g.node("Relu", "residual.relu", [x]))
    low = g.constant("depthwise.relu6.min", np.array(0.0, np.float32))
    high = g.constant("depthwise.relu6.max", np.array(6.0, np.float32))
    x = g.node("Clip", "depthwise.relu6", [x, low, high])
    x = g.node("Relu", "pointwise.relu", [g.conv_norm("pointwise", network.pointwise, x)])
    x = g.node("Flatten", "head.flatten", [g.node("GlobalAveragePool", "head.pool", [x])], axis=1)
    weight = g.constant("head.weight", network.head.weight)
    bias = g.constant("head.bias", network.head.bias)
    g.node("Gemm", "logits", [x, weight, bias], transB=1)
    graph = helper.make_graph(
        g.nodes,
        "digits_cnn",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", CLASSES])],
        initializer=g.initializers,
        doc_string="Float CNN for 8x8 handwritten digits, trained by tools/train_digits.py",
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="octavo tools/train_digits.py",
    )
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    return model


def describe(args: argparse.Namespace) -> dict[str, str]:
    """Return provenance for the model's metadata_props."""
    return {
        "license": "Apache-2.0",
        "dataset": "scikit-learn load_digits: the 1,797 test images of Optical Recognition of "
        "Handwritten Digits, E. Alpaydin and C. Kaynak, 1998, UCI Machine Learning Repository, "
        "https://doi.org/10.24432/C50P49, CC BY 4.0",
        "preprocess": f"float32(load_digits().images / {INPUT_DIVISOR:g}), shape (N, 1, 8, 8)",
        "input_divisor": f"{INPUT_DIVISOR:g}",
        "split": f"image i is held out if i % {HELD_OUT_MODULUS} == 0, else used for training",
        "held_out_modulus": str(HELD_OUT_MODULUS),
        "training": f"tools/train_digits.py, torch {torch.__version__}, seed {args.seed}, "
        f"{args.epochs} epochs, batch {args.batch}, AdamW (one-cycle lr {LEARNING_RATE}, weight "
        f"decay {WEIGHT_DECAY}), cross entropy with label smoothing {LABEL_SMOOTHING}, random "
        "shifts of up to 1 pixel, last weights kept",
    }


def verify(network: DigitsNet, model: onnx.ModelProto, images: FloatArray) -> FloatArray:
    """Return ONNX Runtime's logits; raise if they or their argmax differ from torch's."""
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    logits: FloatArray = session.run(None, {"input": images})[0]
    with torch.inference_mode():
        expected = network(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(logits.argmax(1), expected.argmax(1))
    single = session.run(None, {"input": images[:1]})[0]
    np.testing.assert_allclose(single, expected[:1], rtol=1e-4, atol=1e-4)
    print(f"ONNX Runtime against torch: max |difference| {np.abs(logits - expected).max():.2e}")
    return logits


def main() -> int:
    """Train, export, verify, write; exit status 1 if accuracy or size miss their limits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--output", type=Path, default=DEFAULT_OUTPUT, help="ONNX file")
    parser.add_argument("--epochs", type=int, default=60, help="passes over the training images")
    parser.add_argument("--batch", type=int, default=64, help="images per step")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, order and shifts")
    args = parser.parse_args()

    digits = load_digits()
    images = preprocess(digits.images)
    labels = digits.target.astype(np.int64)
    train_index, test_index = split(len(labels))
    recipe = {"epochs": args.epochs, "batch": args.batch, "seed": args.seed}
    network = train(images[train_index], labels[train_index], **recipe)
    model = to_onnx(network, describe(args))
    logits = verify(network, model, images[test_index])
    correct = int((logits.argmax(1) == labels[test_index]).sum())
    accuracy = correct / len(test_index)
    data = model.SerializeToString()
    parameters = sum(p.numel() for p in network.parameters())
    print(f"held-out top-1: {correct}/{len(test_index)} = {100 * accuracy:.2f}%")
    print(f"parameters: {parameters}, file: {len(data)} bytes")
    if accuracy < MIN_ACCURACY or len(data) > MAX_FILE_BYTES:
        print(
            f"not written: want top-1 >= {MIN_ACCURACY:.1%} and <= {MAX_FILE_BYTES} bytes",
            file=sys.stderr,
        )
        return 1
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_bytes(data)
    print(f"wrote {args.output}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
