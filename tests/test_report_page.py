"""The report as a page: whole, self-contained, readable without scripts."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("typer", reason="the command line needs typer")
pytest.importorskip("onnx", reason="the command line needs onnx")

import octavo
from cli_support import Workspace, fail, make_workspace, network_input, succeed
from octavo.report import Analysis, analyze, render_html, write_html
from octavo.report.figures import BINS, linear_histogram

TF = ("--preprocess", "tf")
VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Collects what the tests look at, and insists that elements end in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self._open.append(tag)
        self._see(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._see(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data.strip())

    def _see(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for key, value in attrs:
            self.attributes.append((key, value or ""))
            if key == "id":
                self.ids.append(value or "")
            if key.endswith("href"):
                self.links.append(value or "")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("cli"))


@pytest.fixture(scope="module")
def found(work: Workspace) -> Analysis:
    x = network_input(work.images)
    return analyze(work.folder / "float.onnx", work.folder / "int8.onnx", x)


@pytest.fixture(scope="module")
def page(found: Analysis) -> str:
    pytest.importorskip("matplotlib", reason="the report needs matplotlib")
    return render_html(found, title="a < b & c")


def test_nothing_is_fetched_and_every_link_leads_somewhere(page: str) -> None:
    parsed = Page(page)
    assert "://" not in page
    assert not {"script", "link", "img", "iframe", "object"} & set(parsed.tags)
    assert not [key for key, _ in parsed.attributes if key == "src" or key.startswith("on")]
    assert len(parsed.ids) == len(set(parsed.ids))
    assert parsed.links
    assert {link[:1] for link in parsed.links} == {"#"}
    assert {link[1:] for link in parsed.links} <= set(parsed.ids)
    pointed = [value for _, value in parsed.attributes if "url(" in value]
    assert all(value.split("url(#")[1].rstrip(")") in parsed.ids for value in pointed)
    assert "a < b & c" in "".join(parsed.text)


def test_it_has_every_number_in_tables_and_every_layer_in_a_picture(
    page: str, found: Analysis
) -> None:
    parsed = Page(page)
    assert parsed.tags.count("details") == len(found.layers)
    assert parsed.tags.count("svg") == len(found.layers) + 1
    named = [value for key, value in parsed.attributes if key == "aria-label"]
    assert parsed.attributes.count(("role", "img")) == len(named) == parsed.tags.count("svg")
    assert parsed.tags.count("table") == parsed.tags.count("caption") == len(found.layers) + 2
    for layer in found.layers:
        assert layer.name in parsed.text
        assert f"{layer.isolated:.1f}" in parsed.text
        assert f"{layer.propagated:.1f}" in parsed.text
        assert layer.tensor is not None
        for ends in layer.tensor.ranges.values():
            assert {f"{end:.5g}" for end in ends} <= set(parsed.text)
    for method in ("max", "percentile", "entropy", "mse", "moving average", "in use"):
        assert parsed.text.count(method) >= 2 * len(found.layers)  # in the picture and the table


def test_the_same_analysis_gives_the_same_page(page: str, found: Analysis) -> None:
    assert render_html(found, title="a < b & c") == page


def test_histograms_hold_all_values(found: Analysis) -> None:
    tensor = found.layers[0].tensor
    assert tensor is not None
    shares, edges = linear_histogram(tensor, -1.5, 1.5)
    assert (len(shares), len(edges)) == (BINS, BINS + 1)
    assert shares.sum() == pytest.approx(1)


def test_no_matplotlib_no_report(
    found: Analysis, work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    out = tmp_path / "report.html"
    with pytest.raises(
        ImportError, match=r'needs the package matplotlib: pip install "octavo\[plot'
    ):
        write_html(found, out)
    line = fail("analyze", work.float_onnx, work.int8_onnx, "--data", work.data_npz, "-o", out)
    assert line == 'the report needs the package matplotlib: pip install "octavo[plot]"'
    assert list(tmp_path.iterdir()) == []


def test_a_page_is_written_whole_or_not_at_all(found: Analysis, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "report.html"
    out.write_text("older")

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_html(found, out, progress=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert out.read_text() == "older"
    write_html(found, out)
    assert out.read_text("utf-8").startswith("<!DOCTYPE html>")


def test_the_command(work: Workspace, found: Analysis, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "report.html"
    arguments = ("analyze", work.float_onnx, work.int8_onnx, "-o", out)
    shown = succeed(*arguments, "--data", work.data_npz, *TF).stdout
    assert f"wrote {out}" in shown
    assert "worst layers" in shown
    Page(out.read_text("utf-8"))
    result = succeed(*arguments, "--data", work.folder / "x.npy", "--json").json
    assert result["samples"] == len(work.images)
    assert [entry["name"] for entry in result["layers"]] == [layer.name for layer in found.layers]
    for entry, layer in zip(result["layers"], found.layers, strict=True):
        assert entry["isolated_db"] == layer.isolated
        assert entry["propagated_db"] == layer.propagated
    pillow = pytest.importorskip("PIL.Image")
    folder = tmp_path / "images"
    folder.mkdir()
    for i, image in enumerate(work.images):
        pillow.fromarray(image).save(folder / f"{i:03}.png")
    from_files = succeed(*arguments, "--data", folder, *TF, "--no-outputs", "--json").json
    assert from_files["output_sqnr_db"] == result["output_sqnr_db"]
    assert {entry["on_outputs_db"] for entry in from_files["layers"]} == {None}


def test_every_stage_shows_its_progress(
    work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    from octavo.cli import output

    seen: dict[str, list[tuple[int, int | None]]] = {}

    @contextlib.contextmanager
    def stages(*, quiet: bool = False) -> Iterator[output.StageUpdate]:
        yield lambda stage, done, total: seen.setdefault(stage, []).append((done, total))

    monkeypatch.setattr(output, "stages", stages)
    out = tmp_path / "report.html"
    arguments = ("analyze", work.float_onnx, work.int8_onnx, "--data", work.data_npz, "-o", out)
    succeed(*arguments, *TF, "--samples", 20)
    assert list(seen) == [
        "reading samples",
        "running both networks",
        "one layer at a time",
        "drawing",
    ]
    for calls in seen.values():
        assert calls == sorted(calls)
        assert calls[-1][0] == calls[-1][1]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("analyze float.onnx int8.onnx --data data.npz -o x.txt", "ending in .html or .htm"),
        ("analyze float.onnx int8.onnx --data data.npz -o no/x.html", "no does not exist"),
        ("analyze float.onnx int8.onnx --data nowhere.npz -o x.html", "--data: nowhere.npz"),
        ("analyze float.onnx nowhere.onnx --data data.npz -o x.html", "INT8: nowhere.onnx"),
        ("analyze float.onnx float.onnx --data data.npz -o x.html", "it is not quantized"),
        ("analyze int8.onnx int8.onnx --data data.npz -o x.html", "already quantized"),
        ("analyze float.onnx int8.onnx --data nan.npz -o x.html", "NaN"),
        ("analyze float.onnx text.onnx --data data.npz -o x.html", "text.onnx"),
    ],
)
def test_errors_are_one_line_and_write_nothing(
    work: Workspace, line: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(work.folder)
    before = sorted(path.name for path in Path().iterdir())
    assert message in fail(*line.split(), *TF)
    assert sorted(path.name for path in Path().iterdir()) == before


def test_analyze_is_a_function_of_the_package() -> None:
    assert octavo.analyze is analyze
    assert "analyze" in octavo.__all__
