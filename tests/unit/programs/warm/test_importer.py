"""What is imported ahead: what cannot be is told where somebody asked for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.programs.warm.importer import Importer, Memory


@pytest.mark.parametrize("asked_for", [True, False])
def test_what_was_tried_at_a_guess_and_lacks_something_is_no_news(
    asked_for: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lacks_something.py").write_text("raise RuntimeError('this module requires httpx2')\n")
    monkeypatch.syspath_prepend(tmp_path)
    said: list[str] = []
    importer = Importer(said.append, Memory(str(tmp_path / "proven"), "stamp"), (), {}, str, lambda _: None, None)
    importer.load(["lacks_something"], asked_for, trusted=True)
    assert importer.failed == {"lacks_something": "RuntimeError: this module requires httpx2"}
    assert bool(said) is asked_for
