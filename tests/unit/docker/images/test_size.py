"""What an image weighs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from daybreak.cli.image.size import layer_table, package_table
from daybreak.docker import labels
from daybreak.docker.images.size import Layer, Package, Weight, layers, packages
from daybreak.programs.recipe.weigh import weights


def row(size: int, made_by: str) -> str:
    return json.dumps({"CreatedBy": made_by, "Size": str(size), "Comment": ""})


def test_layers_from_the_bottom_up_without_empty_ones() -> None:
    history = "\n".join(
        [
            row(0, 'CMD ["ray"]'),
            row(30, "RUN |1 RUNTIME=python:3.11 /bin/sh -c python3 -I  /settle.py # buildkit"),
            row(10, "COPY /opt/ray /opt/ray # buildkit"),
            row(5, "/bin/sh -c #(nop) ADD file:0a in / "),
        ]
    )
    assert layers(history) == (
        Layer("RUN ADD file:0a in /", 5),
        Layer("COPY /opt/ray /opt/ray", 10),
        Layer("RUN python3 -I /settle.py", 30),
    )


def test_packages_with_the_heaviest_first() -> None:
    found = packages({"numpy 2.4.6": 5, "ray 2.60.0": 9, "(other)": 1})
    assert found == (Package("ray", "2.60.0", 9), Package("numpy", "2.4.6", 5), Package("(other)", "", 1))


def test_what_was_compiled_weighs_with_its_source(tmp_path: Path) -> None:
    (tmp_path / "p/__pycache__").mkdir(parents=True)
    for name, size in (("p/a.py", 3), (f"p/__pycache__/a.{sys.implementation.cache_tag}.pyc", 4), ("p/data", 1)):
        (tmp_path / name).write_bytes(b"x" * size)
    owned = {str(tmp_path / "p/a.py"): "p 1.0"}
    assert weights(str(tmp_path), owned) == {"p 1.0": 7, "(other)": 1}


def test_tables() -> None:
    many = tuple(Package(f"p{number}", "1", 1_000_000) for number in range(25))
    weight = Weight("shop:1", "sha256:0", 25_000_000, (Layer("x" * 300, 25_000_000),), many)
    assert list(layer_table(weight).columns[0].cells) == ["25.0 MB"]
    assert list(package_table(weight).columns[1].cells)[-1] == "5 more"
    assert list(package_table(weight).columns[0].cells)[-1] == "5.0 MB"


def test_the_label_tells_the_ray() -> None:
    said = {"python": "/opt/ray/bin/python", "version": "2.60.0"}
    assert labels.ray_of({labels.RAY: json.dumps(said)}) == said
    assert labels.ray_of({labels.RAY: "{}"}) is None
    assert labels.ray_of({labels.RAY: "no json"}) is None
    assert labels.ray_of({}) is None
    assert labels.ray_of(None) is None
