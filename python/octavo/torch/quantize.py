"""`quantize_`: a float model's Linear and Conv2d layers become int8, in place."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from octavo._checks import integer, invalid, wrong_dtype
from octavo._integer_layer import WEIGHT_METHODS, quantize_layer
from octavo.calibrate import Observer
from octavo.errors import CalibrationError, QuantizationWarning
from octavo.torch.calibration import FEW_SAMPLES, Forward, Progress, observe
from octavo.torch.modules import LayerParams, int8_layer
from octavo.torch.patterns import Group, find_groups, layers
from octavo.torch.state import replace

_M = TypeVar("_M", bound=nn.Module)


def quantize_(
    model: _M,
    data: Any,
    *,
    method: str = "max",
    percentile: float | None = None,
    per_channel: bool = True,
    weight_method: str = "max",
    weight_bits: int = 8,
    skip: Sequence[str] = (),
    pass_bytes: bool = True,
    forward: Forward | None = None,
    progress: bool | Progress = False,
) -> _M:
    """Replace the Linear and Conv2d layers of a model by int8 ones, calibrated on data.

    The model runs over the data, and the ranges of inputs and outputs of each layer are observed.
    A BatchNorm2d behind a Conv2d is folded, a ReLU or ReLU6 behind either is done in the same
    step, where tracing shows that nothing else reads what lies between; modules that have nothing
    left to do become Identity. Where a layer's result is read by one other layer alone, bytes pass
    between them; everywhere else tensors stay float32, and operators other than these are not
    touched.

    Parameters
    ----------
    model : torch.nn.Module
        Float32, on the CPU. Changed in place and put into evaluation mode; not changed if this
        function raises, but for the mode. Subclasses of Linear and Conv2d, layers inside of
        MultiheadAttention and TransformerEncoderLayer (which read their weights instead of calling
        them) and convolutions padded with other values than 0 stay as they are.
    data : Tensor, or iterable
        Inputs, preprocessed as for inference. A tensor holds samples along axis 0; of any other
        iterable each item is a batch: a tensor, a tuple or list whose first element is taken
        (``(x, y)`` is x), or a mapping of the names of forward's arguments, "label" and "labels"
        left out.
    method : {"max", "percentile", "entropy", "mse", "moving_average"}, default "max"
        How ranges follow from what was seen, see `octavo.calibrate`.
    percentile : float, optional
        For method "percentile" alone, in 50..100; default 99.99.
    per_channel : bool, default True
        One weight scale per output channel; False: one per layer.
    weight_method : {"max", "mse"}, default "max"
        Range of weights: the largest magnitude, or what has the least squared error.
    weight_bits : int, default 8
        2..8. Fewer than 8 show what they would cost; the kernels are the same.
    skip : sequence of str, optional
        Names of layers to leave in float32, or patterns: ``"head.*"``.
    pass_bytes : bool, default True
        False: every layer takes and returns float32. The results are the same.
    forward : callable, optional
        Called as ``forward(model, item)`` for each item of an iterable, where the usual call does
        not fit.
    progress : bool or callable, default False
        True: a progress bar on stderr (needs ``octavo[cli]``); or called as
        ``progress(done, total)``, total being None where it is not known.

    Returns
    -------
    torch.nn.Module
        `model`.

    Raises
    ------
    InvalidArgumentError, InvalidDtypeError
        An argument is out of range; a name in `skip` matches nothing; there is no layer to
        quantize, or its weights are not finite float32 values on the CPU.
    CalibrationError
        No data, or a layer that sees NaN or infinity.

    Warns
    -----
    QuantizationWarning
        OCT001: few samples. OCT009: layers that the data never reached; they stay float32.

    Examples
    --------
    >>> import torch
    >>> import octavo.torch
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU())
    >>> octavo.torch.quantize_(model, torch.rand(32, 3, 8, 8), method="percentile")
    Sequential(
      (0): Int8Conv2d(3, 8, kernel_size=(3, 3), activation=(0.0, inf))
      (1): Identity()
    )
    """
    if not isinstance(model, nn.Module):
        raise wrong_dtype("model", "a torch.nn.Module", type(model).__name__)
    if weight_method not in WEIGHT_METHODS:
        raise invalid("weight_method", f"one of {WEIGHT_METHODS}", repr(weight_method))
    limit = 2 ** (integer("weight_bits", weight_bits, 2, 8) - 1) - 1
    names = _chosen(model, skip)
    model.eval()
    groups = find_groups(model, names)
    modules = dict(model.named_modules())
    seen, samples = observe(model, groups, data, (method, percentile), forward, progress)
    if samples < FEW_SAMPLES:
        _warn(f"OCT001 (few samples): {samples}; ranges are steady from some {FEW_SAMPLES} on")
    reached = {name: group for name, group in groups.items() if name in seen}
    missed = sorted(groups.keys() - reached.keys())
    if not reached:
        raise CalibrationError("data: no layer to quantize was called by the model's forward")
    if missed:
        _warn(f"OCT009 (layers in float32): never called with the data: {', '.join(missed)}")
    made = {}
    for name, group in reached.items():
        params = _params(group, reached, seen, pass_bytes)
        made[name] = int8_layer(group.layer)
        with torch.no_grad():
            _fill(made[name], group, modules, params, (per_channel, weight_method, limit))
    for name, layer in made.items():
        replace(model, reached[name].layer, layer)
        for absorbed in layer.params.absorbed:
            replace(model, modules[absorbed], nn.Identity())
    return model


def _chosen(model: nn.Module, skip: Sequence[str]) -> set[str]:
    """The layers to quantize, checked."""
    known = layers(model)
    if "" in known:
        expected = "a model that contains layers (put a single one into a Sequential)"
        raise invalid("model", expected, f"a lone {type(model).__name__}")
    skip = [skip] if isinstance(skip, str) else list(skip)
    for pattern in skip:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise invalid("skip", f"names or patterns of {sorted(known)}", repr(pattern))
    names = {n for n in known if not any(fnmatchcase(n, pattern) for pattern in skip)}
    if not names:
        raise invalid("model", "at least one Linear or Conv2d layer to quantize", "none")
    for name in sorted(names):
        weight = known[name].weight
        if weight.device.type != "cpu" or weight.dtype != torch.float32:
            got = f"{weight.dtype} on {weight.device}"
            raise wrong_dtype(f"model.{name}.weight", "float32 values on the CPU", got)
        for kind, values in known[name].named_parameters():
            if not bool(torch.isfinite(values).all()):
                raise invalid(f"model.{name}.{kind}", "finite values", "NaN or infinity")
    return names


def _params(
    group: Group,
    groups: dict[str, Group],
    seen: dict[str, tuple[Observer, Observer]],
    pass_bytes: bool,
) -> LayerParams:
    source = next((g for g in groups.values() if g.reader == group.name), None)
    linked = group.reader if pass_bytes and group.reader in groups else None
    takes = pass_bytes and source is not None
    x, out = (observer.compute() for observer in seen[group.name])
    if source is not None:  # Of the same values, but for the order in which ReLU and rounding come.
        x = seen[source.name][1].compute()
    absorbed = tuple(n for n in (group.norm, group.activation_module) if n is not None)
    return LayerParams(x, out, group.activation, takes, linked is not None, absorbed)


def _fill(
    layer: nn.Module,
    group: Group,
    modules: dict[str, nn.Module],
    params: LayerParams,
    how: tuple[bool, str, int],
) -> None:
    """Fold, quantize, and store the integers."""
    per_channel, weight_method, limit = how
    weight, bias = _folded(group, modules)
    integers = quantize_layer(
        weight, 0, bias, params.x.scale, per_channel, weight_method, limit=limit
    )
    n = len(weight)
    layer.weight.copy_(torch.from_numpy(integers.weight))
    layer.weight_scale.copy_(torch.from_numpy(np.broadcast_to(integers.scale, (n,)).copy()))
    if integers.bias is not None:
        layer.bias.copy_(torch.from_numpy(integers.bias))
    layer.params = params


def _folded(
    group: Group, modules: dict[str, nn.Module]
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Return weights and bias of the layer and its BatchNorm as one layer."""
    weight, bias = group.layer.weight.detach(), group.layer.bias
    if group.norm is None:
        return weight.numpy(), None if bias is None else bias.detach().numpy()
    norm = modules[group.norm]
    gain = 1.0 / torch.sqrt(norm.running_var.double() + norm.eps)
    gain = gain if norm.weight is None else gain * norm.weight.double()
    shift = 0.0 if norm.bias is None else norm.bias.double()
    offset = (0.0 if bias is None else bias.double()) - norm.running_mean.double()
    folded = (weight.double() * gain.reshape(-1, 1, 1, 1)).float()
    return folded.numpy(), (offset * gain + shift).float().detach().numpy()


def _warn(message: str) -> None:
    warnings.warn(message, QuantizationWarning, stacklevel=3)
