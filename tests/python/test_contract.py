"""What the program relies on, read from the files that tests/data holds."""

import hashlib
import json
from dataclasses import replace

import codebooks
import make
import onnx
import pytest
import sessions

from exporter import __version__, contract, models, operators, sources, storage
from exporter.graph import Graph, GraphError
from exporter.presets import BOOK, GATYS, PresetError, custom
from exporter.vgg19 import minimum_size

GATYS_CHANNELS = {"relu1_1": 4, "relu2_1": 8, "relu3_1": 16, "relu4_1": 32, "relu5_1": 32}
FILES = sorted(make.HERE.glob("*.onnx"))
CPU = [path for path in FILES if path.name.endswith(".cpu.onnx")]
PORTABLE = [path for path in FILES if path not in CPU]


def load(name):
    return onnx.load(make.HERE / name, load_external_data=False)


def signature(values):
    return {
        value.name: [dim.dim_param or dim.dim_value or None for dim in value.type.tensor_type.shape.dim]
        for value in values
    }


def metadata(model):
    return {entry.key: entry.value for entry in model.metadata_props}


def tiny_model(preset=GATYS, weights=None, **graph):
    weights = weights or sources.load("random:1", make.WIDTH_DIVISOR)
    return models.build(contract.Graph(**{"kind": "loss_grad"} | graph), preset, weights)


SUMS = {
    f"{name}/{layer}": ["regions", *([c] * rank)]
    for layer, c in GATYS_CHANNELS.items()
    for name, rank in (("products", 2), ("sums", 1), ("count", 0))
}
SLOPES = {
    f"{name}/{layer}": ["regions", *([c] * rank)]
    for layer, c in GATYS_CHANNELS.items()
    for name, rank in (("matrix", 2), ("vector", 1))
}
SIZES = {1: ["height", "width"]} | {n: [f"height_over_{n}", f"width_over_{n}"] for n in (2, 4, 8, 16)}
STYLE_GUIDES = {
    f"guide/style/{layer}": ["regions", 1, *SIZES[2**index]] for index, layer in enumerate(GATYS_CHANNELS)
}
IMAGE = {"image": [1, 3, "height", "width"], "padding": []}
CONTENT = {"content/relu4_2": [1, 32, *SIZES[8]]}
GRAMS = {f"target/{layer}/gram": ["regions", c, c] for layer, c in GATYS_CHANNELS.items()}
OTHER_GUIDES = {"guide/content/relu4_2": [1, 1, *SIZES[8]], "guide/tv": [1, 1, *SIZES[1]]}
OTHER_WEIGHTS = {"content_weight": [1], "tv_weight": []}
OTHER_LOSSES = {"content_losses": [1], "tv_loss": []}
SIGNATURES = {
    "forward": (IMAGE | STYLE_GUIDES, SUMS | CONTENT),
    "targets": (SUMS, GRAMS),
    "head": (SUMS | GRAMS | {"style_weight": ["regions", 5]}, SLOPES | {"style_losses": ["regions", 5]}),
    "backward": (
        IMAGE
        | STYLE_GUIDES
        | OTHER_GUIDES
        | SLOPES
        | CONTENT
        | OTHER_WEIGHTS
        | {"count/content/relu4_2": [1]},
        OTHER_LOSSES | {"gradient": IMAGE["image"]},
    ),
    "loss_grad": (
        IMAGE
        | STYLE_GUIDES
        | OTHER_GUIDES
        | GRAMS
        | CONTENT
        | OTHER_WEIGHTS
        | {"style_weight": ["regions", 5]},
        OTHER_LOSSES | {"loss": [], "style_losses": ["regions", 5], "gradient": IMAGE["image"]},
    ),
}


@pytest.mark.parametrize("kind", SIGNATURES)
def test_a_graph_has_the_names_and_shapes_of_the_contract(kind):
    graph = load(f"gatys.{kind}.onnx").graph
    assert (signature(graph.input), signature(graph.output)) == SIGNATURES[kind]


def test_the_targets_of_a_style_loss_are_inputs_of_its_loss_graph():
    targets = signature(load("gatys-avg-wasserstein.targets.onnx").graph.output)
    assert {name.split("/")[2] for name in targets} == {"mean", "root", "trace"}
    inputs = signature(load("gatys-avg-wasserstein.loss_grad.onnx").graph.input)
    assert {name: shape for name, shape in inputs.items() if name.startswith("target/")} == targets


def test_metadata_says_what_a_graph_is():
    weights_file = (make.HERE / "vgg19.weights").read_bytes()
    weights = sources.load("random:1", make.WIDTH_DIVISOR)
    assert metadata(load("gatys-avg.loss_grad.onnx")) == {
        "impasto.contract": "5",
        "impasto.exporter": __version__,
        "impasto.preset": "gatys",
        "impasto.graph": "loss_grad",
        "impasto.style_layers": "relu1_1,relu2_1,relu3_1,relu4_1,relu5_1",
        "impasto.content_layers": "relu4_2",
        "impasto.pooling": "avg",
        "impasto.min_size": "16",
        "impasto.input": "BGR, 0..255, minus mean 103.939,116.779,123.68, NCHW float32",
        "impasto.weights": "random:1, widths divided by 16",
        "impasto.weights_sha256": weights.sha256,
        "impasto.external_data": "vgg19.weights",
        "impasto.external_data_sha256": hashlib.sha256(weights_file).hexdigest(),
        "impasto.style_loss": "gram",
        "impasto.terms": metadata(load("gatys-avg.head.onnx"))["impasto.terms"],
    }


def test_metadata_lists_the_terms_of_a_loss():
    def terms(graph):
        return json.loads(metadata(load(f"{graph}.loss_grad.onnx"))["impasto.terms"])

    names = [f"style/{layer}" for layer in GATYS_CHANNELS] + ["content/relu4_2", "tv"]
    of_gram, of_wasserstein = terms("gatys"), terms("gatys-avg-wasserstein")
    assert [term["name"] for term in of_gram] == names
    assert of_gram[1] == {
        "name": "style/relu2_1", "kind": "style", "layer": "relu2_1", "weight": "style_weight",
        "loss": "style_losses", "index": 1, "unit": 1 / 64, "default": 1000.0,
    }  # fmt: skip
    assert of_gram[5]["default"] is None
    assert [term["unit"] for term in of_wasserstein[:2]] == [256 / 341, 64 / 341]
    assert [term["default"] for term in of_wasserstein[4:]] == [1.0, 0.015, None]


def test_a_graph_without_a_loss_names_none():
    assert not {"impasto.style_loss", "impasto.terms"} & set(metadata(load("gatys.forward.onnx")))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_on_disk_passes_the_full_check(path):
    onnx.checker.check_model(str(path), full_check=True)


@pytest.mark.parametrize("path", CPU, ids=lambda path: path.name)
def test_a_graph_for_the_processor_promises_what_the_portable_one_does(path):
    own, portable = load(path.name), load(path.name.replace(".cpu.onnx", ".onnx"))
    assert signature(own.graph.input) == signature(portable.graph.input)
    assert signature(own.graph.output) == signature(portable.graph.output)
    assert metadata(own) == metadata(portable) | {"impasto.operators": "cpu"}


@pytest.mark.parametrize("path", CPU, ids=lambda path: path.name)
def test_a_graph_for_the_processor_works_on_pictures_with_our_operators_alone(path):
    nodes = load(path.name).graph.node
    assert {node.op_type for node in nodes if node.domain == operators.DOMAIN} <= operators.OPERATORS
    of_head = {
        "Equal",
        "MatMul",
        "Transpose",
        "Div",
        "Sub",
        "Add",
        "Concat",
        "Mul",
        "ReduceSum",
        "Reshape",
    }
    of_head |= {"Cast", "Expand", "Greater", "Neg", "Pad", "Relu", "Shape", "Slice", "Sqrt", "Where"}
    assert {node.op_type for node in nodes if not node.domain} <= of_head
    pictures = ("image", "backward/", "relu", "pool")
    assert not [n.name for n in nodes if not n.domain and any(i.startswith(pictures) for i in n.input)]


def test_our_operators_do_not_pass_in_a_graph_that_does_not_say_so():
    model = tiny_model(kind="forward", flavour=contract.CPU)
    with pytest.raises(storage.CheckFailed, match="'relu1_1': ConvRelu is no operator"):
        storage.check(model)


def test_a_layer_may_carry_both_terms_and_be_pooled():
    preset = custom("mine", ["relu1_1", "relu1_2"], ["relu1_2", "relu2_1"])
    nodes = tiny_model(preset, flavour=contract.CPU).graph.node
    own = [node.op_type for node in nodes if node.domain]
    assert own[-8:] == [
        "ConvGradient", "PoolGradient", "MomentsGradient", "ContentGradient", "ConvGradient",
        "MomentsGradient", "ConvGradient", "TotalVariationGradient",
    ]  # fmt: skip


@pytest.mark.parametrize("convention", sources.CONVENTIONS)
def test_a_gradient_has_the_declared_shape_of_what_it_is_added_to(convention):
    """ONNX Runtime lends the memory of a tensor only to one that is declared to be of its shape."""
    weights = sources.load("random:1", make.WIDTH_DIVISOR)
    weights = replace(weights, input_affine=sources.CONVENTIONS[convention])
    graph = tiny_model(weights=weights, flavour=contract.CPU).graph
    shapes = signature(graph.value_info)
    place = operators.IN_PLACE["MomentsGradient"]
    adding = [node for node in graph.node if node.op_type == "MomentsGradient" and node.input[place]]
    assert len(adding) == 4  # All style layers but the deepest.
    for node in adding:
        assert None not in shapes[node.input[place]]
        assert shapes[node.input[place]] == shapes[node.output[0]]


def test_masks_are_made_where_a_gradient_goes_through_them():
    made = {
        kind: [node.op_type for node in load(f"gatys.{kind}.cpu.onnx").graph.node]
        for kind in SIGNATURES
        if kind in contract.ON_IMAGES
    }
    assert "ConvReluMask" not in made["forward"]
    assert made["backward"].count("ConvReluMask") == made["loss_grad"].count("ConvReluMask") == 3
    assert made["loss_grad"].count("ConvReluPoolGradient") == 4


def test_the_sums_of_activations_are_made_where_a_loss_wants_them():
    for name, count in (("gatys.loss_grad", 0), ("gatys-moments.loss_grad", 5), ("gatys.forward", 5)):
        nodes = load(f"{name}.cpu.onnx").graph.node
        outputs = [list(node.output) for node in nodes if node.op_type == "Moments"]
        assert len(outputs) == 5
        assert sum(len(each) == 2 and each[1] != "" for each in outputs) == count


def test_the_weights_file_holds_every_tensor_on_a_cache_line_of_its_own():
    places = [
        {entry.key: entry.value for entry in tensor.external_data}
        for tensor in load("gatys.loss_grad.onnx").graph.initializer
        if tensor.external_data
    ]
    assert len(places) == 26
    assert {place["location"] for place in places} == {"vgg19.weights"}
    assert all(int(place["offset"]) % 64 == 0 for place in places)


@pytest.mark.parametrize("path", PORTABLE, ids=lambda path: path.name)
def test_every_operator_is_one_that_all_providers_run(path):
    used = {node.op_type for node in load(path.name).graph.node}
    assert used <= contract.IMAGE_OPERATORS | contract.FOLDED_OPERATORS


@pytest.mark.parametrize("path", PORTABLE, ids=lambda path: path.name)
def test_nothing_is_left_of_what_onnx_runtime_should_fold(path, tmp_path):
    optimized = tmp_path / "optimized.onnx"
    sessions.session(path, (37, 29), optimized)
    nodes = onnx.load(optimized, load_external_data=False).graph.node
    assert not [node.name for node in nodes if node.op_type in {"Gather", "Shape", "ReduceProd"}]
    assert not [node.name for node in nodes if node.name.endswith(("swap_in_out", "reverse"))]


def test_codebook_weights_are_folded_too(tmp_path):
    optimized = tmp_path / "optimized.onnx"
    model = tiny_model(weights=codebooks.weights(make.WIDTH_DIVISOR))
    sessions.session(model.SerializeToString(), (16, 16), optimized)
    nodes = onnx.load(optimized, load_external_data=False).graph.node
    assert not [node.name for node in nodes if node.name.startswith("weights/")]


def test_a_graph_holds_no_tensor_past_its_deepest_layer():
    names = {tensor.name for tensor in tiny_model(BOOK).graph.initializer}
    assert "conv4_4.weight" in names
    assert not [name for name in names if name.startswith("conv5")]


@pytest.mark.parametrize(
    ("layers", "size"), [(["relu5_1"], 16), (["relu4_4", "relu1_1"], 8), (["relu1_2"], 1)]
)
def test_the_smallest_size_is_what_the_deepest_layer_needs(layers, size):
    assert minimum_size(layers) == size


def test_an_operator_outside_the_list_does_not_pass():
    g = Graph()
    x = g.input("x", (1, 3, "height", "width"))
    with pytest.raises(storage.CheckFailed, match="Softplus"):
        storage.check(g.to_model({"y": g.op("Softplus", x)}))


def test_a_declared_shape_that_inference_contradicts_does_not_pass():
    g = Graph()
    x = g.input("x", (1, 3, "height", "width"))
    with pytest.raises(storage.CheckFailed):
        storage.check(g.to_model({"y": g.op("Relu", x).with_shape((1, 4, "height", "width"))}))


def test_a_node_of_the_wrong_shape_is_refused_as_it_is_made():
    g = Graph()
    x = g.input("x", (1, 3, "height", "width"))
    with pytest.raises(GraphError, match=r"'sum' \(Add of \[1, 3, 'height', 'width'\], \[2, 1, 1\]"):
        g.op("Add", x, g.real([[[1]], [[1]]], "two"), name="sum")


@pytest.mark.parametrize(
    ("style", "content", "message"),
    [
        (["relu1_9"], ["relu4_2"], "no style layer 'relu1_9'"),
        (["relu1_1"], [], "at least one content layer"),
        (["relu1_1", "relu1_1"], ["relu4_2"], "names a style layer twice"),
    ],
)
def test_an_impossible_preset_is_refused_by_name(style, content, message):
    with pytest.raises(PresetError, match=message):
        custom("mine", style, content)


def test_a_preset_name_cannot_leave_the_folder():
    with pytest.raises(PresetError, match="preset name"):
        custom("../mine", ["relu1_1"], ["relu4_2"])


def test_all_masks_of_the_backward_pass_come_before_its_first_gradient():
    """Otherwise ONNX Runtime makes them during the forward pass and keeps them: half as much memory again."""
    names = [node.name for node in load("gatys.loss_grad.onnx").graph.node]
    masks = [index for index, name in enumerate(names) if "/mask" in name]
    gradients = [
        index for index, name in enumerate(names) if name.startswith("backward/") and "/where" in name
    ]
    assert (len(masks), len(gradients)) == (13 + 4 * 3, 13)
    assert max(masks) < min(gradients)
