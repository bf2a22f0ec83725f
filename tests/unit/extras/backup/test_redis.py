"""A snapshot by Redis's own protocol, from a server that is a few lines; and how the next start takes one."""

from __future__ import annotations

import io
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from daybreak.errors import PreflightError
from daybreak.extras.backup import redis
from daybreak.extras.backup.programs import ProgramFailed
from daybreak.extras.backup.redis import Address, RedisFailed
from daybreak.extras.backup.redis_restore import NEW, OwnFolder
from daybreak.extras.backup.telling import Deadline, TooLate
from daybreak.services.databases.redis_start import AS_A_PROCESS, BEFORE, SNAPSHOT, stored_names

LONG_S = 60.0
RDB = b"REDIS0011" + b"\x00\r\n" * 200_000
INFO = b"# Server\r\nredis_version:7.2.4\r\nvalkey_version:9.1.2\r\n"


def bulk(content: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(content), content)


@contextmanager
def server(sync: bytes, *, password: str = "secret", stays: bool = True) -> Iterator[Address]:
    """Answers each command as a server does, and SYNC with these bytes."""
    answers = {b"AUTH": b"+OK\r\n", b"INFO": bulk(INFO), b"SYNC": sync}
    over = threading.Event()

    def serve(listening: socket.socket) -> None:
        connected, _ = listening.accept()
        # Whoever asks may have given up before the answer comes.
        with connected, connected.makefile("rb") as lines, suppress(ConnectionError):
            while head := lines.readline():
                words = []
                for _ in range(int(head[1:])):
                    lines.readline()
                    words.append(lines.readline().strip())
                wrong = words[0] == b"AUTH" and words[1] != b"secret"
                connected.sendall(b"-WRONGPASS no\r\n" if wrong else answers[words[0]])
                if words[0] == b"SYNC":
                    if stays:
                        over.wait(LONG_S)
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        try:
            yield Address("127.0.0.1", listening.getsockname()[1], password)
        finally:
            over.set()
            thread.join(LONG_S)


def taken(address: Address, deadline: Deadline | None = None) -> bytes:
    found = io.BytesIO()
    with redis.session(address, deadline or Deadline(LONG_S)) as asking:
        assert redis.version_of(asking) == "valkey 9.1.2"
        redis.snapshot(asking, found.write)  # type: ignore[arg-type]
    return found.getvalue()


def test_a_snapshot_is_what_a_replica_gets() -> None:
    """The server says that it lives until it has made one, and goes on with what is written meanwhile."""
    with server(b"\n\n$%d\r\n" % len(RDB) + RDB + b"*1\r\n$4\r\nPING\r\n") as address:
        assert taken(address) == RDB


@pytest.mark.parametrize(
    ("sync", "words"),
    [
        (b"-ERR unknown command 'SYNC'\r\n", "unknown command"),
        (b"$100\r\nREDIS0011", "closed the connection before all had come"),
        (b"\n", "has closed the connection"),
        (b"$5\r\nhello", "no snapshot"),
        (b"+FULLRESYNC 1 2\r\n", "answers to SYNC with"),
    ],
)
def test_what_is_no_snapshot_is_told(sync: bytes, words: str) -> None:
    with server(sync, stays=False) as address, pytest.raises(RedisFailed, match=words):
        taken(address)


def test_a_wrong_password_and_nobody_at_all_are_told() -> None:
    with server(b"", password="wrong", stays=False) as address, pytest.raises(RedisFailed, match="WRONGPASS") as caught:
        taken(address)
    assert "wrong" not in str(caught.value).replace("WRONGPASS", "")
    with pytest.raises(RedisFailed, match=r"does not answer at 127\.0\.0\.1:1"):
        taken(Address("127.0.0.1", 1, ""))


def test_a_server_that_does_not_go_on_ends_with_the_deadline() -> None:
    with server(b"$100\r\nREDIS") as address, pytest.raises(TooLate):
        taken(address, Deadline(0.3))


def test_the_address_is_read_from_the_file_with_the_url(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("redis://:a%2Fb@127.0.0.1:20379/0\n")
    found = Address.in_file(tmp_path / "url")
    assert (found.host, found.port, found.password) == ("127.0.0.1", 20379, "a/b")
    assert "a/b" not in repr(found)


# --- taking one over --------------------------------------------------------------------------------------------------


def started(folder: Path, **settings: str | bool) -> str:
    """What a server that was started in the folder would read there."""
    names = stored_names({"appendonly": True, **settings})
    words = ("/bin/sh", "-c", AS_A_PROCESS, "redis", str(folder), *names, "cat", str(folder / names[0]))
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=LONG_S).stdout


def stored(folder: Path) -> Path:
    (folder / "appendonlydir").mkdir(parents=True)
    (folder / "appendonlydir/base.rdb").write_text("old")
    (folder / "dump.rdb").write_text("older")
    return folder


def test_the_next_start_takes_a_snapshot_and_keeps_what_was_stored(tmp_path: Path) -> None:
    folder = stored(tmp_path / "data")
    assert started(folder) == "", "nothing is there to take"
    assert (folder / "appendonlydir").exists()
    (folder / SNAPSHOT).write_text("new")
    assert started(folder) == "new"
    assert sorted(path.name for path in folder.iterdir()) == ["appendonly.aof", BEFORE]
    assert (folder / BEFORE / "appendonlydir/base.rdb").read_text() == "old"
    assert (folder / BEFORE / "dump.rdb").read_text() == "older"
    assert started(folder) == "new", "once"


def test_a_start_that_was_killed_in_the_midst_is_finished_by_the_next(tmp_path: Path) -> None:
    folder = stored(tmp_path / "data")
    (folder / SNAPSHOT).write_text("new")
    (folder / BEFORE).mkdir()
    (folder / "appendonlydir").rename(folder / BEFORE / "appendonlydir")
    assert started(folder) == "new"
    assert (folder / BEFORE / "appendonlydir/base.rdb").read_text() == "old"
    assert (folder / BEFORE / "dump.rdb").exists()


def test_the_snapshot_gets_the_name_that_the_server_reads(tmp_path: Path) -> None:
    folder = stored(tmp_path / "data")
    for settings, name in (({"appendonly": False}, "dump.rdb"), ({"appendfilename": '"own.aof"'}, "own.aof")):
        (folder / SNAPSHOT).write_text("new")
        assert started(folder, **settings) == "new"
        assert (folder / name).read_text() == "new"


def test_a_folder_that_is_not_there_is_the_server_s_affair(tmp_path: Path) -> None:
    words = ("/bin/sh", "-c", AS_A_PROCESS, "redis", f"{tmp_path}/absent", *stored_names({}), "echo", "started")
    assert subprocess.run(words, capture_output=True, text=True, check=True, timeout=LONG_S).stdout == "started\n"


def checker(tmp_path: Path, script: str) -> OwnFolder:
    (tmp_path / "server").write_text(f'#!/bin/sh\ncase "$0" in */valkey-check-rdb) ;; *) exit 9 ;; esac\n{script}\n')
    (tmp_path / "server").chmod(0o755)
    (tmp_path / "data").mkdir()
    return OwnFolder(tmp_path / "data", str(tmp_path / "server"), "valkey-check-rdb")


def test_a_snapshot_is_offered_when_the_server_s_own_checker_has_read_it(tmp_path: Path) -> None:
    folder, deadline = checker(tmp_path, 'grep -q REDIS "$1"'), Deadline(LONG_S)
    folder.put(io.BytesIO(RDB), lambda _: None, deadline)
    folder.check(deadline)
    assert not folder.offered(deadline)
    folder.offer(deadline)
    assert folder.offered(deadline)
    assert (tmp_path / "data" / SNAPSHOT).read_bytes() == RDB
    assert (tmp_path / "data" / SNAPSHOT).stat().st_mode & 0o777 == 0o600
    (tmp_path / "data" / BEFORE).mkdir()
    folder.clear(NEW, SNAPSHOT, BEFORE)
    assert list((tmp_path / "data").iterdir()) == []


def test_one_that_the_server_cannot_read_is_told(tmp_path: Path) -> None:
    folder, deadline = checker(tmp_path, 'echo "Can\'t handle RDB format version 80"; exit 1'), Deadline(LONG_S)
    folder.put(io.BytesIO(RDB), lambda _: None, deadline)
    with pytest.raises(ProgramFailed, match="RDB format version 80"):
        folder.check(deadline)


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    folder = OwnFolder(tmp_path / "absent", "/bin/true", "redis-check-rdb")
    with pytest.raises(PreflightError, match="cannot be written"):
        folder.put(io.BytesIO(RDB), lambda _: None, Deadline(LONG_S))
