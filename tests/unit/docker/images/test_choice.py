"""Base, runtime, Python and Ray from the options."""

from __future__ import annotations

import pytest

from daybreak.docker.images.choice import Choice, choose
from daybreak.errors import UsageError

SLIM = "python:3.11-slim-bookworm"


def test_nothing_asked_is_a_slim_python_and_the_ray_beside_daybreak() -> None:
    assert choose(installed="2.60.0") == Choice(SLIM, SLIM, "3.11", "2.60.0")


def test_python_names_both_images() -> None:
    slim = "python:3.12-slim-bookworm"
    assert choose(python="3.12", ray="2.55.1", installed="2.60.0") == Choice(slim, slim, "3.12", "2.55.1")


def test_an_official_image_tells_everything() -> None:
    chosen = choose(base="rayproject/ray:2.20.0-py310", installed="2.60.0")
    assert chosen == Choice("rayproject/ray:2.20.0-py310", "python:3.10-slim-bookworm", "3.10", "")


@pytest.mark.parametrize("base", ["here:5001/rayproject/ray:2.20.0-py310", "mirror:5000/rayproject/ray:2.9.3-py39-cpu"])
def test_official_images_may_come_from_anywhere(base: str) -> None:
    assert choose(base=base).runtime.startswith("python:3.")


def test_another_base_needs_its_python_named_and_keeps_its_ray() -> None:
    with pytest.raises(UsageError, match="--base"):
        choose(base="ours/ray:7")
    assert choose(base="ours/ray:7", python="3.10", installed="2.60.0").ray == ""


def test_a_slim_base_gets_the_ray_beside_daybreak() -> None:
    assert choose(base="python:3.12-slim", installed="2.60.0").ray == "2.60.0"


def test_a_runtime_of_ones_own() -> None:
    assert choose(runtime="ours/python:3.12").base == "python:3.12-slim-bookworm"
    assert choose(base="rayproject/ray:2.20.0-py310", runtime="ours:1").runtime == "ours:1"


@pytest.mark.parametrize(
    "options",
    [
        {"python": "three"},
        {"python": "3.11.2"},
        {"ray": "latest"},
        {"base": "rayproject/ray:2.20.0-py310", "ray": "2.60.0"},
        {"base": "rayproject/ray:2.20.0-py310", "python": "3.11"},
        {"base": "python:3.12-slim", "python": "3.11"},
    ],
)
def test_contradictions(options: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        choose(**options)
