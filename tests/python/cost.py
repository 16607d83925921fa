"""What a graph costs a card beside its products: the nodes that ONNX Runtime leaves, and the bytes they move.

PYTHONPATH=scripts:runtime/python python3 tests/python/cost.py onnx/gatys.loss_grad.onnx [HEIGHT WIDTH]
"""

from __future__ import annotations

import collections
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from inference import onnxruntime

Level = onnxruntime.GraphOptimizationLevel

PRODUCTS = {"Conv", "FusedConv", "FusedMatMul", "Gemm", "MatMul"}
VIEWS = {"Reshape", "Squeeze", "Unsqueeze"}
PARTS = {"Slice", "Split"}
"""They read what they write, not all of their input."""


@dataclass(frozen=True)
class Cost:
    operators: collections.Counter[str]
    """The nodes, by operator."""
    moved: collections.Counter[str]
    """Bytes read and written by all but products, by operator. A convolution's bias is a pass over its
    output, and so is a ReLU that is fused with it: cards do not fuse them.
    """


def cost(graph: Path | bytes, size: tuple[int, int]) -> Cost:
    """Of a graph for one region at `size`, height and width."""
    sizes = _bytes(_optimised(graph, size, Level.ORT_ENABLE_BASIC))
    nodes = _optimised(graph, size, Level.ORT_ENABLE_EXTENDED).graph.node
    moved: collections.Counter[str] = collections.Counter()
    for node in nodes:
        output = sizes[node.output[0]]
        if node.op_type in {"Conv", "FusedConv"}:
            moved["bias"] += 2 * output * (len(node.input) > 2)
            moved["Relu"] += 2 * output * (node.op_type == "FusedConv")
        elif node.op_type in PARTS:
            moved[node.op_type] += 2 * sum(sizes[name] for name in node.output)
        elif node.op_type not in PRODUCTS | VIEWS:
            moved[node.op_type] += sum(sizes[name] for name in [*node.input, *node.output] if name)
    return Cost(collections.Counter(node.op_type for node in nodes), moved)


def _optimised(graph: Path | bytes, size: tuple[int, int], level: Level) -> onnx.ModelProto:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    for name, extent in zip(("height", "width", "regions"), (*size, 1), strict=True):
        options.add_free_dimension_override_by_name(name, extent)
    options.graph_optimization_level = level
    source = graph if isinstance(graph, bytes) else str(graph)
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = f"{folder}/optimised.onnx"
        onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath, load_external_data=False)


def _bytes(model: onnx.ModelProto) -> dict[str, int]:
    """Of every tensor."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    types = {value.name: value.type.tensor_type for value in [*graph.value_info, *graph.input, *graph.output]}
    shapes = {name: (of.elem_type, [dim.dim_value for dim in of.shape.dim]) for name, of in types.items()}
    shapes |= {tensor.name: (tensor.data_type, tensor.dims) for tensor in graph.initializer}
    return {
        name: helper.tensor_dtype_to_np_dtype(element).itemsize * int(np.prod(shape, dtype=np.int64))
        for name, (element, shape) in shapes.items()
    }


def main() -> None:
    graph, *size = sys.argv[1:]
    found = cost(Path(graph), tuple(map(int, size)) or (512, 512))
    print(f"{found.operators.total()} nodes, {found.moved.total() / 1e9:.2f} GB")
    for operator in sorted(found.operators | found.moved, key=lambda name: -found.moved[name]):
        print(f"{operator:12} {found.operators[operator]:4} {found.moved[operator] / 1e9:7.3f}")


if __name__ == "__main__":
    main()
