"""A graph under construction, in which every node is typed and shaped as it is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from . import operators

OPSET = 18
OPSETS = {"": OPSET, operators.DOMAIN: operators.VERSION}
IR_VERSION = 8

INT64_MAX = np.iinfo(np.int64).max
"""As the end of a slice: up to the end."""

Dim = operators.Dim


class GraphError(ValueError):
    """A node that cannot be made: an unknown operator, or inputs of the wrong type or shape."""


@dataclass(frozen=True)
class Value:
    """A tensor in the graph. A dimension is a number, a symbol's name, or None where only its run knows."""

    name: str
    elem_type: int
    shape: tuple[Dim, ...]

    def with_shape(self, shape: Sequence[Dim]) -> Value:
        """The same tensor, declared with a shape that says more than inference can."""
        return replace(self, shape=tuple(shape))


@dataclass(frozen=True)
class Node:
    """One call of an operator; absent optional inputs are None. The domain of ONNX's own operators is ""."""

    name: str
    op_type: str
    inputs: tuple[Value | None, ...]
    outputs: tuple[Value, ...]
    attributes: Mapping[str, object]
    domain: str = ""

    @property
    def output(self) -> Value:
        """The first output, most often the only one."""
        return self.outputs[0]


@dataclass(eq=False)
class Group:
    """Nodes that compute one thing together, for instance a Gram matrix: to the lowering, one operator.

    Its outputs may be fewer than its nodes make; the nodes of a gradient need not lie together.
    """

    name: str
    op_type: str
    inputs: tuple[Value | None, ...]
    attributes: Mapping[str, object]
    nodes: list[Node] = field(default_factory=list)
    outputs: tuple[Value, ...] = ()

    @property
    def output(self) -> Value:
        """The first output, most often the only one."""
        return self.outputs[0]


Item = Node | Group


class Graph:
    """Nodes in topological order, with their inputs and initializers.

    `float_type` is the element type of all real numbers: float32 in exported graphs, float64 where a test
    compares a backward rule with finite differences.
    """

    def __init__(self, float_type: type[np.floating] = np.float32):
        self.float_type = np.dtype(float_type)
        self.nodes: list[Node] = []
        self.inputs: list[Value] = []
        self.initializers: dict[str, np.ndarray] = {}
        self.frozen: dict[str, np.ndarray] = {}
        self._names: set[str] = set()
        self._scope: list[str] = []
        self._groups: list[Group] = []
        self._group_of: dict[str, Group] = {}

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Prefix the names of what is made inside with `name/`."""
        self._scope.append(name)
        yield
        self._scope.pop()

    @contextmanager
    def group(self, op_type: str, *inputs: Value | None, **attributes: object) -> Iterator[Group]:
        """What is made inside is one operator to the lowering; whoever opens it sets its outputs."""
        group = Group("/".join(self._scope), op_type, inputs, attributes)
        with self.inside(group):
            yield group

    @contextmanager
    def inside(self, group: Group) -> Iterator[None]:
        """What is made inside belongs to `group` too."""
        self._groups.append(group)
        yield
        self._groups.pop()

    def items(self, live: Iterable[str] | None = None) -> list[Item]:
        """Nodes and outermost groups, each where its last node is; of these nodes only, if they are given."""
        placed: dict[int, Item] = {}
        for node in self.nodes:
            if live is None or node.name in live:
                item = self._group_of.get(node.name, node)
                placed.pop(id(item), None)
                placed[id(item)] = item
        return list(placed.values())

    def input(self, name: str, shape: Sequence[Dim]) -> Value:
        """A real-valued graph input; its name is used as it stands."""
        value = Value(self._claim(name), self.float_elem_type, tuple(shape))
        self.inputs.append(value)
        return value

    @property
    def float_elem_type(self) -> int:
        """`float_type` as ONNX numbers it."""
        return _elem_type(self.float_type)

    def constant(self, array: np.ndarray, name: str) -> Value:
        """A small tensor stored inside the graph."""
        value = _initializer(array, self._unique(name))
        self.initializers[value.name] = array
        return value

    def real(self, numbers: npt.ArrayLike, name: str) -> Value:
        """A small tensor of real numbers stored inside the graph."""
        return self.constant(np.array(numbers, self.float_type), name)

    def ints(self, *numbers: int) -> Value:
        """A vector of int64, as operators take axes, shapes and bounds. Equal vectors are stored once."""
        array = np.array(numbers, np.int64)
        name = "ints/" + "_".join(map(str, numbers))
        if name not in self.initializers:
            self.initializers[self._claim(name)] = array
        return _initializer(array, name)

    def ints_of(self, value: Value) -> list[int] | None:
        """What a vector made by `ints` holds; None if `value` is computed."""
        array = self.initializers.get(value.name)
        return None if array is None else array.tolist()

    def frozen_tensor(self, array: np.ndarray, name: str) -> Value:
        """A tensor of the network's frozen weights, stored in the shared weights file under its own name."""
        if array.dtype.kind == "f":
            array = array.astype(self.float_type)
        value = _initializer(array, self._claim(name))
        self.frozen[name] = array
        return value

    def adopt(self, other: Graph, value: Value) -> Value:
        """A tensor stored inside another graph, under the same name."""
        place = "frozen" if value.name in other.frozen else "initializers"
        getattr(self, place)[self._claim(value.name)] = getattr(other, place)[value.name]
        return value

    def op(
        self,
        op_type: str,
        *inputs: Value | None,
        name: str | None = None,
        domain: str = "",
        shape: Sequence[Dim] | None = None,
        **attributes: object,
    ) -> Value:
        """Append a node and return its first output, its type and, unless it is declared, its shape inferred.

        ONNX's own operators get one output; those of another domain get all that their schema has.
        """
        name = self._unique(name or op_type.lower())
        extra = self._schema(op_type, domain).outputs[1:] if domain else []
        outputs = [name, *(self._unique(f"{name}.{output.name}") for output in extra)]
        proto = helper.make_node(
            op_type, [v.name if v else "" for v in inputs], outputs, name, domain=domain, **attributes
        )
        values = self._infer(proto, inputs)
        if shape is not None:
            values = values[0].with_shape(shape), *values[1:]
        self._append(Node(name, op_type, inputs, values, attributes, domain))
        return values[0]

    def _append(self, node: Node) -> None:
        self.nodes.append(node)
        if self._groups:
            self._group_of[node.name] = self._groups[0]
        for group in self._groups:
            group.nodes.append(node)

    def live(self, outputs: Iterable[Value]) -> set[str]:
        """The names of the values that `outputs` depend on, and their own; a node is named like its first."""
        needed = {value.name for value in outputs}
        for node in reversed(self.nodes):
            if any(value.name in needed for value in node.outputs):
                needed.update(value.name for value in (*node.inputs, node.output) if value)
        return needed

    def to_model(self, outputs: Mapping[str, Value]) -> onnx.ModelProto:
        """The finished model, its tensors inside; `outputs` maps public names to values of the graph.

        What no output depends on is left out.
        """
        public = {value.name: name for name, value in outputs.items()}
        if len(public) != len(outputs):
            raise GraphError("one value cannot be two outputs")
        live = self.live(outputs.values())
        nodes = [node for node in self.nodes if node.name in live]
        tensors = {name: array for name, array in (self.initializers | self.frozen).items() if name in live}
        graph = helper.make_graph(
            [self._node_proto(node, public, live) for node in nodes],
            "impasto",
            [_value_info(value, value.name) for value in self.inputs],
            [_value_info(value, name) for name, value in outputs.items()],
            [numpy_helper.from_array(array, name) for name, array in tensors.items()],
            value_info=[_value_info(value, value.name) for value in self._added_in_place(nodes, public)],
        )
        domains = [""] + sorted({node.domain for node in nodes} - {""})
        return helper.make_model(graph, opset_imports=_opsets(domains), ir_version=IR_VERSION)

    @staticmethod
    def _added_in_place(nodes: Iterable[Node], public: Mapping[str, str]) -> Iterator[Value]:
        """What an operator may add to in place, and its sum; outputs of the graph are declared anyway.

        ONNX Runtime does not infer shapes of another domain's operators, and lends memory only where it knows
        them. No other shapes are declared: what is free after the forward pass would be kept for a tensor of
        the same shape in the backward pass.
        """
        for node in nodes:
            place = operators.IN_PLACE.get(node.op_type)
            if place is not None and node.inputs[place]:
                both = (node.inputs[place], node.output)
                yield from (value for value in both if value.name not in public)

    @staticmethod
    def _schema(op_type: str, domain: str) -> onnx.defs.OpSchema:
        return onnx.defs.get_schema(op_type, OPSETS[domain], domain)

    def _infer(self, proto: onnx.NodeProto, inputs: Sequence[Value | None]) -> tuple[Value, ...]:
        present = [value for value in inputs if value]
        constants = self.initializers | self.frozen
        try:
            types = onnx.shape_inference.infer_node_outputs(
                self._schema(proto.op_type, proto.domain),
                proto,
                {value.name: _type_proto(value) for value in present},
                {
                    v.name: numpy_helper.from_array(constants[v.name], v.name)
                    for v in present
                    if v.name in constants
                },
                opset_imports=_opsets(OPSETS),
                ir_version=IR_VERSION,
            )
        except (onnx.defs.SchemaError, onnx.shape_inference.InferenceError) as error:
            shapes = ", ".join(str(list(value.shape)) for value in present)
            raise GraphError(f"node '{proto.name}' ({proto.op_type} of {shapes}): {error}") from error
        return tuple(_from_type_proto(name, types[name]) for name in proto.output)

    @staticmethod
    def _node_proto(node: Node, public: Mapping[str, str], live: Iterable[str]) -> onnx.NodeProto:
        """Outputs that an operator need not make are left out where nobody wants them."""

        def rename(value: Value | None) -> str:
            return public.get(value.name, value.name) if value else ""

        inputs = [rename(value) for value in node.inputs]
        spare = operators.OPTIONAL_OUTPUTS.get(node.op_type, ())
        outputs = [
            "" if place in spare and value.name not in live else rename(value)
            for place, value in enumerate(node.outputs)
        ]
        domain = node.domain or None
        return helper.make_node(node.op_type, inputs, outputs, node.name, domain=domain, **node.attributes)

    def _unique(self, name: str) -> str:
        """`name` in the current scope, numbered if it is taken."""
        scoped = "/".join([*self._scope, name])
        candidate, number = scoped, 1
        while candidate in self._names:
            number += 1
            candidate = f"{scoped}_{number}"
        return self._claim(candidate)

    def _claim(self, name: str) -> str:
        if name in self._names:
            raise GraphError(f"the name '{name}' is already taken")
        self._names.add(name)
        return name


def _opsets(domains: Iterable[str]) -> list[onnx.OperatorSetIdProto]:
    return [helper.make_opsetid(domain, OPSETS[domain]) for domain in domains]


def _initializer(array: np.ndarray, name: str) -> Value:
    return Value(name, _elem_type(array.dtype), array.shape)


def _elem_type(dtype: np.dtype) -> int:
    return helper.np_dtype_to_tensor_dtype(dtype)


def _type_proto(value: Value) -> onnx.TypeProto:
    return helper.make_tensor_type_proto(value.elem_type, list(value.shape))


def _value_info(value: Value, name: str) -> onnx.ValueInfoProto:
    return helper.make_value_info(name, _type_proto(value))


def _from_type_proto(name: str, proto: onnx.TypeProto) -> Value:
    tensor = proto.tensor_type
    dims = [d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in tensor.shape.dim]
    return Value(name, tensor.elem_type, tuple(dims))
