"""`make looks`: what is painted, and what is judged."""

from argparse import Namespace
from pathlib import Path

import looks


def options(**given: object) -> Namespace:
    return Namespace(**{"size": "384", "iterations": None, "only": None, **given})


def test_what_was_asked_for_is_judged_and_what_peers_have_painted(tmp_path: Path) -> None:
    (tmp_path / "peers").mkdir()
    for name in ("gatys.png", "photo.png", "sheet.png", "peers/other.jpg"):
        (tmp_path / name).touch()
    judged = looks.pictures(tmp_path, options(only=["photo"]))
    assert judged == [tmp_path / "photo.png", tmp_path / "peers/other.jpg"]


def test_presets_have_their_own_iterations_unless_told() -> None:
    assert dict(looks.looks(options()))["gatys"] == ["--size", "384", "--preset", "gatys"]
    told = dict(looks.looks(options(iterations="9")))["content-3"]
    assert told == ["--size", "384", "--iterations", "9", "--content-weight", "3"]
