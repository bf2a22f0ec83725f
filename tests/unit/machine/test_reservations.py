"""Ports that clusters of several state folders have chosen, before anybody listens there."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from daybreak.machine import reservations
from daybreak.machine.ports import BLOCKS, START, STOP, PortBook
from daybreak.machine.reservations import LONGEST, NAME, Reservations, _texts
from tests.helpers import until
from tests.unit.machine.test_ports import process

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets are Linux's")
# Clusters that run beside these tests reserve none of these.
PRIVILEGED = range(100, 104)
TELLS = """
import sys, time
from pathlib import Path
from daybreak.machine.reservations import Reservations
told = Reservations(Path(sys.argv[1]))
told.tell(range(int(sys.argv[2]), int(sys.argv[3])))
print(flush=True)
time.sleep(600)
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with ExitStack() as held:
        yield Home(tmp_path, held)


class Home:
    """State folders, each with a cluster `shop` in it."""

    def __init__(self, folder: Path, held: ExitStack) -> None:
        self._folder, self._held = folder, held

    def root(self, name: str) -> Path:
        return self._folder / name / "shop"

    def reserved(self, name: str) -> Reservations:
        return self._held.enter_context(closing(Reservations(self.root(name))))

    def book(self, name: str) -> PortBook:
        return PortBook(self.root(name) / "ports.json", self.reserved(name))


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told is told under another name: whoever reserves nearly all ports would take those of the clusters and
    tests beside this one."""
    other = "daybreak-tests"
    assert len(other) == len(NAME)
    monkeypatch.setattr(reservations, "NAME", other)
    monkeypatch.setattr(reservations, "TOLD", re.compile(reservations.TOLD.pattern.replace(NAME, other), re.MULTILINE))


@pytest.fixture
def same_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """All searches begin at the same port."""
    monkeypatch.setattr("daybreak.machine.ports._begin", lambda _spread, _count: 0)


@pytest.mark.usefixtures("same_place")
def test_clusters_of_different_state_folders_that_choose_at_once_never_share(home: Home) -> None:
    books = [home.book(f"home{number}") for number in range(8)]
    found: list[int] = []
    threads = [threading.Thread(target=lambda book=book: found.extend(book.ports("abc").values())) for book in books]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(set(found)) == 24


@pytest.mark.usefixtures("same_place")
def test_blocks_are_not_shared_either(home: Home) -> None:
    blocks = {home.book(name).block("head.replicas") for name in ("a", "b", "c")}
    assert len(blocks) == 3
    assert blocks < set(BLOCKS)


def test_what_is_told_ends_with_the_process_that_tells_it(home: Home) -> None:
    command = [sys.executable, "-c", TELLS, str(home.root("other")), str(PRIVILEGED.start), str(PRIVILEGED.stop)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout:
        child.stdout.readline()
        ours = home.reserved("own")
        assert set(PRIVILEGED) <= ours.of_others()
        assert not set(PRIVILEGED) & home.reserved("other").of_others(), (
            "another keeper of the same cluster does not count"
        )
        child.kill()
        child.wait()
    until(lambda: not set(PRIVILEGED) & ours.of_others(), what="nobody tells them")


def test_what_is_told_last_counts_and_nothing_after_the_end(home: Home) -> None:
    mine, theirs = home.reserved("a"), home.reserved("b")
    first, second, _, fourth = PRIVILEGED
    mine.tell({first, second})
    mine.tell({second, fourth})
    assert set(PRIVILEGED) & theirs.of_others() == {second, fourth}
    mine.close()
    assert not set(PRIVILEGED) & theirs.of_others()


@pytest.mark.usefixtures("apart")
def test_any_number_of_ports_is_told(home: Home) -> None:
    ports = set(range(START, STOP, 3)) | set(range(BLOCKS[0], BLOCKS[0] + 200))
    assert all(len(f"{NAME}:01234567.1:{text}") <= LONGEST for text in _texts(ports, "01234567"))
    mine, theirs = home.reserved("a"), home.reserved("b")
    mine.tell(range(START, START + 5000))
    mine.tell(set(range(START, START + 400, 3)))
    assert set(range(START, START + 400, 3)) <= theirs.of_others()


def test_a_kept_port_that_is_reserved_elsewhere_is_given_up_where_its_service_does_not_run(home: Home) -> None:
    book = home.book("a")
    kept = book.ports(["b.head.client", "b.head.metrics", "postgres"])
    home.reserved("b").tell({kept["b.head.client"], kept["postgres"]})
    data = home.root("a") / "data"
    data.mkdir(parents=True)
    with process(kept["b.head.metrics"], data):
        moved = book.ports(list(kept))
    assert {name for name in kept if moved[name] != kept[name]} == {"postgres"}, "the head runs with its ports"
    assert book.ports(list(kept))["b.head.client"] != kept["b.head.client"]


def test_a_port_of_a_service_that_runs_stays_whoever_listens_there(home: Home) -> None:
    book = home.book("a")
    kept = book.ports(["b.head.client", "b.head.metrics", "head.client"])
    data = home.root("a") / "data"
    data.mkdir(parents=True)
    with process(kept["b.head.metrics"], data), process(kept["b.head.client"], Path("/")):
        assert book.ports(list(kept)) == kept
    with process(kept["b.head.client"], Path("/")):
        assert book.ports(list(kept))["b.head.client"] != kept["b.head.client"]


@pytest.mark.usefixtures("same_place", "apart")
def test_who_reserves_everything_stops_nobody(home: Home) -> None:
    home.reserved("b").tell(range(START, STOP))
    assert set(home.book("a").ports("xyz").values()) <= set(range(START, STOP))


def test_what_nobody_understands_is_passed_over(tmp_path: Path) -> None:
    table = tmp_path / "unix"
    lines = (f"ffff: 2 @{NAME}:01234567.1:{text}" for text in ("20000", "20001-", "-5", "20003-99999999", "x", "7-3"))
    table.write_text("\n".join(("Num Path", *lines, f"ffff: 2 /tmp/{NAME}", "")))
    found = Reservations(tmp_path / "a", table).of_others()
    assert {20000, 20001, 20003} <= found
    assert max(found) == 65535
    assert 5 not in found
    assert Reservations(tmp_path / "a", tmp_path / "missing").of_others() == frozenset()
