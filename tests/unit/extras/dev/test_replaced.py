"""What a reload has replaced."""

from __future__ import annotations

import json
import os
from pathlib import Path

from daybreak.extras.dev.replaced import replaced, versions


def test_the_newest_book_counts_and_nobody_can_tell_without_one(tmp_path: Path) -> None:
    one, other = tmp_path / "a.json", tmp_path / "b.json"
    assert versions([one, other]) == {}
    one.write_text(json.dumps({"versions": {"default": {"App": "1"}, "shop": {"Prices": "2"}}}))
    other.write_text("{")
    os.utime(other, (1, 1))
    assert versions([one, other]) == {"App": "1", "shop/Prices": "2"}
    os.utime(one, (0, 0))
    assert versions([one, other]) == {}


def test_what_has_another_version_or_none_before_was_replaced() -> None:
    before = {"App": "1", "Prices": "2"}
    assert replaced(before, before) == []
    assert replaced(before, {"App": "1", "Prices": "3", "More": "1"}) == ["Prices", "More"]
    assert replaced({}, before) is None
