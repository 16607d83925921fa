"""Readers of weights files, on good, damaged, foreign and hostile files."""

import dataclasses
import hashlib
import json
import struct
import sys

import codebooks
import make
import numpy as np
import pytest
import reference
import sessions

from exporter import contract, models, sources
from exporter.presets import GATYS
from exporter.sources import WeightsError
from exporter.sources.layers import CONVENTIONS, CONVOLUTIONS, TORCHVISION_INDICES
from exporter.vgg19 import Convolution, Vgg19Weights

DIVISOR = make.WIDTH_DIVISOR


@pytest.fixture(scope="module")
def codebook_file():
    return codebooks.legacy_save(codebooks.file_tensors(codebooks.weights(DIVISOR).convolutions))


def seeded_arrays(naming):
    """Float weights by the names of `naming`: a function of a convolution's name and torchvision's index."""
    convolutions = sources.load("random:1", DIVISOR).convolutions
    arrays = {}
    for index, (name, convolution) in zip(TORCHVISION_INDICES, convolutions.items(), strict=True):
        arrays[f"{naming(name, index)}.weight"] = convolution.weight
        arrays[f"{naming(name, index)}.bias"] = convolution.bias
    return arrays


def torchvision_names(_, index):
    return f"features.{index}"


def layer_names(name, _):
    return name


def safetensors_bytes(arrays):
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for name, array in arrays.items():
        offsets = [len(body), len(body) + array.nbytes]
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": offsets}
        body += array.tobytes()
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def save(path, data):
    path.write_bytes(data)
    return str(path)


def assert_same(actual: Vgg19Weights, expected: Vgg19Weights):
    assert list(actual.convolutions) == list(expected.convolutions)
    for name, convolution in expected.convolutions.items():
        for key, array in convolution.tensors(name).items():
            np.testing.assert_array_equal(actual.convolutions[name].tensors(name)[key], array)


def test_a_codebook_file_is_read_as_it_was_written(tmp_path, codebook_file):
    weights = sources.load(save(tmp_path / "weights.bin", codebook_file))
    assert_same(weights, codebooks.weights(DIVISOR))
    assert weights.sha256 == hashlib.sha256(codebook_file).hexdigest()
    assert weights.source == "weights.bin (8-bit codebook, caffe convention)"


def test_codebook_graphs_compute_with_the_entries_that_the_indices_name():
    weights = codebooks.weights(DIVISOR)
    by_name = {n: (codebooks.ENTRIES[c.weight.indices], c.bias) for n, c in weights.convolutions.items()}
    problem = make.make_problem(GATYS, "max", by_name)
    actual = sessions.evaluate(graphs(weights), problem, *pictures())
    expected = reference.evaluate(problem, *pictures())
    np.testing.assert_allclose(actual.style_losses, expected.style_losses, rtol=5e-6)


@pytest.mark.parametrize("keep", [0, 1, 14, 100, 0.5, -1])
def test_a_truncated_codebook_file_is_refused(tmp_path, codebook_file, keep):
    size = int(keep * len(codebook_file)) if isinstance(keep, float) else keep
    path = save(tmp_path / "cut.bin", codebook_file[:size])
    with pytest.raises(WeightsError, match=r"cut\.bin: truncated, corrupt"):
        sources.load(path)


def test_a_file_of_another_kind_is_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"photo\.bin: .*not a weights file"):
        sources.load(save(tmp_path / "photo.bin", b"\x89PNG\r\n\x1a\n" + bytes(1000)))


def test_flipped_bytes_in_the_pickles_never_raise_anything_else(tmp_path, codebook_file):
    generator = np.random.default_rng(0)
    for trial in range(300):
        data = bytearray(codebook_file)
        data[generator.integers(5000)] = generator.integers(256)
        path = save(tmp_path / "flipped.bin", bytes(data))
        try:
            sources.load(path)
        except WeightsError as error:
            assert "flipped.bin" in str(error), trial


@pytest.mark.parametrize(
    ("opcodes", "named"),
    [
        (b"cos\nsystem\n(X\x04\x00\x00\x00truetR.", "os.system"),
        (b"\x80\x02cbuiltins\neval\nX\x03\x00\x00\x001+1\x85R.", "builtins.eval"),
        (b"(ios\nsystem\n.", "os.system"),
        (b"\x80\x04\x8c\x0asubprocess\x8c\x05Popen\x93.", "subprocess.Popen"),
        (b"ctorch\nload\n.", "torch.load"),
        (b"ctorch._utils\n_rebuild_parameter\n.", "torch._utils._rebuild_parameter"),
    ],
)
def test_a_pickle_that_asks_for_code_is_refused_by_name_and_runs_nothing(tmp_path, opcodes, named):
    path = save(tmp_path / "hostile.bin", codebooks.with_object(opcodes))
    with pytest.raises(WeightsError, match=named.replace(".", r"\.")):
        sources.load(path)


def test_a_tensor_that_reaches_past_its_storage_is_refused(tmp_path, codebook_file):
    shape = codebooks._tuple(*map(codebooks._int, (4, 3, 3, 3)))
    larger = codebooks._tuple(*map(codebooks._int, (5, 3, 3, 3)))
    assert shape in codebook_file
    with pytest.raises(WeightsError, match="corrupt"):
        sources.load(save(tmp_path / "past.bin", codebook_file.replace(shape, larger, 1)))


def test_a_codebook_file_without_a_layer_is_refused_by_name(tmp_path):
    tensors = codebooks.file_tensors(codebooks.weights(DIVISOR).convolutions)
    del tensors["block3_conv2_W_q"]
    with pytest.raises(WeightsError, match="no uint8 tensor 'block3_conv2_W_q'"):
        sources.load(save(tmp_path / "weights.bin", codebooks.legacy_save(tensors)))


@pytest.mark.parametrize("naming", [torchvision_names, layer_names])
@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_float_files_are_read_by_either_naming(tmp_path, kind, naming):
    path, arrays = tmp_path / f"weights.{kind}", seeded_arrays(naming)
    if kind == "npz":
        np.savez(path, **arrays)
    else:
        path.write_bytes(safetensors_bytes(arrays))
    assert_same(sources.load(str(path)), sources.load("random:1", DIVISOR))


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
@pytest.mark.parametrize("data", [b"", b"not at all", bytes(100)])
def test_a_damaged_float_file_is_refused(tmp_path, kind, data):
    with pytest.raises(WeightsError, match=rf"bad\.{kind}: truncated, corrupt"):
        sources.load(save(tmp_path / f"bad.{kind}", data))


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_a_cut_float_file_is_refused(tmp_path, kind):
    path = tmp_path / f"cut.{kind}"
    np.savez(path.with_suffix(".npz"), **seeded_arrays(layer_names))
    if kind == "safetensors":
        path.write_bytes(safetensors_bytes(seeded_arrays(layer_names)))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(WeightsError, match=rf"cut\.{kind}: truncated, corrupt"):
        sources.load(str(path))


def test_an_npz_with_pickled_objects_is_refused(tmp_path):
    np.savez(tmp_path / "objects.npz", **{"features.0.weight": np.array([{}], object)})
    with pytest.raises(WeightsError, match="corrupt"):
        sources.load(str(tmp_path / "objects.npz"))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "conv2_1.weight",
            lambda w: w[:, :-1],
            r"conv2_1 has weights \[8, 3, 3, 3\], expected \[out, 4, 3, 3\]",
        ),
        ("conv3_2.bias", lambda b: b[:-1], r"conv3_2 has bias \[15\], expected \[16\]"),
        ("conv1_2.weight", lambda w: w * np.nan, "conv1_2 holds numbers that are not finite"),
        ("conv4_1.weight", lambda w: w.astype(np.int32), r"'conv4_1\.weight' is int32"),
    ],
)
def test_arrays_that_are_no_vgg19_are_refused_by_layer(tmp_path, name, change, message):
    arrays = seeded_arrays(layer_names)
    np.savez(tmp_path / "odd.npz", **arrays | {name: change(arrays[name])})
    with pytest.raises(WeightsError, match=message):
        sources.load(str(tmp_path / "odd.npz"))


def test_a_missing_tensor_is_refused_by_name(tmp_path):
    np.savez(tmp_path / "few.npz", **{"features.0.weight": np.zeros((4, 3, 3, 3), np.float32)})
    with pytest.raises(WeightsError, match=r"no tensor 'features\.0\.bias'"):
        sources.load(str(tmp_path / "few.npz"))


def test_a_pth_file_without_torch_is_refused_with_a_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(WeightsError, match="needs torch; install torch, or convert"):
        sources.load(save(tmp_path / "vgg19.pth", b"x"))


@pytest.mark.parametrize(
    ("specification", "divisor", "message"),
    [
        ("missing.bin", 1, "no such weights file"),
        ("random:", 1, "whole number"),
        ("random:-1", 1, "whole number"),
        ("random:1", 0, "must divide 64"),
        ("random:1", 48, "must divide 64"),
    ],
)
def test_a_wrong_specification_is_refused(specification, divisor, message):
    with pytest.raises(WeightsError, match=message):
        sources.load(specification, divisor)


def test_an_unknown_suffix_is_refused_with_those_known(tmp_path):
    with pytest.raises(
        WeightsError, match=r"known are \.bin, \.npz, \.safetensors, \.pth, \.pt and random:SEED"
    ):
        sources.load(save(tmp_path / "weights.h5", b"x"))


def test_a_width_divisor_does_not_go_with_a_file(tmp_path, codebook_file):
    with pytest.raises(WeightsError, match="random:SEED only"):
        sources.load(save(tmp_path / "weights.bin", codebook_file), width_divisor=2)


def test_seeded_weights_depend_on_the_seed_alone():
    first, again, other = (sources.load(f"random:{seed}", DIVISOR) for seed in (7, 7, 8))
    assert_same(first, again)
    assert first.sha256 == again.sha256 != other.sha256


def test_seeded_weights_have_he_variance():
    weight = sources.load("random:1", 1).convolutions["conv3_2"].weight
    assert weight.std() == pytest.approx(np.sqrt(2 / (9 * 256)), rel=1e-2)
    assert abs(weight.mean()) < 1e-4


def test_the_torchvision_convention_is_rgb_scaled_and_normalised():
    affine = CONVENTIONS["torchvision"]
    rgb = np.array([10.0, 128.0, 255.0])
    bgr = rgb[::-1] - make.BGR_MEAN
    expected = (rgb / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(bgr[list(affine.order)] * affine.scale + affine.offset, expected, rtol=1e-12)


def test_losses_and_gradient_of_a_torchvision_graph_go_through_its_affine():
    weights = torchvision_weights()
    affine = weights.input_affine
    scale, offset = (np.array(part)[:, None, None] for part in (affine.scale, affine.offset))
    by_name = {name: (part.weight, part.bias) for name, part in weights.convolutions.items()}
    problem = make.make_problem(GATYS, "max", by_name)
    images = pictures()

    actual = sessions.evaluate(graphs(weights), problem, *images)
    expected = reference.evaluate(problem, *(image[list(affine.order)] * scale + offset for image in images))
    gradient = (expected.gradient * scale)[np.argsort(affine.order)]
    np.testing.assert_allclose(actual.style_losses, expected.style_losses, rtol=5e-6)
    assert np.linalg.norm(actual.gradient - gradient) < 1e-4 * np.linalg.norm(gradient)


def torchvision_weights():
    """Seeded ones, their biases as small beside the normalised input as they were beside grey levels."""
    seeded = sources.load("random:1", DIVISOR)
    convolutions = {n: Convolution(c.weight, c.bias / 64) for n, c in seeded.convolutions.items()}
    return dataclasses.replace(seeded, convolutions=convolutions, input_affine=CONVENTIONS["torchvision"])


def graphs(weights):
    kinds = (contract.FORWARD, contract.TARGETS, contract.LOSS_GRAD)
    built = (models.build(contract.Graph(kind), GATYS, weights) for kind in kinds)
    return sessions.Graphs(*(model.SerializeToString() for model in built))


def pictures():
    pixels = make.make_pictures()
    return [make.to_tensor(pixels[name]) for name in ("image", "content", "style")]


def test_the_convention_of_a_file_is_caffe_unless_said_or_known(tmp_path, monkeypatch):
    np.savez(tmp_path / "weights.npz", **seeded_arrays(torchvision_names))
    path = str(tmp_path / "weights.npz")
    assert sources.load(path).input_affine is None
    assert sources.load(path, convention="torchvision").input_affine is not None
    monkeypatch.setattr(sources, "TORCHVISION_SHA256_PREFIX", sources.load(path).sha256[:8])
    assert sources.load(path).input_affine is not None
    assert sources.load(path, convention="caffe").input_affine is None


def test_all_sixteen_convolutions_are_known_by_both_namings():
    assert len(CONVOLUTIONS) == len(TORCHVISION_INDICES) == 16
    assert dict(zip(CONVOLUTIONS, TORCHVISION_INDICES, strict=True))["conv4_4"] == 25
