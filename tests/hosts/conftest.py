"""Machines for a test, where this one can make them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hosts.machines import Host, Machines, unavailable


@pytest.fixture(scope="session")
def can_have_machines() -> None:
    if why := unavailable():
        pytest.skip(why)


@pytest.fixture
def machines(can_have_machines: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """`machines.make(2)` gives two hosts."""
    made = Machines(tmp_path_factory.mktemp("machines"))
    try:
        yield made
    finally:
        made.take_away()


@pytest.fixture
def two(machines: Machines) -> list[Host]:
    """The one with the head, and another one."""
    return machines.make(2)
