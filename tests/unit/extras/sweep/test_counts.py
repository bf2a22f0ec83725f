"""Numbers of workers as people write them."""

from __future__ import annotations

import pytest

from daybreak.extras.sweep.counts import parse_counts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", [3]),
        ("1..4", [1, 2, 3, 4]),
        ("1,2,4,8", [1, 2, 4, 8]),
        ("1..3,8", [1, 2, 3, 8]),
        ("4, 2, 4", [4, 2]),
        ("0..1", [0, 1]),
        ("256", [256]),
    ],
)
def test_what_is_accepted(text: str, expected: list[int]) -> None:
    assert parse_counts(text) == expected


@pytest.mark.parametrize("text", ["", "a", "1..", "..3", "4..1", "-1", "1-3", "257", "1..300", "1.5", "1,,2", "٣"])
def test_what_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"workers"):
        parse_counts(text)
