"""Running a model over data while its layers are observed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextlib import ExitStack, contextmanager
from typing import Any, TypeAlias

import torch
from torch import nn

from octavo._checks import wrong_dtype
from octavo.calibrate import Observer, create_observer
from octavo.errors import CalibrationError
from octavo.torch.patterns import Group
from octavo.torch.tensors import Tensor

Forward: TypeAlias = Callable[[nn.Module, Any], object]
Progress: TypeAlias = Callable[[int, "int | None"], None]
Pair: TypeAlias = tuple[Observer, Observer]

FEW_SAMPLES = 32
BATCH = 64  # samples of a tensor that run at once
_LABELS = ("label", "labels")


def observe(
    model: nn.Module,
    groups: dict[str, Group],
    data: Any,
    how: tuple[str, float | None],
    forward: Forward | None,
    progress: bool | Progress,
) -> tuple[dict[str, Pair], int]:
    """Return observers of (input, output) for each layer that was called, and the samples.

    The output is what the group makes of it: behind BatchNorm and activation.
    """
    method, percentile = how
    pairs = {
        name: tuple(
            create_observer(method, f"{name} {what}", percentile=percentile)
            for what in ("input", "output")
        )
        for name in groups
    }
    called: dict[str, Pair] = {}
    modules = dict(model.named_modules())
    samples = 0
    with ExitStack() as stack:
        for name, group in groups.items():
            norm = modules[group.norm] if group.norm else nn.Identity()
            hook = _hook(name, group, norm, pairs, called)
            stack.callback(group.layer.register_forward_hook(hook, with_kwargs=True).remove)
        update = stack.enter_context(_reporting(progress))
        stack.enter_context(torch.no_grad())
        items, total = _items(data)
        for done, item in enumerate(items, 1):
            samples += _run(model, item, forward)
            update(done, total)
    if samples == 0:
        raise CalibrationError("data: at least one sample is needed, got none")
    return called, samples


def _hook(
    name: str,
    group: Group,
    norm: nn.Module,
    pairs: dict[str, Any],
    called: dict[str, Pair],
) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any], Tensor], None]:
    def hook(
        layer: nn.Module, args: tuple[Any, ...], named: dict[str, Any], output: Tensor
    ) -> None:
        y = norm(output)
        if group.activation is not None:
            y = y.clamp(*group.activation)
        for observer, tensor in zip(
            pairs[name], (args[0] if args else named["input"], y), strict=True
        ):
            observer.update(tensor.detach().numpy())
        called[name] = pairs[name]

    return hook


def _items(data: Any) -> tuple[Iterator[Any], int | None]:
    """Return an iterator of what the model is called with, and its length if known."""
    if isinstance(data, torch.Tensor):
        if data.dim() == 0:
            raise CalibrationError("data: expected samples along axis 0, got a scalar")
        return iter(data.split(BATCH) if len(data) else ()), -(-len(data) // BATCH)
    if isinstance(data, (str, bytes, Mapping)) or not isinstance(data, Iterable):
        expected = "a tensor, or an iterable of tensors, of tuples (x, y) or of mappings"
        raise wrong_dtype("data", expected, type(data).__name__)
    try:
        total = len(data) if isinstance(data, Sized) else None
    except TypeError:  # A loader of a stream.
        total = None
    return iter(data), total


def _run(model: nn.Module, item: Any, forward: Forward | None) -> int:
    """Run the model on one item; return the samples in it."""
    if forward is not None:
        forward(model, item)
    elif isinstance(item, Mapping):
        item = {key: value for key, value in item.items() if key not in _LABELS}
        model(**item)
    else:
        item = item[0] if isinstance(item, (tuple, list)) and len(item) else item
        if not isinstance(item, torch.Tensor):
            expected = "tensors, tuples that begin with one, or mappings (see `forward` for others)"
            raise wrong_dtype("data", expected, type(item).__name__)
        model(item)
    return _samples(item)


def _samples(item: Any) -> int:
    if isinstance(item, Mapping):
        item = next(iter(item.values()), None)
    first = item[0] if isinstance(item, (tuple, list)) and len(item) else item
    return len(first) if isinstance(first, torch.Tensor) and first.dim() else 1


@contextmanager
def _reporting(progress: bool | Progress) -> Iterator[Progress]:
    if callable(progress):
        yield progress
    elif not progress:
        yield lambda done, total: None
    else:
        try:
            from octavo.cli.output import progress as bar
        except ModuleNotFoundError as error:
            raise ImportError('progress=True needs rich: pip install "octavo[cli]"') from error
        with bar("calibrating") as update:
            yield lambda done, total: update(done, total or 0)
