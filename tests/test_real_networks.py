"""Trained networks on real images, end to end. Needs OCTAVO_DATA, the folder that holds them.

Int8 accuracy is compared with float, and octavo with ONNX Runtime on the same QDQ file:

- Given the same input bytes, every quantized tensor is at most one step apart. Where they differ
  (a few in a million elements), the value is at a tie: ONNX Runtime computes Conv-Add in float32
  from dequantized values, and rounds the multiplier of Conv twice; octavo adds integers and
  rounds once.
- From the image on, such a step is input to the next layer, which may make more of it; so the
  logits are compared as a whole.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest

import octavo
from graph_support import Array, ort_session, step_distance
from real_networks import (
    AVAILABLE,
    FOLDER,
    at_ties,
    cifar,
    cut_at_bytes,
    imagenet,
    quantized_tensors,
)
from test_graph_ort_models import quantized_by_ort

pytestmark = [
    pytest.mark.skipif(not AVAILABLE, reason="OCTAVO_DATA is not set: no real networks to run"),
    pytest.mark.slow,
]

NETWORKS = ("cifar_resnet20", "cifar_resnet56", "mobilenet_v2")
CALIBRATION_IMAGES = {"cifar_resnet20": 256, "cifar_resnet56": 256, "mobilenet_v2": 64}
MOBILENET_IMAGES = 400
BATCH = 20
TIE = 1e-3  # steps: float32 rounding of sums of some thousand products


@cache
def images(network: str) -> tuple[Array, Array]:
    """(test images, the index of the right logit)."""
    if network.startswith("cifar"):
        return cifar("test")
    x, labels = imagenet("val", MOBILENET_IMAGES)
    return x, labels + 1


@cache
def quantized(network: str) -> onnx.ModelProto:
    part, count = "calib", CALIBRATION_IMAGES[network]
    data = cifar(part)[0][:count] if network.startswith("cifar") else imagenet(part, count)[0]
    return octavo.quantize_model(FOLDER / f"{network}.onnx", data)


@cache
def logits(network: str, runtime: str) -> Array:
    x, _ = images(network)
    file = onnx.load(FOLDER / f"{network}.onnx") if runtime == "float" else quantized(network)
    session = octavo.Session(file) if runtime == "octavo" else ort_session(file)
    batches = [x[i : i + BATCH] for i in range(0, len(x), BATCH)]
    return np.concatenate([session.run(None, {"input": batch})[0] for batch in batches])


def top1(network: str, runtime: str) -> float:
    return 100 * float(np.mean(logits(network, runtime).argmax(1) == images(network)[1]))


@pytest.mark.parametrize("network", NETWORKS)
def test_int8_accuracy_is_within_a_point_of_float(
    network: str, record_property: pytest.RecordProperty
) -> None:
    found = {runtime: top1(network, runtime) for runtime in ("float", "octavo", "ort")}
    record_property("top1", found)
    print(network, {runtime: f"{value:.2f}" for runtime, value in found.items()})  # noqa: T201
    assert found["octavo"] >= found["float"] - 1
    assert abs(found["octavo"] - found["ort"]) <= 0.5


@pytest.mark.parametrize("network", NETWORKS)
def test_the_whole_network_is_int8(network: str) -> None:
    steps = octavo.Session(quantized(network)).describe()
    assert [s.op for s in steps if s.dtype != "int8"] == ["DequantizeLinear"]
    convolutions = sum(n.op_type == "Conv" for n in quantized(network).graph.node)
    assert sum(s.op == "Conv" for s in steps) == convolutions
    assert "Add" not in [s.op for s in steps]  # each in a convolution's epilogue
    assert "Transpose" not in [s.op for s in steps]  # the image is, while it is quantized


@pytest.mark.parametrize("network", NETWORKS)
def test_every_quantized_tensor_is_onnx_runtimes_within_a_step(network: str) -> None:
    x = images(network)[0][: 5 if network == "mobilenet_v2" else 100]
    model = cut_at_bytes(quantized(network))
    want = quantized_tensors(quantized(network), x)
    session = octavo.Session(model)
    feeds = {i.name: want.get(i.name, x) for i in session.get_inputs()}
    different, elements = 0, 0
    for info, ours in zip(session.get_outputs(), session.run(None, feeds), strict=True):
        theirs = want[info.name.removesuffix(".again")]
        assert step_distance(ours, theirs) <= 1, info.name
        where = ours != theirs
        different += int(where.sum())
        elements += where.size
        if where.any():
            assert at_ties(model, info.name, feeds, where).max() < TIE, info.name
    print(f"{network}: {different} of {elements} elements one step apart")  # noqa: T201
    assert different < elements * 1e-5


@pytest.mark.parametrize("network", NETWORKS)
def test_logits_from_the_image_on(network: str) -> None:
    ours, theirs = logits(network, "octavo"), logits(network, "ort")
    step = float(np.min(np.diff(np.unique(theirs))))
    apart = np.rint(np.abs(ours - theirs) / step)
    shares = [float(np.mean(apart == n)) for n in range(int(apart.max()) + 1)]
    print(f"{network}: share of logits 0, 1, ... steps apart: {np.round(shares, 5)}")  # noqa: T201
    assert np.mean(apart) < 1
    assert np.mean(ours.argmax(1) == theirs.argmax(1)) > 0.985


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_network_quantized_by_onnx_runtime(tmp_path: Path) -> None:
    x, labels = images("cifar_resnet20")
    batches = np.split(cifar("calib")[0][:128], 4)
    source = onnx.load(FOLDER / "cifar_resnet20.onnx")
    model = quantized_by_ort(source, tmp_path, batches, True, per_channel=True)
    steps = octavo.Session(model).describe()
    assert {s.op for s in steps if s.dtype != "int8"} <= {"DequantizeLinear", "Pad", "Slice"}
    (ours,) = octavo.Session(model).run(None, {"input": x})
    assert 100 * np.mean(ours.argmax(1) == labels) >= top1("cifar_resnet20", "float") - 1
    want = quantized_tensors(model, x[:50])
    session = octavo.Session(cut_at_bytes(model))
    feeds = {i.name: want.get(i.name, x[:50]) for i in session.get_inputs()}
    for info, again in zip(session.get_outputs(), session.run(None, feeds), strict=True):
        assert step_distance(again, want[info.name.removesuffix(".again")]) <= 1, info.name


@pytest.mark.parametrize("network", ["cifar_resnet20"])
def test_every_backend_and_batch_gives_the_same_logits(network: str) -> None:
    x = images(network)[0][:8]
    want = octavo.Session(quantized(network)).run(None, {"input": x})[0]
    for backend in octavo.backends():
        with octavo.use_backend(backend):
            session = octavo.Session(quantized(network), threads=2)
        np.testing.assert_array_equal(session.run(None, {"input": x})[0], want)
        one = [session.run(None, {"input": x[i : i + 1]})[0] for i in range(8)]
        np.testing.assert_array_equal(np.concatenate(one), want)


@pytest.mark.parametrize("network", ["cifar_resnet20", "mobilenet_v2"])
def test_compiled_to_a_file_it_gives_the_same_bits(network: str, tmp_path: Path) -> None:
    path, x = tmp_path / "net.octavo", images(network)[0]
    octavo.compile_model(quantized(network), path)
    session = octavo.Session(quantized(network))
    for batch in (1, 3, 17):
        want = session.run(None, {"input": x[:batch]})[0]
        for backend in octavo.backends():
            with octavo.use_backend(backend):
                for threads in (1, 2):
                    (y,) = octavo.Session(path, threads=threads).run(None, {"input": x[:batch]})
                    np.testing.assert_array_equal(y, want)
