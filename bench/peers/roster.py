"""Which peers there are, in the order of tables, and how to find them."""

from __future__ import annotations

import importlib
from typing import NamedTuple, Protocol

from .problems import Problem
from .timing import Runner


class Peer(Protocol):
    """A library on a fixed number of threads."""

    def runner(self, p: Problem) -> Runner | None:
        """Prepare one problem, or return None where the library has no such op."""


class Entry(NamedTuple):
    """How a peer is loaded and described."""

    module: str
    class_name: str
    integer: bool  # competes with octavo; the others show what int8 gains over float32
    path: str
    capped: bool = False  # whether something holds it to AVX2


PEERS = {
    "octavo": Entry("peer_octavo", "Octavo", True, "octavo.linear, conv2d, ...", True),
    "onnxruntime": Entry(
        "peer_ort", "OnnxRuntime", True, "QGemm, QLinearConv (channels last), QLinear*: MLAS"
    ),
    "openvino": Entry(
        "peer_openvino",
        "OpenVino",
        True,
        "QDQ model; layout-bound ops by the plugin's profile",
        True,
    ),
    "torch-fbgemm": Entry(
        "peer_torch", "TorchFbgemm", True, "torch.ops.quantized, weights packed by FBGEMM"
    ),
    "torch-onednn": Entry(
        "peer_torch", "TorchOnednn", True, "torch.ops.quantized, weights packed by oneDNN", True
    ),
    "onnxruntime-f32": Entry("peer_ort", "OnnxRuntimeF32", False, "Gemm, Conv in float32"),
    "numpy": Entry("peer_numpy", "NumPy", False, "float32: BLAS, im2col, ufuncs", True),
}


UNCAPPED = "cannot be held to AVX2"


def load(names: list[str], threads: int, avx2: bool) -> tuple[dict[str, Peer], dict[str, str]]:
    """Return the peers that can be loaded and, for the others, why not."""
    peers: dict[str, Peer] = {}
    missing: dict[str, str] = {}
    for name in names:
        entry = PEERS[name]
        if avx2 and not entry.capped:
            missing[name] = UNCAPPED
            continue
        try:
            module = importlib.import_module(f".{entry.module}", __package__)
            peers[name] = getattr(module, entry.class_name)(threads)
        except ImportError as error:
            missing[name] = str(error)
    return peers, missing
