"""Which layers carry the style and which the content."""

from __future__ import annotations

from dataclasses import dataclass

from .vgg19 import LAYERS


class PresetError(ValueError):
    """A choice of layers that cannot be exported."""


@dataclass(frozen=True)
class Preset:
    """A name, which is also the stem of the files, and layers in network order."""

    name: str
    style_layers: tuple[str, ...]
    content_layers: tuple[str, ...]
    is_objective: bool = True
    """Whether there is a loss to optimise; otherwise only the features are exported, with max pooling."""

    def __post_init__(self) -> None:
        if not self.name or not all(c.isalnum() or c in "-_" for c in self.name):
            raise PresetError(f"preset name '{self.name}': use letters, digits, '-' and '_'")
        for kind, layers in (("style", self.style_layers), ("content", self.content_layers)):
            _check_layers(self.name, kind, layers)

    @property
    def layers(self) -> tuple[str, ...]:
        return self.style_layers + self.content_layers


def custom(name: str, style_layers: list[str], content_layers: list[str]) -> Preset:
    """A preset of the user's own; the layers may come in any order."""
    if name in (*PRESETS, *OTHER_WEIGHTS):
        raise PresetError(f"preset '{name}' comes with the program; choose another name")
    return Preset(name, tuple(_network_order(style_layers)), tuple(_network_order(content_layers)))


def _network_order(layers: list[str]) -> list[str]:
    return sorted(layers, key=lambda layer: LAYERS.index(layer) if layer in LAYERS else len(LAYERS))


def _check_layers(name: str, kind: str, layers: tuple[str, ...]) -> None:
    if not layers:
        raise PresetError(f"preset '{name}' needs at least one {kind} layer")
    for layer in layers:
        if layer not in LAYERS:
            raise PresetError(f"preset '{name}': no {kind} layer '{layer}'; there are {', '.join(LAYERS)}")
    if len(set(layers)) != len(layers):
        raise PresetError(f"preset '{name}' names a {kind} layer twice")


GATYS = Preset("gatys", ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"), ("relu4_2",))
"""Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016, section 3."""

BOOK = Preset("book", ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_4"), ("relu4_2",))
"""What a PyTorch tutorial listing computes: indices 1, 6, 11, 20, 25 and 21 of torchvision's VGG19, in which
the ReLUs work in place, so that the convolutions 25 and 21 are seen as relu4_4 and relu4_2."""

JUDGE = Preset(
    "judge",
    ("relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1", "relu3_3", "relu4_1", "relu4_3", "relu5_1"),
    ("relu4_2",),
    is_objective=False,
)
"""For judging results: the layers of the objectives, and between them layers that no objective looks at."""

OTHER_WEIGHTS = ("neural-style", "photo")
"""The program's presets that are other weights for the graphs of another preset."""

PRESETS = {preset.name: preset for preset in (GATYS, BOOK, JUDGE)}
