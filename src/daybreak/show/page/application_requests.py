"""What the gateway has counted of one application, for `/metrics`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

OUTCOMES = ("answered", "errors", "failed", "left")


@dataclass(frozen=True)
class ApplicationRequests:
    """Since the keeper began: how many ended how, how many had waited, and how long those took that were answered.

    `buckets` are upper bounds in seconds, and how many did not exceed them; the last one has them all.
    """

    name: str
    outcomes: Mapping[str, int]
    held: int
    buckets: Sequence[tuple[float, int]]
    sum_s: float
