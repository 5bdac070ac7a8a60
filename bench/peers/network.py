"""Whole networks: QDQ files, timed in turns, and the peak memory of each peer.

octavo's file is run by all int8 peers. It has no quantization between a convolution and the
residual added to it, because octavo adds before it rounds; ONNX Runtime computes such convolutions
in float. So everyone also gets a file from ONNX Runtime's own quantizer, as `-own`, and octavo on
its file competes with the fastest of the others on either.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import memory
from .problems import Array
from .roster import UNCAPPED
from .suites import Json, plan_for
from .timing import Plan, Runner, interleaved, spread

CALIBRATION_SAMPLES = 4
FLOAT, INT8, INT8_OWN = "float32", "int8", "int8-own"


class Network(NamedTuple):
    """How to build a float network, and the shape of one sample."""

    builder: str
    sample: tuple[int, ...]


NETWORKS = {
    "resnet50": Network("resnet50", (3, 224, 224)),
    "resnet18": Network("resnet18", (3, 224, 224)),
    "mobilenet_v2": Network("mobilenet_v2", (3, 224, 224)),
    "bert": Network("bert_layers", (128, 768)),
}
QUICK_NETWORKS = ("resnet18", "mobilenet_v2")


class NetworkPeer(NamedTuple):
    """`open(path, threads)` loads a file and returns a function of one input."""

    package: str
    file: str  # FLOAT, INT8 or INT8_OWN
    open: Callable[[str, int], Callable[[Array], Array]]

    @property
    def integer(self) -> bool:
        """Whether it competes with octavo."""
        return self.file != FLOAT


def _open_octavo(path: str, threads: int) -> Callable[[Array], Array]:
    session = importlib.import_module("octavo").Session(path, threads=threads)
    return lambda x: np.asarray(session.run(None, {"input": x})[0])


def _open_ort(path: str, threads: int) -> Callable[[Array], Array]:
    session = importlib.import_module(".peer_ort", __package__).open_session(path, threads)
    return lambda x: np.asarray(session.run(None, {"input": x})[0])


def _open_openvino(path: str, threads: int, *, precision: str | None) -> Callable[[Array], Array]:
    module = importlib.import_module(".peer_openvino", __package__)
    request = module.compile_model(path, threads, precision=precision).create_infer_request()

    def run(x: Array) -> Array:
        request.infer({"input": x}, share_inputs=True)
        return np.asarray(request.get_output_tensor().data)

    return run


PEERS = {
    "octavo": NetworkPeer("octavo", INT8, _open_octavo),
    "octavo-own": NetworkPeer("octavo", INT8_OWN, _open_octavo),
    "onnxruntime": NetworkPeer("onnxruntime", INT8, _open_ort),
    "onnxruntime-own": NetworkPeer("onnxruntime", INT8_OWN, _open_ort),
    "openvino": NetworkPeer("openvino", INT8, partial(_open_openvino, precision="f32")),
    "openvino-own": NetworkPeer("openvino", INT8_OWN, partial(_open_openvino, precision="f32")),
    # The plugin's default: what is not int8 may run in bfloat16 where the CPU has it.
    "openvino-bf16": NetworkPeer("openvino", INT8, partial(_open_openvino, precision=None)),
    "onnxruntime-f32": NetworkPeer("onnxruntime", FLOAT, _open_ort),
    "openvino-f32": NetworkPeer("openvino", FLOAT, partial(_open_openvino, precision="f32")),
}


def build(name: str, layers: int) -> Any:
    """Build one float network."""
    models = importlib.import_module("bench.models")
    arguments = {"layers": layers} if name == "bert" else {}
    return getattr(models, NETWORKS[name].builder)(**arguments)


def _samples(name: str, batch: int, seed: int) -> Array:
    shape = (batch, *NETWORKS[name].sample)
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def prepare(model: Any, name: str, folder: Path) -> tuple[dict[str, Path], str]:
    """Write all files of one network; also say what made the INT8 one.

    Where octavo cannot quantize a network, all peers run the file of ONNX Runtime's tool.
    """
    files = {kind: folder / f"{name}.{kind}.onnx" for kind in (FLOAT, INT8, INT8_OWN)}
    data = [_samples(name, 1, 100 + i) for i in range(CALIBRATION_SAMPLES)]
    files[FLOAT].write_bytes(model.SerializeToString())
    own_error = ""
    try:
        _quantize_with_ort(files[FLOAT], data, files[INT8_OWN])
    except Exception as error:  # a tool's refusal is a result of the comparison
        own_error = str(error)
    try:
        octavo: Any = importlib.import_module("octavo")
        quantized = octavo.quantize_model(model, data)
    except (ImportError, AttributeError, NotImplementedError) as error:
        if own_error:
            raise RuntimeError(f"{name} cannot be quantized: {error}; {own_error}") from error
        return {**files, INT8: files[INT8_OWN]}, f"ONNX Runtime, as octavo could not: {error}"
    files[INT8].write_bytes(quantized.SerializeToString())
    return files, "octavo"


def _quantize_with_ort(source: Path, data: list[Array], target: Path) -> None:
    tool: Any = importlib.import_module("onnxruntime.quantization")
    prepared = target.with_suffix(".prepared.onnx")
    tool.shape_inference.quant_pre_process(str(source), str(prepared))
    feeds = iter([{"input": x} for x in data])

    class Reader(tool.CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, Array] | None:
            return next(feeds, None)

    tool.quantize_static(
        str(prepared),
        str(target),
        Reader(),
        per_channel=True,
        quant_format=tool.QuantFormat.QDQ,
        activation_type=tool.QuantType.QUInt8,
        weight_type=tool.QuantType.QInt8,
    )


def _difference(y: Array, reference: Array) -> Json:
    """Against the float network: in units of its output's deviation, and the same largest class."""
    error = np.abs(y - reference)
    deviation = float(reference.std())
    same = (y.argmax(-1) == reference.argmax(-1)).mean()
    return {
        "max": float(error.max()) / deviation,
        "mean": float(error.mean()) / deviation,
        "same_argmax": float(same),
    }


def _runners(
    peers: list[str], files: dict[str, Path], x: Array, threads: int
) -> tuple[dict[str, Runner], dict[str, Array], dict[str, str]]:
    runners: dict[str, Runner] = {}
    outputs: dict[str, Array] = {}
    absent: dict[str, str] = {}
    for name in peers:
        peer = PEERS[name]
        if not files[peer.file].is_file():
            absent[name] = f"no {peer.file} file, its quantizer failed or is not installed"
            continue
        try:
            run = peer.open(str(files[peer.file]), threads)
            outputs[name] = np.array(run(x))
        except Exception as error:  # a peer's refusal is a result of the comparison
            absent[name] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            continue
        runners[name] = Runner(partial(run, x), partial(run, x))
    return runners, outputs, absent


def _measure(
    network: str, peers: list[str], files: dict[str, Path], batch: int, threads: int, plan: Plan
) -> Json:
    x = _samples(network, batch, 1)
    runners, outputs, absent = _runners(peers, files, x, threads)
    reference = next((outputs[p] for p in outputs if not PEERS[p].integer), None)
    seconds = interleaved(runners, plan)
    results: dict[str, Json] = {}
    for name in runners:
        results[name] = {**spread(seconds[name]), "seconds": seconds[name]}
        if reference is not None:
            results[name]["difference"] = _difference(outputs[name], reference)
    return {"name": network, "batch": batch, "results": results, "absent": absent}


def run_networks(
    *,
    threads: int,
    repeats: int,
    peers: list[str],
    quick: bool,
    avx2: bool,
    networks: list[str],
    batches: list[int],
    layers: int,
    advance: Callable[[str], None],
) -> Json:
    """Measure in this process, which should be pinned already; memory in one process per peer."""
    missing = {p: why for p in peers if (why := memory.why_missing(PEERS[p].package)) is not None}
    if avx2:
        missing |= {p: UNCAPPED for p in peers if PEERS[p].package == "onnxruntime"}
    present = [p for p in peers if p not in missing]
    if not present:
        raise RuntimeError(f"none of the peers can be loaded: {missing}")
    plan = plan_for(repeats, threads, quick)
    records = []
    with tempfile.TemporaryDirectory() as folder:
        for network in networks:
            files, maker = prepare(build(network, layers), network, Path(folder))
            advance(f"{network}: built and quantized")
            for batch in batches:
                record = _measure(network, present, files, batch, threads, plan)
                advance(f"{network}, batch {batch}: timed")
                for name, result in record["results"].items():
                    file = files[PEERS[name].file]
                    shape = (batch, *NETWORKS[network].sample)
                    result["memory"] = memory.measure(name, file, shape, threads)
                advance(f"{network}, batch {batch}: memory")
                records.append({**record, "quantized_by": maker})
    return {
        "suite": "network",
        "threads": threads,
        "avx2": avx2,
        "repeats": repeats,
        "missing": missing,
        "layers": layers,
        "problems": records,
    }
