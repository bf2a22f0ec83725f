"""What it means for users that Serve tells this of its applications: healthy, degraded or unhealthy. Pure.

`History` is told every look, with its time, since some of it shows only in time: replicas that end again and again, or
that are wanted in vain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from daybreak.health.applications import ENDED, HALTED, MOVING, RUNNING, STOPPING, Application, Deployment, Serving
from daybreak.states import Health

# Replicas that scaling, or the first deployment, wants are waited for this long before their lack is told.
PATIENCE_S = 60.0
# So many replicas of one deployment that ended within this time are no accident.
FLAPS = 3
FLAP_S = 300.0
SCALING = ("UPSCALING", "DOWNSCALING")
LOST = {HALTED: "is stopped by a signal", ENDED: "has ended"}
WRONG = ("UNHEALTHY", "DEPLOY_FAILED")

Key = tuple[str, str]


@dataclass(frozen=True)
class Verdict:
    """A word, and in one line why; the reason is empty where all is well."""

    health: Health = Health.HEALTHY
    reason: str = ""


class History:
    """What earlier looks have shown. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._last: Mapping[Key, Deployment] = {}
        self._short_since: dict[Key, float] = {}
        self._ended: dict[Key, list[float]] = {}
        self._ran: set[Key] = set()

    def add(self, serving: Serving, now: float) -> None:
        """Take one look."""
        seen = {(app.name, one.name): one for app in serving.applications for one in app.deployments}
        for key, one in seen.items():
            if one.running >= one.wanted:
                self._short_since.pop(key, None)
            else:
                self._short_since.setdefault(key, now)
            self._ended[key] = [at for at in self._ended.get(key, []) if now - at < FLAP_S]
            self._ended[key] += [now] * _ended(self._last.get(key), one)
            if one.running:
                self._ran.add(key)
            elif not one.wanted:
                self._ran.discard(key)  # scaled to nothing: what comes next is a start
        self._last = seen
        for gone in (self._short_since.keys() | self._ended.keys() | self._ran) - seen.keys():
            self._short_since.pop(gone, None)
            self._ended.pop(gone, None)
            self._ran.discard(gone)

    def short_for_s(self, key: Key, now: float) -> float:
        """For how long there have been fewer replicas than wanted."""
        return now - self._short_since.get(key, now)

    def ended(self, key: Key) -> int:
        """How many replicas have ended lately without being told to."""
        return len(self._ended.get(key, ()))

    def ran(self, key: Key) -> bool:
        """Whether a replica was ever seen running."""
        return key in self._ran


def _ended(before: Deployment | None, now: Deployment) -> int:
    """How many replicas have ended between two looks that nobody wanted to end."""
    if before is None or "UPDATING" in (before.status, now.status):
        return 0
    there = {replica.id for replica in now.replicas if replica.state in (RUNNING, HALTED, MOVING)}
    gone = sum(replica.state == RUNNING and replica.id not in there for replica in before.replicas)
    return max(0, gone - max(0, before.wanted - now.wanted))


def judge(serving: Serving, history: History, now: float, expected: Sequence[str] = ()) -> Verdict:
    """The verdict on everything: the worst of its parts. `expected` names the applications that must be there."""
    there = {app.name for app in serving.applications}
    found = [Verdict(Health.UNHEALTHY, f"application {name} is not deployed") for name in expected if name not in there]
    for app in serving.applications:
        found += _of_application(app, history, now)
    for node, status in (serving.proxies or {}).items():
        if status == "UNHEALTHY":
            found.append(Verdict(Health.DEGRADED, f"Serve's proxy on node {node[:8]} is UNHEALTHY"))
    order = list(Health)
    return min(found, key=lambda verdict: order.index(verdict.health), default=Verdict())


def _of_application(app: Application, history: History, now: float) -> Iterator[Verdict]:
    if app.status == "DELETING":
        return
    wrong = [one for one in app.deployments if one.status in WRONG]
    for one in wrong:
        # Replicas of the version before serve on where those of a new one do not come.
        serves = one.status == "DEPLOY_FAILED" and 0 < one.wanted <= one.running
        health, addition = (Health.DEGRADED, ", earlier replicas serve") if serves else (Health.UNHEALTHY, "")
        yield Verdict(health, _words(app, f"{one.name} is {one.status}{addition}", one.message))
    if app.status in WRONG and not wrong:
        yield Verdict(Health.UNHEALTHY, _words(app, f"{app.name} is {app.status}", app.message))
    for one in app.deployments:
        if one not in wrong:
            yield from _of_deployment(app, one, history, now)


def _of_deployment(app: Application, one: Deployment, history: History, now: float) -> Iterator[Verdict]:
    key = (app.name, one.name)
    count = f"{one.running} of {one.wanted} replicas"
    lost = next((replica for replica in one.replicas if replica.state in LOST), None)
    if lost:
        health = Health.DEGRADED if one.running else Health.UNHEALTHY
        yield Verdict(health, _words(app, f"{one.name}: {count} run, pid {lost.pid} {LOST[lost.state]}", ""))
    elif one.wanted and not one.running and history.ran(key) and one.status not in SCALING:
        yield Verdict(Health.UNHEALTHY, _words(app, f"{one.name}: no replica runs", one.message))
    elif one.status == "UPDATING" and history.ran(key) and not _only_drains(one):
        yield Verdict(Health.DEGRADED, _words(app, f"{one.name} is UPDATING, {count} run", one.message))
    elif one.running < one.wanted and history.short_for_s(key, now) > PATIENCE_S:
        yield Verdict(Health.DEGRADED, _words(app, f"{one.name}: {count} run", one.message))
    ended = history.ended(key)
    if ended >= FLAPS:
        what = f"{one.name}: {ended} replicas have ended within {FLAP_S / 60:.0f} min"
        yield Verdict(Health.DEGRADED, _words(app, what, ""))


def _only_drains(one: Deployment) -> bool:
    """Do all replicas run that are to, and nothing but old ones is left to end?"""
    return one.running >= one.wanted and all(replica.state in (RUNNING, STOPPING) for replica in one.replicas)


def _words(app: Application, what: str, message: str) -> str:
    """In one line: the application where it has a name of its own, what is wrong, and the cause."""
    name = "" if app.name == "default" or what.startswith(app.name) else f"{app.name}: "
    return f"{name}{what}: {message}" if message else f"{name}{what}"
