"""What the loss graph costs a card beside its products, by count: nothing here is measured."""

import cost
import make
import pytest

from exporter import contract, models, sources
from exporter.presets import GATYS


@pytest.fixture(scope="module")
def gatys():
    """Of the network's own widths."""
    graph = models.build(contract.Graph("loss_grad"), GATYS, sources.load("random:1"))
    return cost.cost(graph.SerializeToString(), (512, 512))


def test_the_loss_graph_has_few_nodes_and_moves_few_bytes_beside_its_products(gatys):
    assert gatys.operators.total() <= 362
    assert gatys.moved.total() <= 3.5e9


def test_masks_are_chosen_by_not_multiplied_with(gatys):
    assert gatys.operators["Cast"] == 0
    assert gatys.operators["Where"] >= 13


def test_activations_are_read_for_gram_matrices_where_they_lie(gatys):
    """Their transpositions are parts of the products; both passes share the product with the guide."""
    assert gatys.operators["FusedMatMul"] == len(GATYS.style_layers)
    assert gatys.moved["Transpose"] < 0.02e9


@pytest.mark.parametrize("size", [(64, 80), (65, 51)])
def test_the_pools_gradient_is_filled_up_by_the_convolution_after_it(size):
    found = cost.cost(make.HERE / "gatys.loss_grad.onnx", size)
    of_total_variation, of_the_frame = 3, 4
    assert found.operators["Pad"] == of_total_variation + of_the_frame
