"""Every node of every graph, shapes folded as the program has them, has a kernel on the cards' providers.

`tests/data/kernels.json` keeps the facts: the operators that the graphs use, or may, as the documentation of
the CUDA provider and of TensorRT lists them, for CUDA with opsets and the types of the first input. What is
missing has to be looked up there. The CPU provider needs no table: the session is built on it.
"""

import json
from pathlib import Path

import onnx
import pytest
import sessions
from conftest import ROOT

FACTS = json.loads((ROOT / "tests/data/kernels.json").read_text())
# All but those of the program's own operators, which only the processor gets.
GRAPHS = sorted(path for path in (ROOT / "tests/data").glob("*.onnx") if not path.stem.endswith(".cpu"))
SIZES = [(64, 80), (65, 51)]


def folded(graph: Path, size: tuple[int, int], folder: Path) -> onnx.ModelProto:
    """The graph as ONNX Runtime hands it to the providers; what lies in the weights file stays there."""
    path = folder / "folded.onnx"
    sessions.session(graph, size, path)
    return onnx.load(path, load_external_data=False)


def types(model: onnx.ModelProto) -> dict[str, str]:
    """The element type of every tensor, as `float` or `int64`."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = [*inferred.value_info, *inferred.input, *inferred.output]
    elements = {value.name: value.type.tensor_type.elem_type for value in values}
    elements |= {tensor.name: tensor.data_type for tensor in inferred.initializer}
    return {name: onnx.TensorProto.DataType.Name(element).lower() for name, element in elements.items()}


def opset(model: onnx.ModelProto) -> int:
    return next(entry.version for entry in model.opset_import if entry.domain == "")


def cuda_lacks(node: onnx.NodeProto, version: int, element: str) -> bool:
    kernels = FACTS["cuda"]["kernels"].get(node.op_type, []) if node.domain == "" else []
    return not any(
        kernel["from"] <= version <= (kernel["to"] or version) and element in kernel["types"].split()
        for kernel in kernels
    )


def tensorrt_lacks(node: onnx.NodeProto, constants: set[str]) -> bool:
    facts = FACTS["tensorrt"]
    attributes = {attribute.name: attribute for attribute in node.attribute}
    fixed = facts["weights_are_constant"].get(node.op_type, [])
    return (
        node.domain != ""
        or node.op_type not in facts["operators"]
        or (node.op_type == "MaxPool" and len(node.output) > facts["max_pool_outputs"])
        or (node.op_type == "Resize" and attributes["mode"].s.decode() not in facts["resize_modes"])
        or any(index < len(node.input) and node.input[index] not in constants for index in fixed)
    )


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("graph", GRAPHS, ids=lambda path: path.name)
def test_every_node_has_a_kernel_on_cuda_and_in_tensorrt(graph, size, tmp_path):
    model = folded(graph, size, tmp_path)
    elements, constants = types(model), {tensor.name for tensor in model.graph.initializer}
    assert model.graph.node
    left = {
        "cuda": [
            node.op_type
            for node in model.graph.node
            if cuda_lacks(node, opset(model), elements[node.input[0]])
        ],
        "tensorrt": [node.op_type for node in model.graph.node if tensorrt_lacks(node, constants)],
    }
    assert left == {"cuda": [], "tensorrt": []}


def test_an_operator_that_only_the_processor_has_is_found():
    unpool = onnx.helper.make_node("MaxUnpool", ["x", "i"], ["y"])
    assert cuda_lacks(unpool, 18, "float")
    assert tensorrt_lacks(unpool, set())
    shapes = onnx.helper.make_node("ReduceProd", ["x"], ["y"])
    assert cuda_lacks(shapes, 18, "int64")
    assert not cuda_lacks(shapes, 18, "float")
    indices = onnx.helper.make_node("MaxPool", ["x"], ["y", "i"], kernel_shape=[2, 2])
    assert tensorrt_lacks(indices, set())
