"""The networks and tools that the comparison with other libraries stands on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

import models  # noqa: E402, bench/ is on the path
from peers import elementwise, page, problems, report, shapes, suites, timing  # noqa: E402

SMALL_BERT = {"tokens": 8, "hidden": 32, "heads": 4, "ffn": 64}
NETWORKS: list[tuple[Callable[[], Any], tuple[int, ...], tuple[int, ...]]] = [
    (lambda: models.resnet18(image=32), (3, 32, 32), (1000,)),
    (lambda: models.resnet50(image=32), (3, 32, 32), (1000,)),
    (lambda: models.mobilenet_v2(image=32), (3, 32, 32), (1000,)),
    (lambda: models.bert_layers(2, **SMALL_BERT), (8, 32), (8, 32)),
]
IDS = ["resnet18", "resnet50", "mobilenet_v2", "bert"]


def count(model: Any, op: str) -> int:
    return sum(node.op_type == op for node in model.graph.node)


@pytest.mark.parametrize(("build", "sample", "out"), NETWORKS, ids=IDS)
def test_networks_run_and_keep_their_activations_in_size(
    build: Callable[[], Any], sample: tuple[int, ...], out: tuple[int, ...]
) -> None:
    runtime = pytest.importorskip("onnxruntime")
    model = build()
    onnx.checker.check_model(model, full_check=True)
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    x = np.random.default_rng(0).standard_normal((3, *sample), np.float32)
    y = session.run(None, {"input": x})[0]
    assert y.shape == (3, *out)
    assert 0.1 < y.std() < 100
    # The batch axis is free, and samples do not see each other.
    np.testing.assert_allclose(
        session.run(None, {"input": x[1:2]})[0], y[1:2], rtol=1e-3, atol=1e-3
    )


def test_networks_have_the_layers_of_their_papers() -> None:
    counts = {
        name: (count(model, "Conv"), count(model, "BatchNormalization"), count(model, "Add"))
        for name, model in (
            ("resnet18", models.resnet18(image=32)),
            ("resnet50", models.resnet50(image=32)),
            ("mobilenet_v2", models.mobilenet_v2(image=32)),
        )
    }
    assert counts == {
        "resnet18": (20, 20, 8),
        "resnet50": (53, 53, 16),
        "mobilenet_v2": (52, 52, 10),
    }
    bert = models.bert_layers(3, **SMALL_BERT)
    assert (count(bert, "MatMul"), count(bert, "LayerNormalization")) == (3 * 8, 3 * 2)


def test_the_same_seed_gives_the_same_network() -> None:
    first, second = (models.mobilenet_v2(image=32, seed=5) for _ in range(2))
    assert first.SerializeToString() == second.SerializeToString()
    assert first != models.mobilenet_v2(image=32, seed=6)


def test_the_list_of_convolutions_is_resnet50s() -> None:
    """Every distinct convolution of the network is in the list, and no other."""
    graph = models.resnet50().graph
    inferred = onnx.shape_inference.infer_shapes(models.resnet50()).graph
    infos = [*inferred.value_info, *graph.input]
    sizes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in infos}
    weights = {t.name: tuple(t.dims) for t in graph.initializer}
    found = set()
    for node in graph.node:
        if node.op_type == "Conv":
            stride = next(a.ints[0] for a in node.attribute if a.name == "strides")
            cout, cin, kernel, _ = weights[node.input[1]]
            found.add((sizes[node.input[0]][2], cin, cout, kernel, stride))
    assert found == set(shapes.RESNET50_CONVS)


@pytest.mark.parametrize("groups", [1, 6])
def test_expected_convolution_is_the_definition(groups: int) -> None:
    p = problems.make_conv("small", 5, 6, 6, 3, 2, groups)
    n, oh, ow, o = p.out_shape
    padded = np.pad(p.a.astype(np.int64) - p.a_zero_point, ((0, 0), (1, 1), (1, 1), (0, 0)))
    acc = np.empty(p.out_shape, np.int64)
    for i, j, c in np.ndindex(oh, ow, o):
        channels = slice(c, c + 1) if p.depthwise else slice(None)
        patch = padded[0, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3, channels]
        acc[0, i, j, c] = (patch.transpose(2, 0, 1) * p.weight[c].astype(np.int64)).sum()
    q = np.rint((acc + p.bias).astype(np.float32) * p.multiplier) + p.out_zero_point
    np.testing.assert_array_equal(p.expected, np.clip(q, 0, 255).astype(np.uint8))
    assert n == 1


def test_onnx_runtime_computes_what_the_problems_expect() -> None:
    pytest.importorskip("onnxruntime")
    from peers import peer_ort

    peer = peer_ort.OnnxRuntime(1)
    linear = [problems.make_gemm(7, 20, 33), problems.make_conv("c", 9, 8, 12, 3, 1)]
    ops = dict.fromkeys(op for op, _ in shapes.ELEMENTWISE)
    small = [elementwise.make_elementwise(op, (1, 6, 6, 8)) for op in ops]
    for problem in [*linear, *small]:
        distance = suites.deviation(peer.runner(problem).output(), problem.expected)
        assert distance["max"] <= 1, problem.name


def test_a_wrong_result_is_seen() -> None:
    p = problems.make_gemm(4, 8, 16)
    wrong = p.expected.copy()
    wrong[1, 2] ^= 4
    assert suites.deviation(wrong, p.expected) == {"max": 4.0, "share": 1 / 32}
    with pytest.raises(ValueError, match="result must be uint8"):
        suites.deviation(wrong.astype(np.int32), p.expected)


def test_rounds_give_every_runner_one_figure() -> None:
    calls: list[str] = []
    runners = {
        name: timing.Runner(lambda name=name: calls.append(name), lambda: np.empty(0))
        for name in "ab"
    }
    seconds = timing.interleaved(runners, timing.Plan(3, 1e-9, 0.0))
    assert {name: len(found) for name, found in seconds.items()} == {"a": 3, "b": 3}
    assert calls.count("a") == calls.count("b")


def result(seconds: list[float]) -> dict[str, Any]:
    return {
        **timing.spread(seconds),
        "seconds": seconds,
        "deviation": {"max": 0.0, "share": 0.0},
        "kernel": "",
        "profiled": False,
    }


def suite_of(ours: list[float], theirs: list[float]) -> dict[str, Any]:
    results = {"octavo": result(ours), "onnxruntime": result(theirs), "numpy": result([9e-9] * 3)}
    problem = {
        "name": "4x4x4",
        "macs": 64,
        "bytes": 48,
        "results": results,
        "absent": {},
        "limits": {"int8": [100e9, 100e9, 100e9]},
    }
    return {
        "suite": "gemm",
        "threads": 1,
        "avx2": False,
        "missing": {"torch-fbgemm": "No module"},
        "problems": [problem],
    }


def test_tables_show_losses_and_compare_with_int8_peers_only() -> None:
    won = report.suite_markdown(suite_of([1e-9, 1e-9, 1e-9], [2e-9, 2e-9, 2e-9]))
    assert "| 64% | 2.00x |" in won
    assert "no loss" in won
    lost = report.suite_markdown(suite_of([2e-9, 2e-9, 2e-9], [1e-9, 1e-9, 1e-9]))
    assert "| 32% | **0.50x** |" in lost
    assert "slower on 1 of 1: 4x4x4" in lost
    assert "torch-fbgemm: No module" in lost


def test_a_page_keeps_what_was_written_by_hand(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    machine = {
        "cpu": "one",
        "family_model_stepping": "1/2/3",
        "cores": 2,
        "caches": {},
        "system": "Linux",
        "python": "3",
        "versions": {},
    }
    suites_ = [suite_of([1e-9] * 3, [2e-9] * 3)]
    results = {"date": "2026-01-01T00:00:00", "machine": machine, "suites": suites_}
    path = tmp_path / "benchmarks.md"
    page.write_page(results, path)
    path.write_text(path.read_text("utf-8") + "By hand.\n", "utf-8")
    page.write_page(results, path)
    text = path.read_text("utf-8")
    assert text.count("2.00x |") == 1
    assert text.endswith("By hand.\n")
    assert {p.name for p in (tmp_path / "images").iterdir()} == {"speedups.svg", "roofline.svg"}
