"""What is wrong becomes an alert when it lasts, and an alert ends when it is over for as long."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from daybreak.keeper.alerting.alert import Subject
from daybreak.keeper.alerting.conditions import DOWN, Wrong


@dataclass(frozen=True)
class News:
    """`begun` are with their reason and since when (as `wall` was then), `ended` what was told and is over."""

    begun: tuple[tuple[Subject, str, float], ...] = ()
    ended: tuple[Subject, ...] = ()


@dataclass
class Holding:
    """Remembers since when something is wrong, or over, that is not told yet."""

    _began: dict[Subject, tuple[float, float]] = field(default_factory=dict)
    _over: dict[Subject, float] = field(default_factory=dict)

    def judge(
        self,
        wrong: Wrong,
        told: Collection[Subject],
        *,
        now: float,
        wall: float,
        after_s: float,
        on_purpose: bool,
    ) -> News:
        """`told` are the alerts that there are, `now` is the event loop's time. `on_purpose`: services are being ended
        and started, so none of them is down, nor up again, until that is done."""

        def wait_s(subject: Subject) -> float:
            return after_s if subject.what in DOWN else 0.0

        if on_purpose:
            wrong = {subject: why for subject, why in wrong.items() if subject.what not in DOWN}
        over = [subject for subject in told if subject not in wrong and not (on_purpose and subject.what in DOWN)]
        self._began = {subject: self._began.get(subject, (now, wall)) for subject in wrong if subject not in told}
        self._over = {subject: self._over.get(subject, now) for subject in over}
        begun = [
            (subject, wrong[subject], since)
            for subject, (began, since) in self._began.items()
            if now - began >= wait_s(subject)
        ]
        ended = [subject for subject, at in self._over.items() if now - at >= wait_s(subject)]
        return News(tuple(begun), tuple(ended))
