"""octavo in PyTorch: operators ``torch.ops.octavo`` and int8 modules.

`quantize_` replaces the Linear and Conv2d layers of a model by int8 ones, calibrated on data. The
operators work on CPU tensors in place, have fake kernels, and so go through ``torch.compile`` and
``torch.export``; see `octavo.torch.ops`. Inference only: nothing here has a gradient.

Examples
--------
>>> import torch
>>> import octavo.torch
>>> model = torch.nn.Sequential(torch.nn.Linear(16, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4))
>>> data = torch.randn(64, 16)
>>> octavo.torch.quantize_(model, data)
Sequential(
  (0): Int8Linear(16, 8, activation=(0.0, inf), returns bytes)
  (1): Identity()
  (2): Int8Linear(8, 4, takes bytes)
)
>>> model(data).shape
torch.Size([64, 4])
"""

from __future__ import annotations

try:
    import torch  # noqa: F401 - the message below is clearer than the first import that fails
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise ImportError(
        'octavo.torch needs the package torch: pip install "octavo[torch]"'
    ) from error

from octavo.torch import ops
from octavo.torch.cache import clear_cache
from octavo.torch.modules import Int8Conv2d, Int8Linear
from octavo.torch.quantize import quantize_
from octavo.torch.state import load_quantized_

__all__ = ["Int8Conv2d", "Int8Linear", "clear_cache", "load_quantized_", "ops", "quantize_"]
