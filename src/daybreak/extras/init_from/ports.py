"""Ports of a Compose service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from daybreak.extras.init_from.words import Words


@dataclass(frozen=True)
class Port:
    """`inside` is where the program listens, `published` where this machine does; None where it is chosen."""

    inside: int
    published: int | None


def ports_of(ports: list[Any], words: Words) -> Iterator[Port]:
    """Every port of both forms, ranges one by one; what is no number is left out."""
    for port in ports:
        if isinstance(port, dict):
            pairs = [(str(port.get("target", "")), str(port.get("published") or ""))]
        else:
            outer, _, inner = words.value(str(port)).partition("/")[0].rpartition(":")
            pairs = [(inner, outer.rpartition(":")[2])]
        for inside, published in pairs:
            insides, outsides = list(_range(words.value(inside))), list(_range(words.value(published)))
            for at, number in enumerate(insides):
                yield Port(number, outsides[at] if at < len(outsides) else None)


def _range(text: str) -> Iterator[int]:
    first, _, last = text.partition("-")
    if first.isdigit() and (last or first).isdigit():
        yield from range(int(first), int(last or first) + 1)
