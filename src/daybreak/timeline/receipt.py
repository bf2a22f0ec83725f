"""What the gateway counted from the beginning of a run to its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Receipt:
    """The requests that ended meanwhile.

    `failed` got no whole answer from an application, `errors` are answers that say that the application failed (500),
    `left` are those whose client did not wait. `held` waited in the gateway, at most `longest_held_ms`; `slowest_ms` is
    the longest that an answered request took (of a stream: until it began). Both None where there was none.
    `under_way` are further ones, which had waited and were let go, and were still being answered when it was made. It
    is not `complete` where the gateway itself was away: nobody has counted whom it refused. With `rehearsed` requests
    the new version was tried before it got any, None where nobody asked for that.
    """

    requests: int = 0
    failed: int = 0
    errors: int = 0
    left: int = 0
    slowest_ms: int | None = None
    held: int = 0
    longest_held_ms: int | None = None
    under_way: int = 0
    complete: bool = True
    rehearsed: int | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Receipt:
        """From what a daybreak of any version wrote: what it does not tell, or tells beyond this, is left out."""
        return cls(**{each.name: raw[each.name] for each in fields(cls) if each.name in raw})
