"""From a portable graph to one of the program's own operators for the processor, in one pass.

A group of nodes that computes one thing becomes one operator (`operators.py`), and neighbours are fused: a
convolution with its frame, its ReLU and its pool, their gradients likewise, and what a term injects with what
comes from deeper layers and with the ReLU before it. All other nodes stay as they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from . import operators
from .graph import Graph, Group, Item, Node, Value

POOLS = {"MaxPool": "max", "AveragePool": "avg"}
INJECTIONS = {"MomentsGradient", "ContentGradient", "TotalVariationGradient"}
"""The groups whose operators can add what comes from deeper layers."""
GROUPS = {"Moments", "SquareDifference", "TotalVariation", *INJECTIONS}
"""The groups that become an operator of their name, with their inputs."""
OF_THE_TRUNK = {"Conv", "ConvGradient", "ReluGradient", *POOLS, *(f"{pool}Gradient" for pool in POOLS)}
"""What may use an activation that is not kept for a term."""


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
        self.masks: dict[str, tuple[Value, ...]] = {}
        """By ReLU: its mask, and the size before its pool."""

    def lower(self, item: Item) -> None:
        if isinstance(item, Group):
            self.lower_group(item)
        elif self.is_layer(item):
            return  # Its ReLU brings it.
        elif item.op_type == "Relu" and self.is_layer(self.maker.get(item.inputs[0].name)):
            self.lower_layer(item)
        elif item.op_type in POOLS:
            self.lower_pool(item)
        elif item.op_type == "Add" and self.injection_into(item):
            self.keep(item, self.inject(self.injection_into(item), item.inputs[1]))
        else:
            self.copy(item)

    def lower_group(self, group: Group) -> None:
        if group.op_type == "Frame":
            return  # The first layer brings it.
        if group.op_type in INJECTIONS:
            user = self.only_user(group.output)
            if self.injection_into(user) is not group:
                self.keep(group, self.inject(group, None))
        elif group.op_type in GROUPS:
            self.keep(group, self.own(group.op_type, *map(self.value, group.inputs), name=group.name))
        else:
            self.lower_gradient(group)

    def lower_layer(self, relu: Node) -> None:
        convolution = self.maker[relu.inputs[0].name]
        x, padding = self.framed(convolution)
        pool = self.fused_pool(relu)
        tensors, layer = self.tensors(convolution), {"layer": convolution.name, "name": relu.name}
        if pool:
            self.own("ConvReluPool", self.value(x), *tensors, pool=POOLS[pool.op_type], **layer)
            y, *mask = self.made.nodes[-1].outputs
            self.values[pool.output.name] = y
        else:
            op_type = "ConvReluMask" if self.needs_mask(relu) else "ConvRelu"
            self.own(op_type, self.value(x), self.value(padding), *tensors, **layer)
            y, *mask = self.made.nodes[-1].outputs
            self.values[relu.output.name] = y
        self.masks[relu.name] = tuple(mask)

    def lower_pool(self, pool: Node) -> None:
        if pool.output.name not in self.values:
            made = self.own("Pool", self.value(pool.inputs[0]), pool=POOLS[pool.op_type], name=pool.name)
            self.keep(pool, made)

    def lower_gradient(self, group: Group) -> None:
        of, dy = group.attributes["of"], group.inputs[0]
        if self.is_layer(of):
            user = self.only_user(group.output)
            if not (isinstance(user, Group) and user.op_type == "FrameGradient"):
                self.keep(group, self.convolution_gradient(group, None))
        elif of.op_type == "Frame":
            self.keep(group, self.convolution_gradient(self.maker[dy.name], of.inputs[1]))
        elif of.op_type == "Relu" and self.is_layer(self.maker.get(of.inputs[0].name)):
            if self.is_kept(of):
                self.values[group.output.name] = self.value(dy)  # The terms have brought dY through the ReLU.
        elif of.op_type in POOLS:
            if not self.fused_pool(self.maker[of.inputs[0].name]):
                pool = POOLS[of.op_type]
                x = self.value(of.inputs[0])
                self.keep(group, self.own("PoolGradient", self.value(dy), x, pool=pool, name=group.name))
        else:
            for node in group.nodes:
                if node.name in self.live:
                    self.copy(node)

    def convolution_gradient(self, group: Group, padding: Value | None) -> Value:
        """Through a convolution and the ReLU, or ReLU and pool, after it."""
        convolution = group.attributes["of"]
        shape = self.value(self.framed(convolution)[0]).shape
        options = {"layer": convolution.name, "name": group.name, "shape": shape}
        after = self.maker[group.inputs[0].name]
        relu, dy = after.attributes["of"], after.inputs[0]
        if self.is_kept(relu):
            return self.own("ConvGradient", self.value(dy), None, self.value(padding), **options)
        if pool := self.fused_pool(relu):
            dy = self.maker[dy.name].inputs[0]
            mask, options["pool"] = self.masks[relu.name], POOLS[pool.op_type]
            return self.own("ConvReluPoolGradient", self.value(dy), *mask, **options)
        (mask,) = self.masks[relu.name]
        return self.own("ConvGradient", self.value(dy), mask, self.value(padding), **options)

    def inject(self, group: Group, upstream: Value | None) -> Value:
        add = self.value(upstream)
        inputs = [*map(self.value, group.inputs), add]
        return self.own(group.op_type, *inputs, name=f"{group.name}/{group.op_type.lower()}")

    def injection_into(self, item: Item | None) -> Group | None:
        """The injection that an Add adds to what comes from deeper layers."""
        maker = (
            self.maker.get(item.inputs[0].name) if isinstance(item, Node) and item.op_type == "Add" else None
        )
        return maker if isinstance(maker, Group) and maker.op_type in INJECTIONS else None

    @staticmethod
    def is_layer(item: Item | None) -> bool:
        return isinstance(item, Node) and item.op_type == "Conv" and item.attributes["kernel_shape"] == [3, 3]

    def is_kept(self, relu: Node) -> bool:
        """Whether a term looks at a ReLU's output, or it is an output itself."""
        return any(user is None or user.op_type not in OF_THE_TRUNK for user in self.users[relu.output.name])

    def needs_mask(self, relu: Node) -> bool:
        """Whether its gradient is wanted, and no term brings it through the ReLU."""
        users = self.users[relu.output.name]
        return not self.is_kept(relu) and any(user.op_type == "ReluGradient" for user in users)

    def fused_pool(self, relu: Node) -> Node | None:
        pools = [user for user in self.users[relu.output.name] if user and user.op_type in POOLS]
        return pools[0] if pools and not self.is_kept(relu) else None

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
