"""The geometry of convolution and pooling: what a node's attributes mean for a given input.

One spatial axis is treated as two, of which the first has extent 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from octavo.graph.ir import Node

Pair = tuple[int, int]
MAX_EXTENT = 2**30  # what the compiled ops accept


@dataclass(frozen=True)
class Window:
    """A sliding window over (height, width)."""

    kernel: Pair
    stride: Pair
    padding: tuple[int, int, int, int]  # top, left, bottom, right
    dilation: Pair
    ceil_mode: bool = False

    def output_size(self, spatial: Pair) -> Pair:
        """(height, width) of the output; an extent is 0 or less where the window does not fit."""
        return self._extent(spatial, 0), self._extent(spatial, 1)

    def _extent(self, spatial: Pair, axis: int) -> int:
        before, after = self.padding[axis], self.padding[axis + 2]
        stride = self.stride[axis]
        free = spatial[axis] + before + after - reach(self.kernel[axis], self.dilation[axis])
        if free < 0:
            return 0
        out = (-(-free // stride) if self.ceil_mode else free // stride) + 1
        # A last window that would start past the image and its leading padding is dropped.
        return out - 1 if self.ceil_mode and (out - 1) * stride >= spatial[axis] + before else out


def reach(kernel: int, dilation: int) -> int:
    """How many pixels a dilated kernel spans."""
    return dilation * (kernel - 1) + 1


def spatial_pair(node: Node, shape: tuple[int, ...]) -> Pair:
    """(height, width) of a per-sample shape (channels, ...)."""
    if len(shape) == 2:
        return 1, shape[1]
    if len(shape) == 3:
        return shape[1], shape[2]
    raise node.unsupported(f"needs 1 or 2 spatial axes; the input has {len(shape) - 1}")


def window_of(node: Node, spatial: Pair, axes: int, kernel: tuple[int, ...]) -> Window:
    """Read kernel, strides, pads, dilations, auto_pad and ceil_mode of a Conv or a pool.

    `axes` is the model's own number of spatial axes, `kernel` has that length.
    """
    stride = _pair(node, _ints(node, "strides", [1] * axes, axes), 1)
    dilation = _pair(node, _ints(node, "dilations", [1] * axes, axes), 1)
    size = _pair(node, kernel, 1)
    pads = _ints(node, "pads", [0] * (2 * axes), 2 * axes)
    if any(not 0 <= value <= MAX_EXTENT for value in pads):
        raise node.unsupported(f"pads must be 0..{MAX_EXTENT}, got {pads}")
    top, left = _pair(node, pads[:axes], 0)
    bottom, right = _pair(node, pads[axes:], 0)
    padding = (top, left, bottom, right)
    auto = node.attrs.get("auto_pad", "NOTSET") or "NOTSET"
    if auto == "VALID":
        padding = (0, 0, 0, 0)
    elif auto in ("SAME_UPPER", "SAME_LOWER"):
        pairs = [
            _same(spatial[i], size[i], stride[i], dilation[i], auto == "SAME_LOWER")
            for i in range(2)
        ]
        padding = (pairs[0][0], pairs[1][0], pairs[0][1], pairs[1][1])
    elif auto != "NOTSET":
        raise node.invalid(f"auto_pad '{auto}' is not NOTSET, VALID, SAME_UPPER or SAME_LOWER")
    return Window(size, stride, padding, dilation, bool(node.attrs.get("ceil_mode", 0)))


def kernel_shape(node: Node, axes: int) -> tuple[int, ...]:
    """Return the attribute kernel_shape of a pool."""
    if "kernel_shape" not in node.attrs:
        raise node.invalid("has no attribute kernel_shape")
    return tuple(_ints(node, "kernel_shape", [], axes))


def _same(extent: int, kernel: int, stride: int, dilation: int, lower: bool) -> Pair:
    """Padding that makes the output ceil(extent / stride) long; the odd pixel goes to one end."""
    out = -(-extent // stride)
    total = max((out - 1) * stride + reach(kernel, dilation) - extent, 0)
    small, large = total // 2, total - total // 2
    return (large, small) if lower else (small, large)


def _ints(node: Node, name: str, default: list[int], length: int) -> list[int]:
    values = [int(value) for value in node.attrs.get(name, default)]
    if len(values) != length:
        raise node.invalid(f"attribute {name} must have {length} entries, got {values}")
    return values


def _pair(node: Node, values: tuple[int, ...] | list[int], low: int) -> Pair:
    if any(not low <= value <= MAX_EXTENT for value in values):
        raise node.invalid(f"window extents must be {low}..{MAX_EXTENT}, got {list(values)}")
    # The axis a 1-D window lacks has kernel, stride and dilation 1, and no padding.
    return (low, values[0]) if len(values) == 1 else (values[0], values[1])
