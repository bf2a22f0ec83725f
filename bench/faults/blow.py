"""What can happen to a cluster: how it is brought about, and when it is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple, Protocol

from bench.faults.target import Target


class Struck(NamedTuple):
    """When it began and was over (monotonic seconds), and in words which bounds were passed meanwhile."""

    began_s: float
    ended_s: float
    exceeded: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """Of what kind the cluster is that is struck. `small` are the folders that are small file systems of their own;
    `haproxy` says whether Serve's door is HAProxy where it can be; `state` is where the GCS keeps what it knows."""

    small: frozenset[str] = frozenset()
    haproxy: bool = True
    state: str = "none"

    @property
    def order(self) -> tuple[Any, ...]:
        """Clusters of one kind after one another."""
        return (sorted(self.small), not self.haproxy, self.state)

    @property
    def words(self) -> str:
        """What is told beside the fault's name, where it is not the usual."""
        proxy = "" if self.haproxy else "`serve.haproxy: false`"
        return ", ".join(word for word in (proxy, "" if self.state == "none" else f"`ray.state: {self.state}`") if word)


USUAL = Kind()


class Blow(Protocol):
    """`failures` says whether requests may fail: where the gateway cannot hide it. `driver` is a program that uses the
    cluster meanwhile; nothing where none has to."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def kind(self) -> Kind: ...

    @property
    def failures(self) -> bool: ...

    @property
    def driver(self) -> str: ...

    def why_not(self, target: Target) -> str:
        """Why it cannot be brought about here; nothing where it can."""
        ...

    def aim(self, target: Target, chance: Random) -> Callable[[], Struck] | None:
        """Returns what brings it about; None where there is nothing to strike."""
        ...

    def is_past(self, target: Target) -> bool:
        """Whether what was struck is there again."""
        ...
