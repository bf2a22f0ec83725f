from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from daybreak.errors import PreflightError
from daybreak.machine import listeners as listeners_module
from daybreak.machine.listeners import Listener, belongs_to, listeners
from daybreak.machine.ports import BLOCKS, START, STOP, PortBook, free_ports, is_free, owner_of
from daybreak.machine.reservations import Reservations
from daybreak.services.ray.haproxy import BLOCK

SERVER = (
    "import socket, time; s = socket.socket(); s.bind(('127.0.0.1', {})); s.listen(); print(flush=True); time.sleep(60)"
)


@contextmanager
def listening(port: int = 0, host: str = "127.0.0.1") -> Iterator[int]:
    with socket.socket() as server:
        server.bind((host, port))
        server.listen()
        yield server.getsockname()[1]


@contextmanager
def process(port: int, cwd: Path) -> Iterator[int]:
    """Another process that listens on the port; yields its pid."""
    child = subprocess.Popen([sys.executable, "-c", SERVER.format(port)], stdout=subprocess.PIPE, cwd=cwd)
    assert child.stdout is not None
    with child.stdout:
        child.stdout.readline()
        yield child.pid
        child.kill()
        child.wait()


@pytest.fixture(autouse=True)
def told() -> Iterator[None]:
    """Clusters that run beside a test leave alone what its books have chosen, and its books what is theirs."""
    yield
    while _told:
        _told.pop().close()


_told: list[Reservations] = []


def book(root: Path, name: str = "shop") -> PortBook:
    reserved = Reservations(root / name)
    _told.append(reserved)
    return PortBook(root / name / "ports.json", reserved)


def port_of(root: Path, name: str, taken: Sequence[int] = ()) -> int:
    return book(root).ports([name], taken=taken)[name]


def test_ports_are_free_different_and_in_the_range() -> None:
    found = free_ports([str(number) for number in range(50)])
    assert len(set(found.values())) == 50
    assert all(START <= port < STOP and is_free(port) for port in found.values())


def test_clusters_search_from_different_places() -> None:
    assert free_ports(["x"], spread="/a/shop") != free_ports(["x"], spread="/a/blog")
    assert free_ports(["x"], spread="/a/shop") == free_ports(["x"], spread="/a/shop")


def test_what_is_taken_or_in_use_is_passed_over() -> None:
    first = free_ports(["x"], spread="s")["x"]
    assert free_ports(["x"], spread="s", taken=[first])["x"] != first
    with listening(first):
        assert free_ports(["x"], spread="s")["x"] != first


def test_the_search_goes_round_and_ends() -> None:
    port = free_ports(["x"])["x"]
    assert free_ports(["x"], spread="any", start=port, stop=port + 1) == {"x": port}
    with pytest.raises(PreflightError) as caught:
        free_ports(["x", "y"], start=port, stop=port + 1)
    assert "only 1 of 2" in caught.value.details()[0]


def test_a_listener_on_any_address_makes_a_port_busy() -> None:
    for host in ("127.0.0.1", "127.0.0.2", "0.0.0.0"):
        with listening(host=host) as port:
            assert not is_free(port)
    with listening(host="127.0.0.2") as port:
        assert is_free(port, "127.0.0.1"), "asked for one address, the others do not matter"


@pytest.mark.parametrize("reuse", [True, False])
def test_connections_that_are_being_closed_bar_only_a_fresh_choice(reuse: bool) -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            server.accept()[0].close()  # who closes first keeps the port for a minute
            client.recv(1)
    assert not is_free(port, fresh=True)
    assert is_free(port) == reuse, "a server that does not reuse addresses could not come back either"
    assert owner_of(port) == ""


def test_an_address_that_this_machine_does_not_have_is_not_in_use() -> None:
    assert is_free(20000, "192.0.2.1")


def test_ports_are_kept(tmp_path: Path) -> None:
    first = book(tmp_path).ports(["postgres", "redis"])
    assert book(tmp_path).ports(["redis", "postgres"]) == first
    assert port_of(tmp_path, "postgres") == first["postgres"]
    third = port_of(tmp_path, "head.client")
    assert third not in first.values()
    assert json.loads((tmp_path / "shop/ports.json").read_text()) == {**first, "head.client": third}


def test_ports_of_other_clusters_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = port_of(tmp_path, "postgres")
    monkeypatch.setattr("hashlib.sha256", lambda _: _Fixed())  # both begin at the same place
    other = PortBook(tmp_path / "blog/ports.json")
    (tmp_path / "shop/ports.json").write_text(json.dumps({"postgres": START}))
    assert other.ports(["postgres"])["postgres"] == START + 1
    assert mine


class _Fixed:
    def digest(self) -> bytes:
        return bytes(32)


def test_many_choosing_at_once_never_share(tmp_path: Path) -> None:
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda name=f"c{number}": found.extend(book(tmp_path, name).ports("abc").values()))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(set(found)) == 24


def test_a_port_that_a_stranger_holds_is_given_up(tmp_path: Path) -> None:
    port = port_of(tmp_path, "postgres")
    with process(port, Path("/")):
        moved = port_of(tmp_path, "postgres")
        assert moved != port
    assert port_of(tmp_path, "postgres") == moved, "and the new one is kept"


def test_a_holder_that_ends_while_it_is_looked_at_is_no_stranger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when HAProxy is reloaded: the old process ends, the new one has the port already."""
    port = port_of(tmp_path, "postgres")
    data = tmp_path / "shop/data"
    data.mkdir()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    looks = [{port: Listener(ended.pid)}]
    monkeypatch.setattr(
        "daybreak.machine.listeners.listeners", lambda ports: looks.pop() if looks else listeners(ports)
    )
    with process(port, data):
        assert port_of(tmp_path, "postgres") == port
    assert looks == []


def test_a_port_that_our_own_server_holds_is_kept(tmp_path: Path) -> None:
    port = port_of(tmp_path, "postgres")
    data = tmp_path / "shop/data"
    data.mkdir()
    with process(port, data):
        assert port_of(tmp_path, "postgres") == port


def test_a_kept_port_that_the_spec_now_names_is_given_up(tmp_path: Path) -> None:
    port = port_of(tmp_path, "postgres")
    assert port_of(tmp_path, "postgres", taken=[port]) != port


def test_a_book_that_cannot_be_read_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    for text in ("", "[]", '{"postgres": "x"}', "{"):
        (tmp_path / "shop/ports.json").write_text(text)
        assert START <= port_of(tmp_path, "postgres") < STOP


def test_the_owner_of_a_port_is_named() -> None:
    port = free_ports(["x"])["x"]
    assert owner_of(port) == ""
    with process(port, Path("/")) as pid:
        assert owner_of(port) == f"python3 (pid {pid})" or owner_of(port).endswith(f"(pid {pid})")
        assert owner_of(port, "127.0.0.2") == ""
        assert listeners()[port].uid == os.geteuid()


def test_who_cannot_be_seen_is_told_by_account(monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(Listener(uid=0)) == "a process of user root"
    assert str(Listener(uid=4242424)) == "a process of user 4242424"
    assert str(Listener()) == "a process that cannot be seen from here"
    ours = belongs_to(Path("/state/shop"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert ours(Listener(uid=1000))
    assert not ours(Listener(uid=0))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert ours(Listener(uid=65534)), "root may run a server under another account"


def test_a_process_is_known_by_itself_or_an_ancestor(tmp_path: Path) -> None:
    def add(pid: int, parent: int, environ: str = "", cmdline: str = "", cwd: str = "/") -> None:
        folder = tmp_path / str(pid)
        folder.mkdir()
        (folder / "stat").write_text(f"{pid} (a) b) S {parent} {' 0' * 48}")
        (folder / "environ").write_text(environ)
        (folder / "cmdline").write_text(cmdline)
        (folder / "cwd").symlink_to(cwd)

    add(10, 1, environ="A=b\0DAYBREAK_CLUSTER_ROOT=/state/shop\0")
    add(11, 10, cmdline="ray::agent")
    add(12, 1, cmdline="redis-server\0/state/shop/config/redis.conf\0")
    add(13, 1, cwd="/state/shop/data/postgres")
    add(14, 1, environ="ROOT=/state/shop-two\0", cmdline="x\0/other/state/shop\0", cwd="/state")
    ours = belongs_to(Path("/state/shop"), str(tmp_path))
    assert [pid for pid in (10, 11, 12, 13, 14, 99) if ours(Listener(pid=pid))] == [10, 11, 12, 13]


def test_a_block_is_kept_and_no_other_cluster_gets_it(tmp_path: Path) -> None:
    first = book(tmp_path).block("replicas")
    assert book(tmp_path).block("replicas") == first
    others = {book(tmp_path, name).block("replicas") for name in ("a", "b", "c", "d")}
    assert len({first, *others}) == 5
    assert all(block in BLOCKS for block in others)
    singles = book(tmp_path).ports([str(number) for number in range(50)])
    assert max(singles.values()) < STOP <= min(BLOCKS)


def test_a_block_that_somebody_listens_in_is_not_chosen(tmp_path: Path) -> None:
    wanted = book(tmp_path).block("replicas")
    (tmp_path / "shop/ports.json").unlink()
    with socket.create_server(("127.0.0.1", wanted + BLOCK - 1)):
        assert book(tmp_path).block("replicas") != wanted


def test_where_every_block_is_some_clusters_a_free_one_will_do(tmp_path: Path) -> None:
    for number, first in enumerate(BLOCKS):
        folder = tmp_path / f"old{number}"
        folder.mkdir()
        (folder / "ports.json").write_text(json.dumps({"replicas": first}))
    assert book(tmp_path).block("replicas") in BLOCKS


def test_what_is_kept_for_services_that_run_is_theirs_whoever_seems_to_listen(tmp_path: Path) -> None:
    kept = book(tmp_path).ports(["head.gcs", "b.head.gcs", "worker-1.metrics", "redis"])
    ours = book(tmp_path).of(["head", "redis"])
    assert ours == {kept["head.gcs"], kept["b.head.gcs"], kept["redis"]}
    with socket.create_server(("", kept["b.head.gcs"])):
        assert book(tmp_path).ports(list(kept), own=ours) == kept


ROWS = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
    "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000   100        0 11 1 0 100 0 0 10 0",
    "   1: 0100007F:1F40 0100007F:9C40 06 00000000:00000000 00:00000000 00000000     0        0 0 3 0",
    "   2: 0100007F:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000   200        0 12 1 0 100 0 0 10 0",
)


def test_connections_are_not_read_where_the_port_is_found_before_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of connections stand below what listens, in a kernel that lists that first."""
    monkeypatch.setattr(listeners_module, "PROC", str(tmp_path))
    (tmp_path / "net").mkdir()
    (tmp_path / "net/tcp").write_text("\n".join(ROWS[:3]) + "\nno row\n")
    assert listeners([8000]) == {8000: Listener(uid=100)}
    (tmp_path / "net/tcp").write_text("\n".join(ROWS) + "\n")
    assert listeners([8000, 9000, 9001]) == listeners() == {8000: Listener(uid=100), 9000: Listener(uid=200)}
