"""Checks of what linear and convolution layers share: weights, bias, output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from octavo import _core
from octavo._checks import (
    Activation,
    ByteDtype,
    activation_range,
    array_of,
    bound_k,
    byte_dtype,
    integers,
    invalid,
    scale,
    scales,
    zero_point,
)
from octavo._dlpack import imported
from octavo.requantization import activation_clamp, multipliers, scale_ratio

OutDtype: TypeAlias = Literal["uint8", "int8", "int32"]
_INT32 = np.iinfo(np.int32)


@dataclass(frozen=True)
class Output:
    """The last step of a layer, in the form the compiled module takes."""

    dtype: OutDtype
    residual_dtype: ByteDtype | None
    multiplier: NDArray[np.float32] | None
    spec: _core.OutputSpec | None


def layer_output(
    n: int,
    weight_scale: ArrayLike | None,
    a_scale: float | None,
    out_scale: float | None,
    out_zero_point: int,
    out_dtype: DTypeLike,
    activation: Activation,
    residual_scale: float | None,
    residual_zero_point: int,
    residual_dtype: DTypeLike | None,
) -> Output:
    """Check what describes a layer's output, named as `pack_linear` names it."""
    weight_scales = None if weight_scale is None else scales("weight_scale", weight_scale, n)
    in_scale = None if a_scale is None else scale("a_scale", a_scale)
    bounds = activation_range(activation)
    if out_scale is None:
        for name, value in (("activation", activation), ("residual_scale", residual_scale)):
            if value is not None:
                raise invalid(name, "None with int32 output (out_scale=None)", repr(value))
        return Output("int32", None, None, None)
    if weight_scales is None or in_scale is None:
        missing = "weight_scale" if weight_scales is None else "a_scale"
        raise invalid(missing, "a scale, because out_scale is given", None)
    to_scale = scale("out_scale", out_scale)
    out = byte_dtype("out_dtype", out_dtype)
    zero = zero_point("out_zero_point", out_zero_point, out)
    name = "a_scale * weight_scale / out_scale"
    factors = multipliers(name, in_scale, weight_scales, to_scale)
    qmin, qmax = activation_clamp(bounds, to_scale, zero, out)
    if residual_scale is None:
        if residual_dtype is not None:
            raise invalid("residual_scale", "a scale, because residual_dtype is given", None)
        spec = _core.OutputSpec(signed=out == "int8", zero_point=zero, qmin=qmin, qmax=qmax)
        return Output(out, None, factors, spec)
    added = out if residual_dtype is None else byte_dtype("residual_dtype", residual_dtype)
    spec = _core.OutputSpec(
        signed=out == "int8",
        zero_point=zero,
        qmin=qmin,
        qmax=qmax,
        residual=True,
        residual_signed=added == "int8",
        residual_multiplier=scale_ratio("residual_scale", residual_scale, to_scale),
        residual_zero_point=zero_point("residual_zero_point", residual_zero_point, added),
    )
    return Output(out, added, factors, spec)


def layer_weights(weight: object, axes: str, ndim: int) -> NDArray[np.int8]:
    """Check weights of `ndim` non-empty axes, named `axes`."""
    array = array_of("weight", weight, "int8")
    if array.ndim != ndim or array.size == 0:
        raise invalid("weight", f"shape ({axes}), no axis empty", f"shape {array.shape}")
    return np.ascontiguousarray(array)


def layer_bias(bias: ArrayLike | None, n: int) -> NDArray[np.int32] | None:
    """Check a bias of n int32 values."""
    if bias is None:
        return None
    bias = imported("bias", bias)
    if np.shape(bias) != (n,):
        raise invalid("bias", f"shape ({n},)", f"shape {np.shape(bias)}")
    return integers("bias", bias, int(_INT32.min), int(_INT32.max), n)


def weight_zero_points(value: ArrayLike, n: int, k: int) -> NDArray[np.int32] | None:
    """Check weight zero points together with the length of the sum they limit; None if all 0."""
    zeros = integers("weight_zero_point", value, -128, 127, n)
    given = bool(zeros.any())
    bound_k("weight", k, zero_points=given)
    return zeros if given else None
