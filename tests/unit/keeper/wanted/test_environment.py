"""Which environment services inherit."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from daybreak.keeper.wanted import environment
from daybreak.programs.warm.variables import mark


def test_a_new_shells_variables_replace_the_old_ones_but_for_its_terminal() -> None:
    before = {"KEY": "a", "GONE": "x", "TERM": "xterm", "SSH_TTY": "/dev/pts/1"}
    given = {"KEY": "b", "TERM": "dumb", "SHLVL": "3", "SSH_CLIENT": "somewhere"}
    assert environment.renewed(before, given) == {"KEY": "b", "TERM": "xterm", "SSH_TTY": "/dev/pts/1"}


def test_the_digest_changes_with_what_services_see_and_not_with_the_terminal() -> None:
    one = environment.digest({"KEY": "a", "PWD": "/x", "DAYBREAK_HOME": "/h"})
    assert one == environment.digest({"PWD": "/y", "KEY": "a", "SSH_TTY": "t"})
    assert one != environment.digest({"KEY": "b"})


def test_the_template_is_kept_as_long_as_it_has_read_nothing_that_differs(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    assert environment.of_template(state, {"KEY": "a"}, but=()) == environment.digest({"KEY": "a"})
    state.write_text(json.dumps({"environment": "as before", "variables": {"KEY": mark("a"), "GONE": None}}))
    assert environment.of_template(state, {"KEY": "a", "OTHER": "x"}, but=()) == "as before"
    assert environment.of_template(state, {"KEY": "b"}, but=("KEY",)) == "as before"
    assert environment.of_template(state, {"KEY": "b"}, but=()) == environment.digest({"KEY": "b"})


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


def test_a_command_below_make_is_no_reason_for_new_nodes() -> None:
    plain = {"HOME": "/home/a", "PATH": "/bin"}
    below_make = plain | {"MAKEFLAGS": "", "MAKELEVEL": "1", "MFLAGS": "", "MAKE_TERMOUT": "/dev/pts/1"}
    assert environment.differing(below_make, plain) == []
    assert environment.differing(below_make, plain | {"PATH": "/sbin"}) == ["PATH"]
