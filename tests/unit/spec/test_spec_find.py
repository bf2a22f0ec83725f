"""Finding a folder's spec and its cluster's name, cheaply."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import daybreak.errors
import daybreak.spec
from daybreak.errors import SpecError
from daybreak.spec import cluster_name, find, find_spec


def test_no_file(tmp_path: Path) -> None:
    assert find_spec(tmp_path) is None
    (tmp_path / "daybreak.yaml").mkdir()
    assert find_spec(tmp_path) is None


def test_both_endings_and_not_the_parents(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    (tmp_path / "daybreak.yml").touch()
    assert find_spec(tmp_path) == tmp_path / "daybreak.yml"
    assert find_spec(below) is None
    (tmp_path / "daybreak.yaml").touch()
    assert find_spec(tmp_path) == tmp_path / "daybreak.yaml"


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("shop", "shop"),
        ("My Shop_2.0", "my-shop-2-0"),
        ("--x--", "x"),
        ("日本", "cluster"),
        ("a" * 39 + "-b" * 3, "a" * 39),
        ("2024", "2024"),
    ],
)
def test_a_name_from_the_folder(tmp_path: Path, folder: str, name: str) -> None:
    assert cluster_name(tmp_path / folder, None) == name


def test_the_root_folder_has_no_name() -> None:
    assert cluster_name(Path("/"), None) == "cluster"


def test_the_name_in_the_file_wins(tmp_path: Path) -> None:
    file = tmp_path / "daybreak.yaml"
    file.write_text("# a comment\nworkers: {count: 2}\nname: 'shop'\n")
    assert cluster_name(tmp_path, file) == "shop"


@pytest.mark.parametrize(
    "text",
    [
        "name: shop\n",
        "# ours\n\nname: shop  # the shop\nworkers:\n  count: 2\nserve: {}\n",
        "name: shop",
        "name: shop\n  and more\n",
        "name: shop\n\n  # a comment\nworkers: {}\n",
        "name: shop\nname: other\n",
        "name: shop\n'name': other\n",
        "name: shop\n? name\n: other\n",
        "name: shop\nhead:\u2028name: other\n",
        "name: shop\nhead: {env: {A: 'x\nname: other'}}\n",
        'name: shop\nhead: "x\nname: other"\n',
        "name: shop\n<<: {name: other}\n",
        "name: shop\n---\nname: other\n",
        "name: null\n",
        "name: 12\n",
        "name: shop#1\n",
        "name: shop #1\n",
        "name: -\n",
        "name: shop\nworkers: [\n",
        "name: shop\nworkers:\n- 1\nhead: {}\n",
        "name: shop\n- 1\n",
        "\ufeffname: shop\r\nworkers: {}\r\n",
        "name: shop\rname: other",
        "name: Shop\n",
        "name: shop-\n",
    ],
)
def test_a_name_that_is_found_without_the_parser_is_the_parsers(tmp_path: Path, text: str) -> None:
    file = tmp_path / "daybreak.yaml"
    file.write_bytes(text.encode())
    parsed: object
    try:
        parsed = find._parsed_name(file, tmp_path)
    except SpecError as error:
        parsed = error.problems
    found = find._first_name(file.read_text())
    assert found in (None, parsed)
    assert found == "shop" or "workers:\n  count" not in text


def test_a_file_without_a_name(tmp_path: Path) -> None:
    folder = tmp_path / "Corner Shop"
    folder.mkdir()
    file = folder / "daybreak.yaml"
    file.write_text("workers: {count: 2}\n")
    assert cluster_name(folder, file) == "corner-shop"


@pytest.mark.parametrize("line", ["name: shop", "name: 'shop'", 'name: "shop"  # ours'])
def test_a_broken_file_still_tells_its_name(tmp_path: Path, line: str) -> None:
    file = tmp_path / "daybreak.yaml"
    file.write_text(f"{line}\nworkers: [\n")
    assert cluster_name(tmp_path, file) == "shop"


@pytest.mark.parametrize("text", ["name: Bad Name\n", "name: [a]\n", "workers: [\n", "", "name: -a\nworkers: [\n"])
def test_no_valid_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "daybreak.yaml"
    file.write_text(text)
    with pytest.raises(SpecError):
        cluster_name(tmp_path, file)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError):
        cluster_name(tmp_path, tmp_path / "other.yaml")


def _python(code: str) -> str:
    source = Path(daybreak.errors.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_name_costs_no_pydantic(tmp_path: Path) -> None:
    (tmp_path / "daybreak.yaml").write_text("name: shop\n")
    code = f"""
import sys
from pathlib import Path
from daybreak.spec import cluster_name, find_spec, parse_seconds
folder = Path({str(tmp_path)!r})
print(cluster_name(folder / "none", find_spec(folder / "none")), "yaml" in sys.modules)
print(cluster_name(folder, find_spec(folder)), bool(set(sys.modules) & set(["pydantic", "yaml"])))
"""
    assert _python(code).split() == ["none", "False", "shop", "False"]


def test_exported_names() -> None:
    assert sorted(daybreak.spec._MODULES) == sorted(daybreak.spec.__all__) == daybreak.spec.__all__
    for name in daybreak.spec.__all__:
        assert getattr(daybreak.spec, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = daybreak.spec.nothing
