"""The rules of .dockerignore."""

from __future__ import annotations

import pytest

from daybreak.docker.images.ignore import Ignore


@pytest.mark.parametrize(
    ("pattern", "path", "out"),
    [
        ("data", "data", True),
        ("data", "data/big.bin", True),
        ("data", "src/data", False),
        ("/data/", "data/big.bin", True),
        ("**/data", "src/deep/data/x", True),
        ("**/data", "data", True),
        ("*.log", "run.log", True),
        ("*.log", "logs/run.log", False),
        ("**/*.log", "logs/run.log", True),
        ("src/*/x?.txt", "src/a/x1.txt", True),
        ("src/*/x?.txt", "src/a/b/x1.txt", False),
        ("[ab].py", "a.py", True),
        ("[^ab].py", "a.py", False),
        ("a.py", "aXpy", False),
        ("docs/**", "docs/one/two.md", True),
        ("./notes", "notes", True),
        ("# data", "data", False),
        ("", "data", False),
    ],
)
def test_patterns(pattern: str, path: str, out: bool) -> None:
    assert Ignore([pattern]).leaves_out(path) is out


def test_the_last_pattern_that_matches_counts() -> None:
    ignore = Ignore(["models", "!models/small.bin", "**/*.tmp"])
    assert ignore.leaves_out("models/large.bin")
    assert not ignore.leaves_out("models/small.bin")
    assert ignore.leaves_out("models/small.tmp")


def test_a_folder_is_read_where_something_in_it_may_be_taken_back() -> None:
    assert Ignore(["models"]).skips_folder("models")
    assert not Ignore(["models", "!models/small.bin"]).skips_folder("models")


def test_a_project_may_take_back_what_always_stays_out() -> None:
    assert Ignore.of("").leaves_out(".env")
    assert Ignore.of("").leaves_out("shop/__pycache__/cart.cpython-311.pyc")
    assert not Ignore.of("!.env").leaves_out(".env")
