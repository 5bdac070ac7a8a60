"""Float networks with random weights: speed does not depend on what a network has learnt.

Each function returns a checked `onnx.ModelProto` with one float32 input "input" and one float32
output "output", batch axis free.
"""

from .bert import bert_layers
from .vision import mobilenet_v2, resnet18, resnet50

__all__ = ["bert_layers", "mobilenet_v2", "resnet18", "resnet50"]
