"""One thing that is wrong, and what is told of it. Values only."""

from __future__ import annotations

import html
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from daybreak.show.text import harmless, seconds

MOST_REASON = 500
Message = Mapping[str, Any]


class What(StrEnum):
    """The kinds of it."""

    HEAD_DOWN = "head-down"
    SERVE_UNHEALTHY = "serve-unhealthy"
    DATABASE_DOWN = "database-down"
    SERVICE_DOWN = "service-down"
    CRASH_LOOP = "crash-loop"
    LOST_REQUESTS = "lost-requests"
    RUN_FAILED = "run-failed"
    HOST_DOWN = "host-down"
    DISK_NEARLY_FULL = "disk-nearly-full"
    TEST = "test"


class Status(StrEnum):
    """Which message it is."""

    FIRING = "firing"
    RESOLVED = "resolved"
    TEST = "test"


_TITLES = {
    What.HEAD_DOWN: "Ray's head is down",
    What.SERVE_UNHEALTHY: "the applications do not answer as they should",
    What.DATABASE_DOWN: "{name} is down",
    What.SERVICE_DOWN: "{name} is down",
    What.CRASH_LOOP: "{name} ends again and again",
    What.LOST_REQUESTS: "requests were lost",
    What.RUN_FAILED: "the last run of {name} failed",
    What.HOST_DOWN: "host {name} is not well",
    What.DISK_NEARLY_FULL: "the disk of {name} is nearly full",
    What.TEST: "only a test",
}


# Which of them names the subject. `host` would be taken for the machine that tells it.
SUBJECTS = ("service", "folder", "other_machine")
_KINDS = {What.DISK_NEARLY_FULL: "folder", What.HOST_DOWN: "other_machine"}


@dataclass(frozen=True, order=True)
class Subject:
    """What is wrong with whom: a service, for a disk a folder on it, for another machine its name as a host; empty
    where it is nobody in particular."""

    what: What
    name: str = ""

    @property
    def title(self) -> str:
        return _TITLES[self.what].format(name=self.name)

    def to_json(self) -> dict[str, Any]:
        kind = _KINDS.get(self.what, "service")
        return {"what": str(self.what), **{each: self.name or None if each == kind else None for each in SUBJECTS}}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Subject:
        """Raises ValueError or KeyError for what is none."""
        return cls(What(raw["what"]), next((str(raw[each]) for each in SUBJECTS if raw.get(each)), ""))


@dataclass(frozen=True)
class Alert:
    """Something that is wrong and was told. `id` is the same in both messages; `since` is seconds since 1970."""

    id: str
    subject: Subject
    reason: str
    since: float

    def to_json(self) -> dict[str, Any]:
        told = {"title": self.subject.title, "reason": self.reason, "since": round(self.since, 3)}
        return {"id": self.id, **self.subject.to_json(), **told}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Alert:
        """Raises ValueError, KeyError or TypeError for what is none."""
        return cls(str(raw["id"]), Subject.from_json(raw), str(raw["reason"]), float(raw["since"]))

    def line(self, status: Status, *, now: float, over: str = "") -> str:
        """It in one line. `over` says why it has ended, where there is more to say than that."""
        if status is not Status.RESOLVED:
            return f"{self.subject.title}: {self.reason}"
        after = f"over after {seconds(max(0.0, now - self.since))}"
        return f"{self.subject.title}: {'; '.join(filter(None, (after, over)))}"

    def message(self, cluster: str, status: Status, *, now: float, over: str = "") -> Message:
        """What is sent."""
        host = socket.gethostname()
        line = f"[{status.upper()}] {cluster} on {host}: {self.line(status, now=now, over=over)}"
        return {
            **self.to_json(),
            "status": str(status),
            "cluster": cluster,
            "host": host,
            "ended": round(now, 3) if status is Status.RESOLVED else None,
            # In Slack and Mattermost `<!channel>` would call everybody, and a log line may hold anything.
            "text": html.escape(line, quote=False),
        }


def in_words(reason: str) -> str:
    """A reason as it may be sent: what programs have printed is neither obeyed nor of any length."""
    line = harmless(" ".join(reason.split()))
    return line if len(line) <= MOST_REASON else f"{line[:MOST_REASON]}…"


def trial() -> Alert:
    """One that says of itself that nothing is wrong."""
    return Alert("test", Subject(What.TEST), "somebody has typed `daybreak alerts --test`", time.time())
