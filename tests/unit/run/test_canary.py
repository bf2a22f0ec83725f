"""In which steps requests go over, and when a new generation is called worse."""

from __future__ import annotations

import pytest

from daybreak.run.canary import STEP_S, Seen, Step, parse_steps, worse


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("10%", [Step(10)]),
        ("10%,50%", [Step(10), Step(50)]),
        (" 5 % : 1m , 50:30s", [Step(5, 60.0), Step(50, 30.0)]),
        ("99%:0.5", [Step(99, 0.5)]),
    ],
)
def test_steps_are_per_cents_and_how_long_each_lasts(text: str, steps: list[Step]) -> None:
    assert parse_steps(text) == steps
    assert Step(10).for_s == STEP_S


@pytest.mark.parametrize("text", ["", "0%", "100%", "50%,10%", "10%,10%", "10%:soon", "-5%", "ten", "10%,", "٣%"])
def test_what_is_no_step_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="give"):
        parse_steps(text)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (Seen(), Seen(), ""),
        (Seen(900), Seen(100), ""),
        (Seen(900, 0), Seen(100, 2), ""),  # may be chance
        (Seen(900, 0), Seen(100, 3), "3 of 100 requests"),
        (Seen(), Seen(3, 3), "3 of 3 requests"),
        (Seen(900, 0), Seen(1000, 9), ""),  # not so much more
        (Seen(900, 90), Seen(100, 15), ""),  # the old one is no better
        (Seen(900, 90), Seen(100, 30), "30 of 100 requests"),
        (Seen(900, 0, 10.0, 50.0), Seen(100, 0, 31.0, 60.0), "half of its answers took more than 31 ms"),
        (Seen(900, 0, 1.0, 50.0), Seen(100, 0, 15.0, 60.0), ""),  # nobody notices
        (Seen(900, 0, 100.0, 200.0), Seen(100, 0, 190.0, 400.0), ""),
        (Seen(900, 0, 10.0, 50.0), Seen(49, 0, 500.0, 900.0), ""),  # too few
        (Seen(49, 0, 10.0, 50.0), Seen(900, 0, 500.0, 900.0), ""),
        (Seen(900, 0, 10.0, 50.0), Seen(200, 0, 11.0, 900.0), "one in a hundred of its answers took more than 900 ms"),
        (Seen(900, 0, 10.0, 50.0), Seen(199, 0, 11.0, 900.0), ""),
        (Seen(900, 0, 10.0, 500.0), Seen(200, 0, 11.0, 900.0), ""),
    ],
)
def test_worse_is_what_is_so_beyond_chance_and_matters(old: Seen, new: Seen, why: str) -> None:
    assert worse(old, new).startswith(why) if why else worse(old, new) == ""
