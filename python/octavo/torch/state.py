"""Putting int8 layers into a model, and their state dicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from torch import nn

from octavo._checks import invalid, wrong_dtype
from octavo.torch.modules import LAYERS, int8_layer

_EXTRA = "_extra_state"
_M = TypeVar("_M", bound=nn.Module)


def replace(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put a module in the place of another, wherever that is registered."""
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):  # Under each of its names.
            if child is old:
                setattr(parent, name, new)


def load_quantized_(model: _M, state: Mapping[str, Any]) -> _M:
    """Turn a float model into the quantized one whose state dict this is.

    Parameters
    ----------
    model : torch.nn.Module
        Of the architecture that was quantized; its values do not matter. Changed in place.
    state : mapping
        What ``state_dict()`` of the quantized model returned.

    Returns
    -------
    torch.nn.Module
        `model`, in evaluation mode.

    Raises
    ------
    InvalidArgumentError
        If the state has no int8 layers, or one that the model lacks.
    RuntimeError
        From PyTorch, if the rest of the state does not fit.

    Examples
    --------
    >>> import torch
    >>> import octavo.torch
    >>> make = lambda: torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU())
    >>> quantized = octavo.torch.quantize_(make(), torch.randn(32, 4))
    >>> loaded = octavo.torch.load_quantized_(make(), quantized.state_dict())
    >>> x = torch.randn(2, 4)
    >>> torch.equal(loaded(x), quantized(x))
    True
    """
    if not isinstance(model, nn.Module):
        raise wrong_dtype("model", "a torch.nn.Module", type(model).__name__)
    found = {
        key[: -len(_EXTRA) - 1]: value
        for key, value in state.items()
        if key.endswith(f".{_EXTRA}") and isinstance(value, Mapping) and "takes_bytes" in value
    }
    if not found:
        raise invalid("state", "the state dict of a quantized model", "one without int8 layers")
    modules = dict(model.named_modules(remove_duplicate=False))
    for name in found:
        if type(modules.get(name)) not in LAYERS:
            got = type(modules[name]).__name__ if name in modules else "no such module"
            raise invalid("model", f"a Linear or Conv2d layer named {name!r}", got)
    model.eval()
    for name, extra in found.items():
        replace(model, modules[name], int8_layer(modules[name]))
        for absorbed in extra["absorbed"]:
            replace(model, modules[absorbed], nn.Identity())
    model.load_state_dict(dict(state))
    return model
