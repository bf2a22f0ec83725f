"""Images' names, as a pull takes them."""

from __future__ import annotations

import pytest

from daybreak.docker.streams import split_name


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("postgres:15", ("postgres", "15")),
        ("postgres", ("postgres", "latest")),
        ("host:5000/team/shop", ("host:5000/team/shop", "latest")),
        ("host:5000/team/shop:1.4", ("host:5000/team/shop", "1.4")),
        ("shop@sha256:0123", ("shop@sha256:0123", None)),
    ],
)
def test_repository_and_tag(name: str, parts: tuple[str, str | None]) -> None:
    assert split_name(name) == parts
