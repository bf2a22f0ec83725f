"""Records of running services, also on a full disk."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from daybreak.backends.base import Handle, State
from daybreak.backends.process import records
from daybreak.backends.process.records import Records
from tests.unit.helpers import service


def test_an_end_that_cannot_be_written_is_known_to_this_keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handle = Handle.started(service("serve"), "i", 1, {}, at_wall=0.0, pid=1, started_ticks=1, boot_id="")
    kept = Records(tmp_path)
    kept.save(handle)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(records, "write_private", full)
        kept.update(handle.in_state(State.COMPLETED))
    assert [one.state for one in kept.load()] == [State.COMPLETED]
    assert [one.state for one in Records(tmp_path).load()] == [handle.state], "a later keeper knows what was written"
    kept.update(handle.in_state(State.BROKEN))
    assert [one.state for one in Records(tmp_path).load()] == [State.BROKEN]
    kept.forget(handle)
    assert kept.load() == []
