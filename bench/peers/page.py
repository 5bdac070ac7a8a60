"""The page of results: tables and charts put into docs."""

from __future__ import annotations

from pathlib import Path

from .report import TITLES, Json, markdown

BEGIN, END = "<!-- generated: bench.peers -->", "<!-- end of generated -->"
PREAMBLE = """# Benchmarks

Made by `python -m bench.peers all --threads 1 --threads 2 --json results.json`, the same with
`--avx2 --json avx2.json`, and `python -m bench.peers report results.json avx2.json`, with the
`bench` extra installed (and PyTorch, where wanted). All libraries get the same bytes, shapes and
quantization parameters; their results are compared with the exact ones first; then they run in
turns in one process pinned to as many CPUs as it has threads. Figures are medians of rounds; ± is
half the interquartile range.

"""


def merged(files: list[Json]) -> Json:
    """Several runs as one; a suite measured twice counts as measured last."""
    suites = {_order(suite): suite for results in files for suite in results["suites"]}
    return {**files[-1], "suites": [suites[key] for key in sorted(suites)]}


def _order(suite: Json) -> tuple[bool, int, int]:
    return suite["avx2"], list(TITLES).index(suite["suite"]), suite["threads"]


def write_page(results: Json, page: Path) -> None:
    """Replace the page's generated part, or begin the page; charts go into images/ beside it."""
    from .plots import draw

    charts = draw(results, page.parent / "images")
    links = "\n".join(f"![{title}](images/{path.name})\n" for title, path in charts)
    generated = f"{BEGIN}\n\n{links}\n{markdown(results)}\n{END}\n"
    text = page.read_text("utf-8") if page.is_file() else f"{PREAMBLE}{BEGIN}\n{END}\n"
    if BEGIN not in text or END not in text:
        raise ValueError(f"{page.name} has no lines {BEGIN!r} and {END!r} to write between")
    before, after = text.split(BEGIN)[0], text.split(END, 1)[1].removeprefix("\n")
    page.write_text(before + generated + after, "utf-8")
