"""Which backend runs, how it is chosen, and what `import octavo` offers."""

import importlib.metadata
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import octavo
from octavo import _core


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    unset = {"OCTAVO_BACKEND", "OCTAVO_NUM_THREADS"}
    env = {k: v for k, v in os.environ.items() if k not in unset} | environment
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)


def test_backends_are_best_first_and_end_with_scalar() -> None:
    everything = _core.all_backends()
    usable = octavo.backends()
    assert usable[-1] == "scalar"
    assert usable == [name for name in everything if name in usable]
    best = run_python("import octavo; print(octavo.backend())")
    assert best.stdout.strip() == usable[0]
    assert _core.select_backend(octavo.cpu_features()) == usable[0]


def test_selection_for_cpus_that_are_not_here() -> None:
    for name in _core.all_backends():
        required = _core.backend_info(name)["required"]
        assert _core.select_backend(required) == name
        for i in range(len(required)):
            assert _core.select_backend(required[:i] + required[i + 1 :]) != name


def test_use_backend_nests_and_restores() -> None:
    before = octavo.backend()
    with octavo.use_backend("scalar") as name:
        assert name == octavo.backend() == "scalar"
        with octavo.use_backend(octavo.backends()[0]):
            assert octavo.backend() == octavo.backends()[0]
        assert octavo.backend() == "scalar"
        with pytest.raises(ZeroDivisionError), octavo.use_backend(octavo.backends()[0]):
            _ = 1 // 0
        assert octavo.backend() == "scalar"
    assert octavo.backend() == before


def test_use_backend_is_this_threads_alone() -> None:
    seen = []
    with octavo.use_backend("scalar"):
        thread = threading.Thread(target=lambda: seen.append(octavo.backend()))
        thread.start()
        thread.join()
    assert seen == [octavo.backend()]


@pytest.mark.parametrize("name", ["", "AVX2", "sse9", 3, None])
def test_unknown_backend_lists_the_valid_ones(name: object) -> None:
    with pytest.raises(octavo.BackendError, match=r"name: .*scalar") as caught:
        octavo.use_backend(name).__enter__()  # type: ignore[arg-type]
    assert isinstance(caught.value, ValueError)


def test_environment_chooses_backend_and_threads() -> None:
    code = "import octavo; print(octavo.backend(), octavo.get_num_threads())"
    done = run_python(code, OCTAVO_BACKEND="scalar", OCTAVO_NUM_THREADS="3")
    assert done.stdout.split() == ["scalar", "3"]


def test_unknown_backend_in_the_environment_is_an_error_at_first_use() -> None:
    code = """
import numpy as np, octavo
assert octavo.backends()
for call in (octavo.backend, lambda: octavo.pack_linear(np.ones((2, 2), np.int8))):
    try:
        call()
    except octavo.BackendError as error:
        assert "OCTAVO_BACKEND" in str(error) and "scalar" in str(error), error
    else:
        raise SystemExit("no error")
with octavo.use_backend("scalar"):
    octavo.pack_linear(np.ones((2, 2), np.int8))
"""
    done = run_python(code, OCTAVO_BACKEND="sse9")
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", "100000000000"])
def test_malformed_thread_count_in_the_environment(value: str) -> None:
    done = run_python("import octavo; octavo.get_num_threads()", OCTAVO_NUM_THREADS=value)
    assert done.returncode == 1
    assert "ValueError" in done.stderr
    assert "OCTAVO_NUM_THREADS" in done.stderr


def test_weights_packed_for_another_layout_are_refused() -> None:
    weight = np.ones((3, 5), np.int8)
    layouts = {name: _core.backend_info(name)["layout"] for name in octavo.backends()}
    for packed_for, used_by in ((p, u) for p in layouts for u in layouts):
        with octavo.use_backend(packed_for):
            packed = octavo.pack_linear(weight)
            conv = octavo.pack_conv2d(weight[:, :, None, None])
        assert packed.backend == packed_for
        assert packed.layout == layouts[packed_for]
        with octavo.use_backend(used_by):
            if layouts[packed_for] == layouts[used_by]:
                assert octavo.linear(np.ones((1, 5), np.uint8), packed).tolist() == [[5, 5, 5]]
                continue
            with pytest.raises(octavo.BackendError, match=f"{packed_for}.*pack them again"):
                octavo.linear(np.ones((1, 5), np.uint8), packed)
            with pytest.raises(octavo.BackendError, match=f"{packed_for}.*pack them again"):
                octavo.conv2d(np.ones((1, 1, 1, 5), np.uint8), conv)


def test_packed_weights_say_what_they_are() -> None:
    packed = octavo.pack_conv2d(
        np.ones((8, 2, 3, 5), np.int8), weight_scale=1, a_scale=1, out_scale=1, out_dtype="int8",
        groups=2, padding=(1, 2), stride=2, residual_scale=1.0,
    )  # fmt: skip
    assert (packed.in_channels, packed.out_channels, packed.groups) == (4, 8, 2)
    assert packed.padding == (1, 2, 1, 2)
    assert packed.out_dtype == packed.residual_dtype == "int8"
    assert packed.output_size(7, 9) == (4, 5)
    assert packed.nbytes >= 8 * 2 * 3 * 5
    assert "core" not in repr(packed)


def test_version_is_that_of_the_distribution() -> None:
    assert octavo.__version__ == importlib.metadata.version("octavo")


def test_unknown_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'quantise'"):
        _ = octavo.quantise
    assert {"Session", "quantize_model", "linear"} <= set(dir(octavo))


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("octavo.Session('net.onnx')", "octavo.Session of an ONNX model"),
        ("octavo.quantize_model", "octavo.quantize_model"),
        ("octavo.compile_model", "octavo.compile_model"),
    ],
)
def test_missing_onnx_says_what_to_install(code: str, what: str) -> None:
    done = run_python(f"import sys; sys.modules['onnx'] = None; import octavo; {code}")
    assert done.returncode == 1
    needed = f'{what} needs the package onnx: pip install "octavo[onnx]"'
    assert f"ImportError: {needed}" in done.stderr
