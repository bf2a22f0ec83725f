"""A file that is replaced as a whole."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from daybreak.programs.common.whole_file import write_json


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "book.json"
    write_json(str(path), {"a": 1})
    with pytest.raises(TypeError):
        write_json(str(path), {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}


def test_nobody_else_reads_it_unless_that_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "book.json"
    for mode in (0o600, 0o666):
        write_json(str(path), [], mode=mode)
        assert stat.S_IMODE(path.stat().st_mode) == mode & ~0o022
