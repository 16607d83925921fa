"""From a portable graph to one of the program's own operators for the processor, in one pass.

A group of nodes that computes one thing becomes one operator (`operators.py`), and neighbours are fused: a
convolution with its frame, its ReLU and its pool, their gradients likewise, and what a term injects with what
comes from deeper layers and with the ReLU before it. All other nodes stay as they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from . import operators
from .graph import Graph, Group, Item, Node, Value

POOLS = {"MaxPool": "max", "AveragePool": "avg"}
GROUPS = {"Moments", "SquareDifference", "TotalVariation"}
GROUPS |= {"MomentsGradient", "ContentGradient", "TotalVariationGradient"}
"""The groups that become an operator of their name, with their inputs."""
OF_THE_TRUNK = {"Conv", "ConvGradient", "ReluGradient", *POOLS, *(f"{pool}Gradient" for pool in POOLS)}
"""What may use an activation that is not kept for a term."""


@dataclass(frozen=True)
class Layer:
    """A convolution, its ReLU, and the pool that is fused with them: after the ReLU, or before it."""

    convolution: Node
    relu: Node
    pool: Node | None

    @property
    def nodes(self) -> list[Node]:
        return [node for node in (self.convolution, self.relu, self.pool) if node]

    @property
    def output(self) -> Value:
        after = self.pool if self.pool and self.pool.inputs[0] == self.relu.output else self.relu
        return after.output


def lowered(g: Graph, outputs: Mapping[str, Value]) -> tuple[Graph, dict[str, Value]]:
    """The lowered graph and its outputs."""
    lowering = _Lowering(g, outputs)
    for item in lowering.items:
        lowering.lower(item)
    return lowering.made, {name: lowering.value(value) for name, value in outputs.items()}


class _Lowering:
    def __init__(self, g: Graph, outputs: Mapping[str, Value]):
        self.g, self.made = g, Graph(g.float_type)
        self.live = g.live(outputs.values())
        self.items = g.items(self.live)
        self.maker: dict[str, Item] = {v.name: item for item in self.items for v in item.outputs}
        self.users: dict[str, list[Item | None]] = defaultdict(list)
        """By value; None is an output of the graph."""
        for item in self.items:
            for name in self.reads(item):
                self.users[name].append(item)
        for value in outputs.values():
            self.users[value.name].append(None)
        self.values = {value.name: self.made.input(value.name, value.shape) for value in g.inputs}
        """The lowered values by the names of the portable ones."""
        self.layers = {node.name: layer for layer in self.find_layers() for node in layer.nodes}
        self.masks: dict[str, tuple[Value, ...]] = {}
        """By convolution: its ReLU's mask, and the size before its pool."""

    def find_layers(self) -> Iterator[Layer]:
        for item in self.items:
            if not self.is_convolution(item):
                continue
            (user,) = (user for user in self.users[item.output.name] if user.op_type in {"Relu", *POOLS})
            if user.op_type in POOLS:
                (relu,) = (user for user in self.users[user.output.name] if user.op_type == "Relu")
                yield Layer(item, relu, user)
            else:
                pools = [pool for pool in self.users[user.output.name] if pool and pool.op_type in POOLS]
                yield Layer(item, user, pools[0] if pools and not self.is_kept(user) else None)

    def lower(self, item: Item) -> None:
        layer = self.layers.get(item.name)
        if isinstance(item, Group):
            self.lower_group(item)
        elif layer and item.output == layer.output:
            self.lower_layer(layer)
        elif layer:
            return  # Its last node brings it.
        elif item.op_type in POOLS:
            pool, x = POOLS[item.op_type], self.value(item.inputs[0])
            self.keep(item, self.own("Pool", x, pool=pool, name=item.name))
        else:
            self.copy(item)

    def lower_group(self, group: Group) -> None:
        if group.op_type == "Frame":
            return  # The first layer brings it.
        if group.op_type in GROUPS:
            name = f"{group.name}/{group.op_type.lower()}"
            self.keep(group, self.own(group.op_type, *map(self.value, group.inputs), name=name))
        else:
            self.lower_gradient(group)

    def lower_layer(self, layer: Layer) -> None:
        x, padding = self.framed(layer.convolution)
        tensors = self.tensors(layer.convolution)
        names = {"layer": layer.convolution.name, "name": layer.relu.name}
        if layer.pool:
            self.own("ConvReluPool", self.value(x), *tensors, pool=POOLS[layer.pool.op_type], **names)
        else:
            op_type = "ConvReluMask" if self.needs_mask(layer.relu) else "ConvRelu"
            self.own(op_type, self.value(x), self.value(padding), *tensors, **names)
        y, *mask = self.made.nodes[-1].outputs
        self.values[layer.output.name] = y
        self.masks[layer.convolution.name] = tuple(mask)

    def lower_gradient(self, group: Group) -> None:
        of, dy = group.attributes["of"], group.inputs[0]
        layer = self.layers.get(of.name)
        if of.op_type == "Frame":
            self.keep(group, self.layer_gradient(self.maker[dy.name], of.inputs[1]))
        elif layer and of is layer.convolution:
            user = self.only_user(group.output)
            if not (isinstance(user, Group) and user.op_type == "FrameGradient"):
                self.keep(group, self.layer_gradient(group, None))
        elif layer:
            return  # Its convolution brings it.
        elif of.op_type in POOLS:
            pool, x = POOLS[of.op_type], self.value(of.inputs[0])
            self.keep(group, self.own("PoolGradient", self.value(dy), x, pool=pool, name=group.name))
        else:
            for node in group.nodes:
                if node.name in self.live:
                    self.copy(node)

    def layer_gradient(self, group: Group, padding: Value | None) -> Value:
        """Through a convolution and what is fused with it, from the gradient of the convolution alone."""
        layer = self.layers[group.attributes["of"].name]
        shape = self.value(self.framed(layer.convolution)[0]).shape
        options = {"layer": layer.convolution.name, "name": group.name, "shape": shape}
        dy = self.upstream(layer)
        if self.is_kept(layer.relu):  # The terms have brought dY through the ReLU.
            return self.own("ConvGradient", dy, None, self.value(padding), **options)
        mask = self.masks[layer.convolution.name]
        if layer.pool:
            pool = POOLS[layer.pool.op_type]
            return self.own("ConvReluPoolGradient", dy, *mask, pool=pool, **options)
        return self.own("ConvGradient", dy, *mask, self.value(padding), **options)

    def upstream(self, layer: Layer) -> Value:
        """The gradient that comes to a layer's output."""
        groups = (item for item in self.items if isinstance(item, Group))
        first = next(group for group in groups if group.attributes.get("of") in layer.nodes)
        return self.value(first.inputs[0])

    @staticmethod
    def is_convolution(item: Item | None) -> bool:
        return isinstance(item, Node) and item.op_type == "Conv" and item.attributes["kernel_shape"] == [3, 3]

    def is_kept(self, relu: Node) -> bool:
        """Whether a term looks at a ReLU's output, or it is an output itself."""
        return any(user is None or user.op_type not in OF_THE_TRUNK for user in self.users[relu.output.name])

    def needs_mask(self, relu: Node) -> bool:
        """Whether its gradient is wanted, and no term brings it through the ReLU."""
        users = self.users[relu.output.name]
        return not self.is_kept(relu) and any(user.op_type == "ReluGradient" for user in users)

    def framed(self, convolution: Node) -> tuple[Value, Value | None]:
        """What a layer works on, and what it sees around it; None is zeros."""
        x = convolution.inputs[0]
        frame = self.maker.get(x.name)
        return frame.inputs if isinstance(frame, Group) and frame.op_type == "Frame" else (x, None)

    def tensors(self, convolution: Node) -> list[Value]:
        """Bias and weights, or bias, indices and codebook."""
        _, weight, bias = convolution.inputs
        look_up = self.maker.get(weight.name)
        if look_up is None:
            return [self.value(bias), self.value(weight)]
        codebook, wide = look_up.inputs
        return [self.value(value) for value in (bias, self.maker[wide.name].inputs[0], codebook)]

    def reads(self, item: Item) -> Iterator[str]:
        """The names of the values that an item takes from outside."""
        nodes = item.nodes if isinstance(item, Group) else [item]
        nodes = [node for node in nodes if node.name in self.live]
        made = {value.name for node in nodes for value in node.outputs}
        return iter({v.name for node in nodes for v in node.inputs if v and v.name not in made})

    def only_user(self, value: Value) -> Item | None:
        users = self.users[value.name]
        return users[0] if len(users) == 1 else None

    def value(self, value: Value | None) -> Value | None:
        """The lowered value; tensors of the graph are taken over as they are first used."""
        if value is not None and value.name not in self.values:
            self.values[value.name] = self.made.adopt(self.g, value)
        return value and self.values[value.name]

    def keep(self, item: Item, made: Value) -> None:
        """`made` is what an item has become, with the outputs that its node has beside."""
        node = self.made.nodes[-1]
        outputs = node.outputs if len(item.outputs) > 1 else (made,)
        for old, new in zip(item.outputs, outputs, strict=True):
            self.values[old.name] = new

    def copy(self, node: Node) -> None:
        inputs = map(self.value, node.inputs)
        made = self.made.op(node.op_type, *inputs, name=node.name, **node.attributes)
        self.keep(node, made.with_shape(node.output.shape))

    def own(self, op_type: str, *inputs: Value | None, **options: object) -> Value:
        return self.made.op(op_type, *inputs, domain=operators.DOMAIN, **options)
