"""Int8 layers as modules. `octavo.torch.quantize_` makes them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn

from octavo._checks import wrong_dtype
from octavo.quantization import QuantParams
from octavo.torch import layer_ops as layer_ops  # registers the operators
from octavo.torch.tensors import Tensor

#: What `quantize_` replaces; subclasses may compute something else.
LAYERS = (nn.Linear, nn.Conv2d)


@dataclass(frozen=True)
class LayerParams:
    """What is chosen for an int8 layer, beside its integers.

    Parameters
    ----------
    x, out : QuantParams
        Of input and output; uint8.
    activation : (float, float) or None
        The interval the output is clamped to.
    takes_bytes, returns_bytes : bool
        Whether the module before or behind passes quantized tensors; else they are float32.
    absorbed : tuple of str
        Modules, named from the model, whose work this layer does.
    """

    x: QuantParams
    out: QuantParams
    activation: tuple[float | None, float | None] | None = None
    takes_bytes: bool = False
    returns_bytes: bool = False
    absorbed: tuple[str, ...] = field(default=())


class Int8Layer(nn.Module):
    """What both kinds of layers have: integers as buffers, parameters in the extra state."""

    def __init__(self, layer: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        shape, n = layer.weight.shape, layer.weight.shape[0]
        self.register_buffer("weight", torch.zeros(shape, dtype=torch.int8))
        self.register_buffer("weight_scale", torch.ones(n))
        self.register_buffer("bias", torch.zeros(n, dtype=torch.int32))
        self.params = LayerParams(QuantParams(1.0), QuantParams(1.0))
        self.training = False

    @property
    def params(self) -> LayerParams:
        """The parameters; numbers, so that programs that are traced hold them as constants."""
        return self._params

    @params.setter
    def params(self, params: LayerParams) -> None:
        self._params = params
        lo, hi = params.activation or (None, None)
        out_dtype = torch.uint8 if params.returns_bytes else torch.float32
        self._takes = torch.uint8 if params.takes_bytes else torch.float32
        x, out = params.x, params.out
        self._numbers = (
            x.scale, x.zero_point, out.scale, out.zero_point, out_dtype, lo, hi
        )  # fmt: skip

    def get_extra_state(self) -> dict[str, Any]:
        """Return the parameters as plain values, for the state dict."""
        return asdict(self.params)

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take over the parameters of a state dict."""
        params = {**state, "x": QuantParams(**state["x"]), "out": QuantParams(**state["out"])}
        self.params = LayerParams(**params)

    def extra_repr(self) -> str:
        """Describe the layer."""
        params, parts = self.params, [self._sizes()]
        if params.activation is not None:
            parts.append(f"activation={params.activation}")
        parts += ["takes bytes"] * params.takes_bytes + ["returns bytes"] * params.returns_bytes
        return ", ".join(parts)

    def _sizes(self) -> str:
        raise NotImplementedError

    def _check(self, x: Tensor) -> None:
        if x.dtype != self._takes:
            raise wrong_dtype("input", f"{self._takes}", x.dtype)


class Int8Linear(Int8Layer):
    """A Linear layer in int8: float32 in and out, unless its neighbours pass bytes.

    Parameters
    ----------
    layer : torch.nn.Linear
        Gives the sizes.

    Attributes
    ----------
    weight : Tensor of int8, shape (out_features, in_features)
    weight_scale : Tensor of float32, shape (out_features,)
    bias : Tensor of int32, shape (out_features,)
    params : LayerParams
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__(layer)
        self.in_features, self.out_features = layer.in_features, layer.out_features

    def forward(self, input: Tensor) -> Tensor:
        """Apply the layer to a tensor of shape (..., in_features)."""
        self._check(input)
        constants = (self.weight, self.weight_scale, self.bias)
        y: Tensor = torch.ops.octavo.linear(input, *constants, *self._numbers)
        return y

    def _sizes(self) -> str:
        return f"{self.in_features}, {self.out_features}"


class Int8Conv2d(Int8Layer):
    """A Conv2d layer in int8: float32 in and out, unless its neighbours pass bytes.

    Results are in channels-last memory, the fastest input is too.

    Parameters
    ----------
    layer : torch.nn.Conv2d
        Gives sizes and geometry; padded with zeros.

    Attributes
    ----------
    weight : Tensor of int8, shape (out_channels, in_channels / groups, kh, kw)
    weight_scale : Tensor of float32, shape (out_channels,)
    bias : Tensor of int32, shape (out_channels,)
    params : LayerParams
    """

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__(layer)
        self.in_channels, self.out_channels = layer.in_channels, layer.out_channels
        self.kernel_size, self.groups = tuple(layer.kernel_size), layer.groups
        self.stride, self.dilation = tuple(layer.stride), tuple(layer.dilation)
        self.padding = _padding(layer)

    def forward(self, input: Tensor) -> Tensor:
        """Apply the layer to a tensor of shape (n, in_channels, h, w), or (in_channels, h, w)."""
        self._check(input)
        constants = (self.weight, self.weight_scale, self.bias)
        geometry = (self.stride, self.padding, self.dilation, self.groups)
        images = input if input.dim() == 4 else input.unsqueeze(0)
        y: Tensor = torch.ops.octavo.conv2d(images, *constants, *self._numbers, *geometry)
        return y if input.dim() == 4 else y.squeeze(0)

    def _sizes(self) -> str:
        sizes = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        more = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1}
        own = {name: getattr(self, name) for name in more}
        return sizes + "".join(f", {k}={v}" for k, v in own.items() if v != more[k])


def int8_layer(layer: nn.Linear | nn.Conv2d) -> Int8Linear | Int8Conv2d:
    """Make the int8 layer that takes the place of a float one, without its values."""
    return Int8Linear(layer) if isinstance(layer, nn.Linear) else Int8Conv2d(layer)


def _padding(layer: nn.Conv2d) -> tuple[int, int, int, int]:
    """(top, left, bottom, right); of "same" the odd pixel is below and to the right."""
    if isinstance(layer.padding, str):
        whole = [
            (k - 1) * d if layer.padding == "same" else 0
            for k, d in zip(layer.kernel_size, layer.dilation, strict=True)
        ]
        top, left = (n // 2 for n in whole)
        return top, left, whole[0] - top, whole[1] - left
    h, w = layer.padding
    return h, w, h, w
