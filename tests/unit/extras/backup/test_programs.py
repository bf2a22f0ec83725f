"""Programs beside a server: streamed, ended by the deadline, and what they say when they fail."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from daybreak.errors import PreflightError
from daybreak.extras.backup.programs import Place, ProgramFailed, in_container
from daybreak.extras.backup.telling import Deadline, TooLate

LONG_S = 60.0


def sh(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


def test_what_it_prints_and_what_it_warns_of() -> None:
    printed, said = Place().output(sh("cat; echo careful >&2"), Deadline(LONG_S), text="hello")
    assert (printed, said) == ("hello", ["careful"])


def test_a_stream_goes_through_in_parts() -> None:
    size = 3_000_000
    parts: list[bytes] = []
    Place().pour_out(sh(f"head -c {size} /dev/zero"), parts.append, Deadline(LONG_S))
    assert sum(map(len, parts)) == size
    assert len(parts) > 1


def test_a_program_reads_what_it_is_given(tmp_path: Path) -> None:
    content = b"x" * 1_000_000
    told: list[int] = []
    Place().pour_in(sh(f"cat > {tmp_path}/out"), io.BytesIO(content), Deadline(LONG_S), told.append)
    assert (tmp_path / "out").read_bytes() == content
    assert told[-1] == len(content)


def test_one_that_ends_early_says_why() -> None:
    with pytest.raises(ProgramFailed, match="sh failed: psql: ERROR: no") as caught:
        script = "echo 'psql: ERROR: no' >&2; echo more >&2; exit 3"
        Place().pour_in(sh(script), io.BytesIO(b"x" * 5_000_000), Deadline(LONG_S))
    assert caught.value.details() == ["psql: ERROR: no", "more"]
    with pytest.raises(ProgramFailed, match="exit code 4"):
        Place().output(sh("exit 4"), Deadline(LONG_S))
    with pytest.raises(ProgramFailed, match="exit code"):
        Place().pour_out(sh("kill -9 $$"), lambda _: None, Deadline(LONG_S))


@pytest.mark.parametrize("way", ["output", "pour_out", "pour_in"])
def test_the_deadline_ends_it(way: str) -> None:
    place, words, deadline = Place(), ("sleep", "600"), Deadline(0.05)
    with pytest.raises(TooLate, match=r"within 0.05 s") as caught:
        if way == "output":
            place.output(words, deadline)
        elif way == "pour_out":
            place.pour_out(words, lambda _: None, deadline)
        else:
            place.pour_in(words, io.BytesIO(b""), deadline)
    assert caught.value.exit_code == 3


def test_what_it_has_started_ends_with_it() -> None:
    # Its output ends when nobody holds that any more: it would be waited for until the helper ends.
    with pytest.raises(TooLate):
        Place().output(sh("sleep 3600 & wait"), Deadline(0.05))


def test_what_the_reader_cannot_take_ends_it() -> None:
    def full(_: bytes) -> None:
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        Place().pour_out(sh("echo one; exec sleep 600"), full, Deadline(LONG_S))


def test_no_variable_of_the_user_leads_it_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "elsewhere")
    place = Place(env={"PGSERVICEFILE": "/own"})
    printed, _ = place.output(sh('echo "$PGHOST,$PGSERVICEFILE,$LC_ALL"'), Deadline(LONG_S))
    assert printed == ",/own,C\n"


def test_the_server_s_own_programs_go_before_those_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, says in (("own", "own"), ("path", "path")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "psql").write_text(f"#!/bin/sh\necho {says}\n")
        (tmp_path / folder / "psql").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/path:/usr/bin:/bin")
    assert Place(folder=f"{tmp_path}/own").output(["psql"], Deadline(LONG_S))[0] == "own\n"
    (tmp_path / "own/psql").unlink()
    place = Place(folder=f"{tmp_path}/own")
    assert place.output(["psql"], Deadline(LONG_S))[0] == "path\n"
    place.require("psql")
    with pytest.raises(PreflightError, match="has no no-such-dump"):
        place.require("psql", "no-such-dump")
    with pytest.raises(PreflightError, match="cannot be started"):
        place.output(["no-such-dump"], Deadline(LONG_S))


def test_in_a_container_the_engine_is_the_one_that_daybreak_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docker").write_text('#!/bin/sh\necho "$DOCKER_HOST $*"\n')
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    printed, _ = in_container("c1").output(["psql", "-X"], Deadline(LONG_S))
    assert printed == "unix:///var/run/docker.sock exec -i c1 psql -X\n"
    in_container("c1").require("psql")
