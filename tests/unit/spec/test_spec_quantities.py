"""Quantities: what is accepted, what is refused, and with which words."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybreak.spec.quantities import parse_bytes, parse_cpus, parse_seconds


@pytest.mark.parametrize(
    ("written", "size_bytes"),
    [
        ("2GiB", 2 * 1024**3),
        ("512MiB", 512 * 1024**2),
        ("1.5GiB", 1536 * 1024**2),
        ("2GB", 2 * 10**9),
        ("2G", 2 * 10**9),
        ("2Gi", 2 * 1024**3),
        ("4 KiB", 4096),
        ("4kB", 4000),
        ("7B", 7),
        (" 7 ", 7),
        ("1TB", 10**12),
        ("1PiB", 1024**5),
        (4096, 4096),
        (2e9, 2 * 10**9),
    ],
)
def test_sizes(written: object, size_bytes: int) -> None:
    assert parse_bytes(written) == size_bytes
    assert type(parse_bytes(written)) is int


@pytest.mark.parametrize(
    ("written", "cpus"), [("2", 2.0), ("0.5", 0.5), ("500m", 0.5), ("1500m", 1.5), (2, 2.0), (0.25, 0.25), (0, 0.0)]
)
def test_cpus(written: object, cpus: float) -> None:
    assert parse_cpus(written) == cpus
    assert type(parse_cpus(written)) is float


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("5s", 5.0),
        ("250ms", 0.25),
        ("2m", 120.0),
        ("1h", 3600.0),
        ("1m30s", 90.0),
        ("1h2m3s4ms", 3723.004),
        ("1.5s", 1.5),
        ("12", 12.0),
        (5, 5.0),
        (0.1, 0.1),
    ],
)
def test_durations(written: object, seconds: float) -> None:
    assert parse_seconds(written) == seconds
    assert type(parse_seconds(written)) is float


NEVER = [0, -1, "0", "-1", "", " ", "lots", True, None, [], {}, math.nan, math.inf, -math.inf, "nan", "inf", "1e3", "٣"]


@pytest.mark.parametrize("written", [*NEVER, "2 potatoes", "0.5", 1.5, "2iB", "512m", "GiB", "9000PiB", "9" * 5000])
def test_sizes_refused(written: object) -> None:
    with pytest.raises(ValueError, match="give a size such as 2GiB, 512MiB, 2GB or a whole number of bytes; not "):
        parse_bytes(written)


@pytest.mark.parametrize("written", [*(v for v in NEVER if v not in (0, "0")), "2 cores", "m", "1000001", "9" * 5000])
def test_cpus_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"give a number of CPUs such as 2, 0\.5 or 500m"):
        parse_cpus(written)


@pytest.mark.parametrize("written", [*NEVER, "0s", "5 minutes", "5d", "30s1m", "s", "1m 30s", "1000000001", "9" * 5000])
def test_durations_refused(written: object) -> None:
    with pytest.raises(ValueError, match="give a duration such as 5s, 250ms, 1m30s or a number of seconds"):
        parse_seconds(written)


def test_a_refusal_shows_no_novel() -> None:
    with pytest.raises(ValueError) as caught:
        parse_bytes("x" * 1000)
    assert len(str(caught.value)) < 130


@pytest.mark.parametrize(
    ("unit", "factor"), [("KiB", 2**10), ("Mi", 2**20), ("GiB", 2**30), ("GB", 10**9), ("k", 1000)]
)
@given(number=st.integers(1, 2**30))
def test_sizes_are_exact(unit: str, factor: int, number: int) -> None:
    assert parse_bytes(f"{number}{unit}") == number * factor


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(1, 999))
def test_durations_add_up(hours: int, minutes: int, seconds: int, milliseconds: int) -> None:
    text = f"{hours}h{minutes}m{seconds}s{milliseconds}ms"
    assert math.isclose(parse_seconds(text), hours * 3600 + minutes * 60 + seconds + milliseconds / 1000)


@pytest.mark.parametrize("parse", [parse_cpus, parse_seconds])
@given(number=st.floats(1e-6, 1e6))
def test_plain_numbers_stay_themselves(parse: Callable[[object], float], number: float) -> None:
    assert parse(number) == number
    assert parse(parse(number)) == number


@pytest.mark.parametrize("parse", [parse_bytes, parse_cpus, parse_seconds])
@given(text=st.text(max_size=12))
def test_any_text_is_a_quantity_or_refused(parse: Callable[[object], float], text: str) -> None:
    try:
        quantity = parse(text)
    except ValueError:
        return
    assert quantity > 0 or (parse is parse_cpus and quantity == 0)
