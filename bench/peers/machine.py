"""Where it was measured: CPU, flags, versions; and holding the process to some of its CPUs."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

PACKAGES = ("octavo", "numpy", "onnx", "onnxruntime", "openvino", "torch")
_FLAG_PREFIXES = ("avx", "amx", "fma", "f16c", "asimd", "sve", "i8mm", "bf16")


def usable_cpus() -> int:
    """How many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def pin(threads: int) -> list[int]:
    """Hold this process to `threads` of the CPUs it may use; return them ([] if not possible)."""
    if not hasattr(os, "sched_setaffinity"):
        return []
    usable = sorted(os.sched_getaffinity(0))
    if threads > len(usable):
        raise ValueError(f"threads must be at most {len(usable)}, the CPUs here, got {threads}")
    # The last ones: interrupts tend to go to the first.
    chosen = usable[-threads:]
    os.sched_setaffinity(0, chosen)
    return chosen


def _cpuinfo() -> dict[str, str]:
    """The first CPU's lines of /proc/cpuinfo; {} on other systems."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return {}
    block = path.read_text("utf-8").split("\n\n")[0]
    pairs = (line.partition(":") for line in block.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def cpu_flags() -> set[str]:
    """What the operating system calls the CPU's features."""
    info = _cpuinfo()
    return set(info.get("flags", info.get("Features", "")).split())


def version(package: str) -> str | None:
    """Installed version, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _caches() -> dict[str, str]:
    root = Path("/sys/devices/system/cpu/cpu0/cache")
    found = {}
    for index in sorted(root.glob("index*")):
        level, kind, size = ((index / f).read_text().strip() for f in ("level", "type", "size"))
        if kind != "Instruction":
            found[f"L{level}"] = size
    return found


def describe() -> dict[str, Any]:
    """Everything a reader needs to judge the figures; no host name, no paths."""
    info = _cpuinfo()
    model = [info.get(key, "?") for key in ("cpu family", "model", "stepping")]
    return {
        "cpu": info.get("model name") or platform.processor() or platform.machine(),
        "family_model_stepping": "/".join(model),
        "cores": os.cpu_count(),
        "caches": _caches(),
        "flags": sorted(f for f in cpu_flags() if f.startswith(_FLAG_PREFIXES)),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {package: version(package) for package in PACKAGES},
    }
