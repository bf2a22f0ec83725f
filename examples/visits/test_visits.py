"""Tests of the visitors' book on a cluster of their own, with `pip install 'daybreak[pytest]'`: run `pytest` here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx


def test_it_is_well(daybreak_app: Callable[[str], httpx.Client]) -> None:
    assert daybreak_app("app:main").get("/health").json() == {"status": "ok"}


def test_a_visit_is_counted(daybreak_app: Callable[[str], httpx.Client]) -> None:
    visits = daybreak_app("app:main")
    before = visits.get("/visits").json()["visits"]
    assert visits.post("/visits").status_code == 201
    assert visits.get("/visits").json()["visits"] == before + 1
