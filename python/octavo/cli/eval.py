"""`octavo eval`: accuracy of a classifier on labelled images."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from octavo.cli import output, preprocess
from octavo.cli.data import open_dataset
from octavo.cli.models import fixed_batch, model_inputs, open_session

EXAMPLE = "octavo eval net_int8.onnx --data test.npz --preprocess cifar"


def command(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="Classifier, ONNX or octavo program. Example: net_int8.onnx"
        ),
    ],
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            help="A .npz with the arrays 'images' and 'labels', or a folder of image files with a "
            "labels.csv (rows file,label). Example: --data test.npz",
        ),
    ],
    samples: Annotated[
        int | None,
        typer.Option(
            "--samples",
            min=1,
            help="Use so many samples, spread evenly; default: all. Example: --samples 1000",
        ),
    ] = None,
    batch_size: Annotated[
        int,
        typer.Option(
            "--batch-size",
            min=1,
            help="Samples per call, unless the network fixes it. Example: --batch-size 8",
        ),
    ] = 32,
    label_offset: Annotated[
        int,
        typer.Option(
            "--label-offset",
            help="Added to every label, for networks with a background class. "
            "Example: --label-offset 1",
        ),
    ] = 0,
    threads: output.ThreadsOption = None,
    preset: preprocess.PresetOption = preprocess.Preset.NONE,
    scale: preprocess.ScaleOption = None,
    mean: preprocess.MeanOption = None,
    std: preprocess.StdOption = None,
    resize: preprocess.ResizeOption = None,
    layout: preprocess.LayoutOption = preprocess.Layout.AUTO,
    as_json: output.JsonOption = False,
) -> None:
    """Measure top-1 and top-5 accuracy of a classifier on labelled images."""
    how = preprocess.preprocessing(preset, scale, mean, std, resize, layout)
    inputs = model_inputs(model)
    dataset, fixed = open_dataset(data, "--data", inputs, how), fixed_batch(inputs)
    if dataset.labels is None:
        raise ValueError(f"--data: {data} has no labels (array 'labels', or labels.csv)")
    labels = dataset.labels + label_offset
    session = open_session(model, threads)
    total = dataset.count if samples is None else min(samples, dataset.count)
    hits, done, seconds = np.zeros(2, np.int64), 0, 0.0
    batches = dataset.batches(samples, fixed or batch_size, full=fixed is not None)
    with output.progress("evaluating", quiet=as_json) as update:
        for index, feeds in batches:
            start = time.perf_counter()
            scores = session.run(None, feeds)[0]
            seconds += time.perf_counter() - start
            hits += correct(scores[: len(index)], labels[index])
            done += len(index)
            update(done, total)
    result = {
        "model": str(model),
        "data": str(data),
        "samples": done,
        "top1": hits[0] / done,
        "top5": hits[1] / done,
        "samples_per_second": done / seconds,
        "backend": session.backend,
    }
    if as_json:
        output.print_json(result)
        return
    rate = f"{output.rate(done / seconds)} samples/s on {session.backend}"
    columns = ["samples", "top-1", "top-5", "speed"]
    row = [done, f"{hits[0] / done:.2%}", f"{hits[1] / done:.2%}", rate]
    output.show(str(model), columns, [row], right=(0, 1, 2))


def correct(scores: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many samples have their label first, and among the first five.

    Of equal scores the lower class comes first. With fewer than five classes, all count.

    Raises
    ------
    ValueError
        If the scores are not (samples, classes), or a label is no class.

    Examples
    --------
    >>> correct(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
    array([1, 2])
    """
    scores = scores.reshape(len(scores), -1) if scores.ndim > 2 else scores
    if scores.ndim != 2 or len(scores) != len(labels):
        raise ValueError(f"MODEL: the first output has shape {scores.shape}, no scores per class")
    wrong = labels[(labels < 0) | (labels >= scores.shape[1])]
    if len(wrong):
        classes = scores.shape[1]
        raise ValueError(f"--data: label {wrong[0]} is no class of the network (0..{classes - 1})")
    first = np.argsort(-scores.astype(np.float64), axis=1, kind="stable")[:, :5]
    found = first == labels[:, None]
    return np.array([found[:, 0].sum(), found.any(axis=1).sum()], np.int64)
