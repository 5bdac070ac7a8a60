"""Which modules belong together: a layer, its BatchNorm, its activation, and the layer behind.

Found by symbolic tracing (torch.fx). Where a model cannot be traced, for control flow that depends
on data, its parts are tried, down to single Sequentials.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from octavo.torch.modules import LAYERS

Interval = tuple[float, float]
_RELU, _RELU6 = (0.0, math.inf), (0.0, 6.0)
_MODULES: dict[type[nn.Module], Interval] = {nn.ReLU: _RELU, nn.ReLU6: _RELU6}
_FUNCTIONS: dict[Any, Interval] = {F.relu: _RELU, torch.relu: _RELU, F.relu6: _RELU6}
_METHODS: dict[str, Interval] = {"relu": _RELU, "relu_": _RELU}
#: These read the weights of the layers inside, instead of calling them.
_CLOSED = (nn.MultiheadAttention, nn.TransformerEncoderLayer)


@dataclass
class Group:
    """A layer and what is done in the same step."""

    name: str
    layer: nn.Linear | nn.Conv2d
    norm: str | None = None
    activation: Interval | None = None
    activation_module: str | None = None
    reader: str | None = None  # the layer that alone reads the result


def layers(model: nn.Module) -> dict[str, nn.Linear | nn.Conv2d]:
    """Layers that can be replaced, by their first name."""
    found: dict[str, nn.Linear | nn.Conv2d] = {}
    closed = [name for name, m in model.named_modules() if isinstance(m, _CLOSED)]
    for name, module in model.named_modules():
        inside = any(name.startswith(f"{outer}.") or not outer for outer in closed)
        if type(module) in LAYERS and not inside and _plain(module):
            found[name] = module
    return found


def _plain(module: nn.Module) -> bool:
    return not isinstance(module, nn.Conv2d) or module.padding_mode == "zeros"


def find_groups(model: nn.Module, names: set[str]) -> dict[str, Group]:
    """Find what can be done in one step with each of the layers named."""
    groups = {n: Group(n, layer) for n, layer in layers(model).items() if n in names}
    places = Counter(id(m) for _, m in model.named_modules(remove_duplicate=False))
    shared = {module for module, n in places.items() if n > 1}
    for prefix, part, graph in _traced(model, ""):
        _Matcher(prefix, part, graph, groups, shared).match()
    return groups


class _Tracer(fx.Tracer):  # type: ignore[misc, unused-ignore]
    """Traces through all modules but PyTorch's own."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in LAYERS or bool(super().is_leaf_module(m, module_qualified_name))


def _traced(model: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module, fx.Graph]]:
    if not any(True for _ in model.children()):
        return
    try:
        graph = _Tracer().trace(model)
    except Exception:  # Whatever the model's own code raises when it gets a proxy.
        for name, child in model.named_children():
            yield from _traced(child, f"{prefix}{name}.")
        return
    yield prefix, model, graph


class _Matcher:
    """Completes the groups whose layers are in one traced graph."""

    def __init__(
        self,
        prefix: str,
        part: nn.Module,
        graph: fx.Graph,
        groups: dict[str, Group],
        shared: set[int],
    ) -> None:
        self._prefix, self._graph, self._groups = prefix, graph, groups
        self._modules = dict(part.named_modules())
        calls = [node.target for node in graph.nodes if node.op == "call_module"]
        #: How often each module is called; what has two names may be called from elsewhere too.
        self._calls = Counter(t for t in calls if id(self._modules[t]) not in shared)
        self._fused: Counter[Any] = Counter()

    def match(self) -> None:
        """Fuse, then find the layers whose results one other layer reads."""
        ends = {}
        for node in self._graph.nodes:
            group = self._group(node)
            if group is not None:
                ends[node] = self._fuse(group, node)
        for node, end in ends.items():
            group = self._groups[self._name(node)]
            fused = group.activation is not None
            # An activation that is called elsewhere stays where it is; it changes nothing twice.
            gone = end.op == "call_module" and self._fused[end.target] == self._calls[end.target]
            if fused and gone:
                group.activation_module = self._name(end)
            reader = _only_user(end)
            following = None if reader is None else self._group(reader)
            if following is not None and (gone or not fused):
                group.reader = following.name

    def _fuse(self, group: Group, node: fx.Node) -> fx.Node:
        """Add norm and activation to the group; return the node whose result is the group's."""
        following = _only_user(node)
        if following is not None and self._is_norm(following, group.layer):
            group.norm, node = self._name(following), following
            following = _only_user(node)
        if following is None:
            return node
        group.activation = _interval(following, self._modules)
        if group.activation is None:
            return node
        if following.op == "call_module":
            self._fused[following.target] += 1
        return following

    def _name(self, node: fx.Node) -> str:
        return f"{self._prefix}{node.target}"

    def _group(self, node: fx.Node) -> Group | None:
        """The group whose layer is called here, and nowhere else."""
        if node.op != "call_module" or self._calls[node.target] != 1:
            return None
        return self._groups.get(self._name(node))

    def _is_norm(self, node: fx.Node, layer: nn.Module) -> bool:
        if node.op != "call_module" or self._calls[node.target] != 1:
            return False
        norm: Any = self._modules[node.target]
        folds = isinstance(layer, nn.Conv2d) and type(norm) is nn.BatchNorm2d
        return folds and norm.running_mean is not None


def _only_user(node: fx.Node) -> fx.Node | None:
    """The operation that alone reads a result, and as its first argument alone."""
    if len(node.users) != 1:
        return None
    user = next(iter(node.users))
    alone = list(user.args[:1]) == [node] and list(user.all_input_nodes) == [node]
    return user if alone and user.op != "output" else None


def _interval(node: fx.Node, modules: dict[str, Any]) -> Interval | None:
    """What an activation clamps to; None for any other operation."""
    if node.op == "call_module":
        return _MODULES.get(type(modules[node.target]))
    kinds: dict[Any, Interval] = _FUNCTIONS if node.op == "call_function" else _METHODS
    return kinds.get(node.target)
