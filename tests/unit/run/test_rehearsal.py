"""Whether two versions answer alike."""

from __future__ import annotations

import pytest

from daybreak.run.rehearsal import Told, difference

PLAIN = Told(200, "text/plain", 1000, 5.0)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([PLAIN], [PLAIN], ""),
        ([PLAIN], [Told(500, "text/plain", 1000, 5.0)], "status 500 instead of 200"),
        ([PLAIN], [Told(404, "text/html", 9, 900.0)], "status 404 instead of 200"),
        ([PLAIN], [Told(200, "text/html", 1000, 5.0)], "text/html instead of text/plain"),
        ([PLAIN], [Told(200, "", 1000, 5.0)], "no content type instead of text/plain"),
        ([PLAIN], [Told(200, "text/plain", 1200, 5.0)], ""),
        ([PLAIN], [Told(200, "text/plain", 1201, 5.0)], "1,201 bytes instead of 1,000"),
        ([PLAIN], [Told(200, "text/plain", 799, 5.0)], "799 bytes instead of 1,000"),
        ([PLAIN], [Told(200, "text/plain", 0, 5.0)], "0 bytes instead of 1,000"),
        # Small ones differ by a digit or a date, but not by being empty.
        ([Told(200, "a/b", 10, 5.0)], [Told(200, "a/b", 74, 5.0)], ""),
        ([Told(200, "a/b", 10, 5.0)], [Told(200, "a/b", 0, 5.0)], "0 bytes instead of 10"),
        ([Told(204, "", 0, 5.0)], [Told(204, "", 0, 5.0)], ""),
        # What is tiny is noise.
        ([PLAIN], [Told(200, "text/plain", 1000, 25.0)], ""),
        ([PLAIN], [Told(200, "text/plain", 1000, 26.0)], "took 26 ms at best, 5 ms by the old version"),
        ([Told(200, "a/b", 9, 300.0)], [Told(200, "a/b", 9, 600.0)], ""),
        ([Told(200, "a/b", 9, 300.0)], [Told(200, "a/b", 9, 601.0)], "took 601 ms at best, 300 ms by the old version"),
        # The best of several times, and what the old one answers now so, now otherwise.
        ([PLAIN, PLAIN], [Told(200, "text/plain", 1000, 900.0), PLAIN], ""),
        ([PLAIN, Told(404, "", 0, 5.0)], [Told(404, "", 0, 5.0)] * 2, ""),
        ([PLAIN, Told(404, "", 0, 5.0)], [Told(503, "", 0, 5.0)] * 2, "status 503 instead of 404"),
    ],
)
def test_what_is_otherwise(old: list[Told], new: list[Told], expected: str) -> None:
    assert difference(old, new, 20) == expected
