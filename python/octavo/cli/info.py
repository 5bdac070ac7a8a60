"""`octavo info`: the machine, the backends, the build."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from octavo.cli import output

EXAMPLE = "octavo info --json"

PACKAGES = ("onnx", "onnxruntime", "scikit-learn", "pillow", "threadpoolctl", "typer", "rich")
VARIABLES = ("OCTAVO_BACKEND", "OCTAVO_NUM_THREADS", "OCTAVO_DEBUG")


def command(as_json: output.JsonOption = False) -> None:
    """Show CPU features, backends and the current one, threads, build and packages."""
    result = information()
    if as_json:
        output.print_json(result)
        return
    rows = [
        ["octavo", f"{result['version']} ({described(result['build'])})"],
        ["python", f"{result['python']}, NumPy {result['numpy']}, {result['platform']}"],
        ["backend", result["backend"]],
        ["threads", result["threads"]],
        ["CPU features", " ".join(result["cpu_features"]) or "none that matter here"],
        ["environment", described(result["environment"]) or "nothing set"],
        ["packages", described(result["packages"])],
    ]
    output.show(None, ["", ""], [[name, str(value)] for name, value in rows])
    columns = ["backend", "usable here", "needs", "weight layout"]
    lines = [
        [
            b["name"] + (" (current)" if b["name"] == result["backend"] else ""),
            "yes" if b["supported"] else "no",
            " ".join(b["required"]) or "nothing",
            b["layout"],
        ]
        for b in result["backends"]
    ]
    output.show("Backends, best first", columns, lines)


def described(values: dict[str, Any]) -> str:
    """Return names and values on one line, without those that are empty."""
    return ", ".join(f"{key} {value}" for key, value in values.items() if value)


def information() -> dict[str, Any]:
    """Return everything the command shows."""
    import octavo
    from octavo import _core

    return {
        "version": octavo.__version__,
        "build": dict(_core.build_info()),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu_features": list(octavo.cpu_features()),
        "backend": octavo.backend(),
        "backends": [dict(_core.backend_info(name)) for name in _core.all_backends()],
        "threads": octavo.get_num_threads(),
        "environment": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "packages": {name: installed(name) for name in PACKAGES},
    }


def installed(name: str) -> str | None:
    """Return a package's version, or None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
