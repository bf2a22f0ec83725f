"""Sizes, CPUs and durations as people write them: text or number in; bytes, CPUs and seconds out.

Every function raises ValueError with a message that says what is accepted. Nothing here imports pydantic, so options
of the command line can use it too.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"

BYTES_PATTERN = rf"^{_NUMBER} ?(?:[kKMGTP]i?)?B?$"
CPUS_PATTERN = rf"^{_NUMBER}m?$"
SHARES = ("all", "share")
NODE_CPUS_PATTERN = rf"^({_NUMBER}m?|{'|'.join(SHARES)})$"
SECONDS_PATTERN = rf"^(?:{_NUMBER}|(?=.)(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?(?:{_NUMBER}ms)?)$"

# Beyond these a value is a slip of the pen, and some would overflow what they are handed to.
MOST_BYTES = 2**63 - 1
MOST_CPUS = 1_000_000
MOST_SECONDS = 1_000_000_000

_BYTES_ACCEPTED = "give a size such as 2GiB, 512MiB, 2GB or a whole number of bytes"
_CPUS_ACCEPTED = "give a number of CPUs such as 2, 0.5 or 500m (thousandths)"
_SECONDS_ACCEPTED = "give a duration such as 5s, 250ms, 1m30s or a number of seconds"

_POWER = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
_SIZE = re.compile(rf"({_NUMBER}) ?(?:([kKMGTP])(i?))?B?")
_CPUS = re.compile(rf"({_NUMBER})(m?)")
_DURATION = re.compile(
    rf"(?P<plain>{_NUMBER})|(?:(?P<h>{_NUMBER})h)?(?:(?P<m>{_NUMBER})m)?(?:(?P<s>{_NUMBER})s)?(?:(?P<ms>{_NUMBER})ms)?"
)
_SECONDS_IN = {"plain": Decimal(1), "h": Decimal(3600), "m": Decimal(60), "s": Decimal(1), "ms": Decimal("0.001")}


def parse_bytes(value: object) -> int:
    """Bytes from `2GiB`, `512MiB`, `2GB`, `2G` (10^9), `2Gi` (2^30) or a whole number."""
    amount = _plain(value)
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        number, prefix, binary = match.groups("")
        amount = Decimal(number) * Decimal(1024 if binary else 1000) ** _POWER[prefix.upper()]
    if amount is None or not 1 <= amount <= MOST_BYTES:
        raise _refusal(_BYTES_ACCEPTED, value)
    if not isinstance(value, str) and amount != int(amount):
        raise _refusal(_BYTES_ACCEPTED, value)
    return int(amount)


def parse_cpus(value: object) -> float:
    """CPUs from `2`, `0.5` or `500m` (thousandths)."""
    amount = _plain(value)
    if isinstance(value, str) and (match := _CPUS.fullmatch(value.strip())):
        amount = Decimal(match[1]) / (1000 if match[2] else 1)
    if amount is not None and amount == 0:
        return 0.0  # a head that runs no tasks is common
    return _positive(amount, MOST_CPUS, _CPUS_ACCEPTED, value)


def parse_node_cpus(value: object) -> float | str:
    """CPUs of a node: as above, or `all` or `share` of the machine's."""
    if isinstance(value, str) and value.strip() in SHARES:
        return value.strip()
    try:
        return parse_cpus(value)
    except ValueError as error:
        raise ValueError(str(error).replace(_CPUS_ACCEPTED, f"{_CPUS_ACCEPTED}, or {' or '.join(SHARES)}")) from None


def parse_seconds(value: object) -> float:
    """Seconds from `5s`, `250ms`, `2m`, `1h`, `1m30s` or a number."""
    amount = _plain(value)
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        amount = sum((Decimal(found) * _SECONDS_IN[unit] for unit, found in match.groupdict("0").items()), Decimal(0))
    return _positive(amount, MOST_SECONDS, _SECONDS_ACCEPTED, value)


def _plain(value: object) -> Decimal | None:
    """A number that was written without a unit; None for everything else, True and NaN included."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return Decimal(value)


def _positive(amount: Decimal | None, most: int, accepted: str, value: object) -> float:
    if amount is None or not 0 < amount <= most or float(amount) == 0:
        raise _refusal(accepted, value)
    return float(amount)


def _refusal(accepted: str, value: object) -> ValueError:
    written = f"'{value}'" if isinstance(value, str) else str(value)
    return ValueError(f"{accepted}; not {written if len(written) <= 40 else written[:37] + '...'}")
