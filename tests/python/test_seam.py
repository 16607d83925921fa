"""The seam: sums and what is injected under guides, in float64; and `forward`, `head` and `backward` against
`loss_grad`, whole, in tiles and in regions."""

from dataclasses import replace

import make
import numpy as np
import pytest
import sessions
from differences import central_differences
from onnx.reference import ReferenceEvaluator

from exporter import contract, injection, models, moments, sources
from exporter.graph import Graph
from exporter.presets import custom

CHANNELS, REGIONS = 3, 2
SIZES = [(4, 5), (5, 3), (1, 1)]


def numbers(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape)


def guides(regions, size):
    """With places that belong to nobody."""
    generator = np.random.default_rng(3)
    return generator.random((regions, 1, *size)) * generator.integers(0, 2, (regions, 1, *size))


def evaluator(g, outputs):
    runner = ReferenceEvaluator(g.to_model(outputs))
    return lambda **feed: runner.run(None, feed)


@pytest.mark.parametrize("size", SIZES)
def test_sums_are_those_of_the_places_times_their_guide(size):
    g = Graph(np.float64)
    x, guide = g.input("x", (1, CHANNELS, "h", "w")), g.input("guide", ("regions", 1, "h", "w"))
    made = moments.sums(g, x, guide)
    outputs = {"products": made.products, "sums": made.sums, "count": made.count}
    activation, weights = numbers(1, CHANNELS, *size), guides(REGIONS, size)
    products, sums, count = evaluator(g, outputs)(x=activation, guide=weights)
    np.testing.assert_allclose(products, np.einsum("nahw,nbhw,rnhw->rab", activation, activation, weights))
    np.testing.assert_allclose(sums, np.einsum("nahw,rnhw->ra", activation, weights))
    np.testing.assert_allclose(count, weights.sum(axis=(1, 2, 3)))


@pytest.mark.parametrize("has_vector", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_what_is_injected_is_the_gradient_of_the_sums(size, has_vector):
    """Of sum(A/2 * S) + sum(b * s), with any A."""
    g = Graph(np.float64)
    x, guide = g.input("x", (1, CHANNELS, "h", "w")), g.input("guide", ("regions", 1, "h", "w"))
    matrix = g.input("matrix", ("regions", CHANNELS, CHANNELS))
    vector = g.input("vector", ("regions", CHANNELS)) if has_vector else None
    made = moments.sums(g, x, guide)
    sums_of = evaluator(g, {"products": made.products, "sums": made.sums})
    inject = evaluator(g, {"dx": injection.style_injection(g, x, guide, matrix, vector)(None)})
    activation, weights = numbers(1, CHANNELS, *size), guides(REGIONS, size)
    half, shift = numbers(REGIONS, CHANNELS, CHANNELS, seed=5), numbers(REGIONS, CHANNELS, seed=6)
    feed = {"matrix": half + half.transpose(0, 2, 1)} | ({"vector": shift} if has_vector else {})

    def loss(at):
        products, sums = sums_of(x=at, guide=weights)
        return np.sum(half * products) + has_vector * np.sum(shift * sums)

    (slope,) = inject(x=activation, guide=weights, **feed)
    np.testing.assert_allclose(slope, central_differences(loss, activation), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("size", SIZES)
def test_a_content_term_and_its_gradient(size):
    g = Graph(np.float64)
    shape = (1, CHANNELS, "h", "w")
    x, target, guide = g.input("x", shape), g.input("target", shape), g.input("guide", (1, 1, "h", "w"))
    term = injection.content_term(g, x, target, guide, moments.count(g, guide), g.input("weight", (1,)))
    run = evaluator(g, {"value": term.value, "dx": term.injection(None)})
    wanted, weights = numbers(1, CHANNELS, *size, seed=2), np.random.default_rng(3).random((1, 1, *size))
    feed = {"target": wanted, "guide": weights, "weight": np.array([0.7])}
    activation = numbers(1, CHANNELS, *size)
    value, slope = run(x=activation, **feed)
    expected = 0.7 * np.sum(weights * (activation - wanted) ** 2) / CHANNELS / weights.sum()
    np.testing.assert_allclose(value, [expected], rtol=1e-12)
    differences = central_differences(lambda at: run(x=at, **feed)[0][0], activation)
    np.testing.assert_allclose(slope, differences, rtol=1e-6, atol=1e-8)


def total_variation():
    """image, guide, weight -> the weighted term and its gradient."""
    g = Graph(np.float64)
    x, guide = g.input("image", (1, CHANNELS, "h", "w")), g.input("guide", (1, 1, "h", "w"))
    term = injection.tv_term(g, x, guide, g.input("weight", ()))
    return evaluator(g, {"value": term.value, "gradient": term.injection(None)})


@pytest.mark.parametrize("size", [(4, 5), (5, 4), (2, 2), (1, 3), (3, 1), (1, 1)])
def test_the_gradient_of_total_variation_matches_differences(size):
    run, image, guide = total_variation(), numbers(1, CHANNELS, *size), guides(1, size)
    feed = {"guide": guide, "weight": np.array(0.7)}
    expected = central_differences(lambda at: run(image=at, **feed)[0][0], image)
    np.testing.assert_allclose(run(image=image, **feed)[1], expected, rtol=1e-6, atol=1e-8)


def test_total_variation_is_half_the_squared_steps_within_all_but_the_last_row_and_column():
    image, guide = np.zeros((1, CHANNELS, 3, 3)), np.ones((1, 1, 3, 3))
    image[0, 0] = [[1, 3, 9], [2, 2, 9], [9, 9, 9]]
    guide[0, 0, 1, 0] = 10
    steps = [2, 1, 6, 1, 7, 7]
    expected = sum(step**2 for step in steps) / 2 + 10 * (0**2 + 7**2) / 2
    value, _ = total_variation()(image=image, guide=guide, weight=np.array(1.0))
    assert value == pytest.approx(expected)


# One pool, so that windows lie on even places and a halo of 8 pixels is more than enough.
SHALLOW = custom("shallow", ["relu1_1", "relu2_1"], ["relu2_2"])
HALO, SIDE = 8, 24
SEEN = (40, 56)


def built(kind, preset, loss="moments"):
    weights = sources.load(f"random:{make.SEED}", make.WIDTH_DIVISOR)
    graph = contract.Graph(kind, "max", loss if kind in contract.OF_A_LOSS else "gram")
    return models.build(graph, preset, weights).SerializeToString()


@pytest.fixture(scope="module")
def shallow():
    return {kind: built(kind, SHALLOW) for kind in contract.KINDS}


@pytest.fixture(scope="module")
def whole(shallow):
    """The inputs of the loss graph, and its outputs."""
    problem = make.make_problem(SHALLOW, "max", style_loss="moments")
    problem = replace(problem, tv_weight=1e3, padding=1.0)
    graphs = sessions.Graphs(
        *(shallow[kind] for kind in (contract.FORWARD, contract.TARGETS, contract.LOSS_GRAD))
    )
    pictures = [make.to_tensor(make.noise(np.random.default_rng(seed), SEEN)) for seed in (1, 2)]
    style = make.to_tensor(make.pale_noise(np.random.default_rng(3), (31, 29)))
    feed = sessions.inputs(graphs, problem, *pictures, style)
    return feed, sessions.run(graphs.loss_grad, feed)


def split(shallow, feed, tiles):
    """What the loss graph computes, by `forward`, `head`, `backward` over tiles: (place, guides by name)."""
    image, totals = feed["image"], {}
    common = {"padding": feed["padding"]}
    for place, tile_guides in tiles:
        of_style = {name: guide for name, guide in tile_guides.items() if "/style/" in name}
        seen = sessions.run(shallow["forward"], common | of_style | {"image": image[place]})
        for name, value in sessions.sums_of(seen).items():
            totals[name] = totals.get(name, 0) + value.astype(np.float64)
    head = sessions.run(
        shallow["head"], totals | {n: v for n, v in feed.items() if n[:6] in ("target", "style_")}
    )
    slopes = {name: value for name, value in head.items() if name != contract.STYLE_LOSSES}
    gradient, terms = np.zeros(image.shape), 0
    places = float(SEEN[0] // 2 * (SEEN[1] // 2))
    for place, tile_guides in tiles:
        halved = tuple(slice(None) if s == slice(None) else slice(s.start // 2, s.stop // 2) for s in place)
        own = {"image": image[place], "content/relu2_2": feed["content/relu2_2"][halved]}
        own |= {"count/content/relu2_2": [places]} | {n: feed[n] for n in ("content_weight", "tv_weight")}
        outputs = sessions.run(shallow["backward"], common | tile_guides | slopes | own)
        gradient[place] += outputs["gradient"]
        terms = terms + np.array([*outputs["content_losses"], outputs["tv_loss"]])
    return np.array([*head["style_losses"][0], *terms]), gradient


def tiles_of(size):
    """Tiles with a halo where the picture goes on; guides are 1 at a tile's own places."""
    tiles = []
    for row, column in np.ndindex(-(-size[0] // SIDE), -(-size[1] // SIDE)):
        spans, inner = [], []
        for index, extent in ((row, size[0]), (column, size[1])):
            start, end = index * SIDE, min((index + 1) * SIDE, extent)
            spans.append(slice(max(start - HALO, 0), min(end + HALO, extent)))
            inner.append((start - spans[-1].start, end - spans[-1].start))
        tile_size = [span.stop - span.start for span in spans]
        named = {}
        for name, divisor in (("style/relu1_1", 1), ("style/relu2_1", 2), ("content/relu2_2", 2), ("tv", 1)):
            guide = np.zeros((1, 1, *(extent // divisor for extent in tile_size)))
            (top, bottom), (left, right) = [[edge // divisor for edge in edges] for edges in inner]
            guide[..., top:bottom, left:right] = 1
            named[f"guide/{name}"] = guide
        tiles.append(((slice(None), slice(None), *spans), named))
    return tiles


@pytest.mark.parametrize("count", [1, 6])
def test_forward_head_and_backward_make_what_the_loss_graph_makes_whole_and_in_tiles(shallow, whole, count):
    feed, expected = whole
    everything = ((slice(None), slice(None), slice(0, SEEN[0]), slice(0, SEEN[1])), {})
    tiles = [everything] if count == 1 else tiles_of(SEEN)
    assert len(tiles) == count
    # Replicated edges are those of a tile: only a tile that is the picture has the picture's.
    feed = feed if count == 1 else feed | {"padding": 0}
    if count > 1:
        expected = sessions.run(shallow["loss_grad"], feed)
    terms, gradient = split(shallow, feed, tiles)
    wanted = [*expected["style_losses"][0], *expected["content_losses"], expected["tv_loss"]]
    np.testing.assert_allclose(terms, wanted, rtol=1e-5)
    assert np.linalg.norm(gradient - expected["gradient"]) < 1e-5 * np.linalg.norm(expected["gradient"])


def test_the_loss_of_regions_is_the_sum_of_theirs(shallow, whole):
    """Two halves, each with targets and a weight of its own; a gradient is linear in them."""
    feed, _ = whole
    halves = {}
    for layer, divisor in (("relu1_1", 1), ("relu2_1", 2)):
        guide = np.zeros((2, 1, SEEN[0] // divisor, SEEN[1] // divisor))
        guide[0, ..., : guide.shape[3] // 3] = 1
        guide[1] = 0.5 * (1 - guide[0])
        halves[f"guide/style/{layer}"] = guide
    alone = []
    for region, factor in ((0, 1.0), (1, 3.0)):
        mine = {name: guide[region : region + 1] for name, guide in halves.items()}
        targets = {n: v * (1 + region) for n, v in feed.items() if n.startswith("target/")}
        mine |= targets | {"style_weight": factor * feed["style_weight"]}
        alone.append(mine)
    together = halves | {
        n: np.concatenate([a[n] for a in alone]) for n in alone[0] if not n.startswith("guide/")
    }
    none = {"content_weight": [0], "tv_weight": 0}
    outputs = [sessions.run(shallow["loss_grad"], feed | none | each) for each in (*alone, together)]
    np.testing.assert_allclose(
        outputs[2]["style_losses"], np.concatenate([o["style_losses"] for o in outputs[:2]]), rtol=1e-5
    )
    expected = outputs[0]["gradient"] + outputs[1]["gradient"]
    assert np.linalg.norm(outputs[2]["gradient"] - expected) < 1e-5 * np.linalg.norm(expected)
