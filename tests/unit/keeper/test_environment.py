"""Which environment services inherit."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from daybreak.keeper import environment


def test_a_new_shells_variables_replace_the_old_ones_but_for_its_terminal() -> None:
    before = {"KEY": "a", "GONE": "x", "TERM": "xterm", "SSH_TTY": "/dev/pts/1"}
    given = {"KEY": "b", "TERM": "dumb", "SHLVL": "3", "SSH_CLIENT": "somewhere"}
    assert environment.renewed(before, given) == {"KEY": "b", "TERM": "xterm", "SSH_TTY": "/dev/pts/1"}


def test_the_digest_changes_with_what_services_see_and_not_with_the_terminal() -> None:
    one = environment.digest({"KEY": "a", "PWD": "/x", "DAYBREAK_HOME": "/h"})
    assert one == environment.digest({"PWD": "/y", "KEY": "a", "SSH_TTY": "t"})
    assert one != environment.digest({"KEY": "b"})


def test_it_is_kept_for_the_next_keeper_in_a_file_of_ours_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "environment.json"
    environment.save(file, {"KEY": "a"})
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert environment.load(file) == {"KEY": "a"}
    file.write_text("{broken")
    monkeypatch.setenv("OURS", "1")
    assert environment.load(file)["OURS"] == "1"
