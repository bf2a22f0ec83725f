"""What /proc shows of a process, also while that becomes another program."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.programs.common import proc


@pytest.fixture
def process(tmp_path: Path) -> Path:
    """A folder as that of process 7, in the midst of an exec."""
    folder = tmp_path / "7"
    folder.mkdir()
    for name in ("environ", "cmdline"):
        (folder / name).write_bytes(b"")
    (folder / "exe").symlink_to("/bin/sh")
    return folder


def test_a_program_that_is_being_set_up_is_waited_for(process: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []

    def nap(for_s: float) -> None:
        naps.append(for_s)
        if len(naps) == proc.MOST_LOOKS - 1:
            (process / "environ").write_bytes(b"MARK=1\0OTHER=2\0")

    monkeypatch.setattr("time.sleep", nap)
    assert proc.environment(7, ["MARK"], str(process.parent)) == {"MARK": "1"}
    assert len(naps) == proc.MOST_LOOKS - 1


@pytest.mark.parametrize("what", ["has none", "of the kernel", "of another account", "ended"])
def test_who_has_no_environment_is_not_waited_for(process: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if what == "has none":
        (process / "cmdline").write_bytes(b"env\0-i\0")
    elif what == "of the kernel":
        (process / "exe").unlink()
    elif what == "of another account":
        (process / "environ").unlink()
        (process / "cmdline").write_bytes(b"sshd\0")
    else:
        for path in process.iterdir():
            path.unlink()
    monkeypatch.setattr("time.sleep", lambda _: pytest.fail("it waits"))
    assert proc.environment(7, ["MARK"], str(process.parent)) == {}


def test_one_that_never_gets_further_is_given_up(process: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr("time.sleep", naps.append)
    assert proc.environment(7, ["MARK"], str(process.parent)) == {}
    assert len(naps) == proc.MOST_LOOKS - 1
