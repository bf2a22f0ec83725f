"""One job, as Ray's jobs API tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

ENDED = frozenset({"succeeded", "failed", "stopped"})
SUBMISSION = "SUBMISSION"


@dataclass(frozen=True)
class Job:
    """`state` is one word: pending, running, succeeded, failed or stopped. `exit_code` is that of the command, None
    where it has not ended by itself. `started` and `ended` are seconds since 1970. `submitted`: it came through the
    jobs API, and is no driver that connected by itself; only those have logs, and can be stopped."""

    id: str
    state: str
    command: str
    started: float | None
    ended: float | None
    exit_code: int | None
    message: str
    submitted: bool

    @classmethod
    def from_details(cls, details: Mapping[str, Any]) -> Job:
        """As `GET /api/jobs/` of Ray 2.20 and newer has it; its times are milliseconds."""
        return cls(
            id=str(details.get("submission_id") or details.get("job_id")),
            state=str(details["status"]).lower(),
            command=str(details.get("entrypoint") or ""),
            started=_seconds(details.get("start_time")),
            ended=_seconds(details.get("end_time")),
            exit_code=details.get("driver_exit_code"),
            message=str(details.get("message") or "").strip(),
            submitted=details.get("type") == SUBMISSION,
        )

    @property
    def is_over(self) -> bool:
        return self.state in ENDED

    @property
    def code(self) -> int:
        """What a command that stood for the job ends with: its own code as a shell counts it, 1 where it has none."""
        if self.state == "succeeded":
            return 0
        if not self.exit_code:
            return 1
        return self.exit_code if self.exit_code > 0 else 128 - self.exit_code

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def _seconds(milliseconds: int | None) -> float | None:
    return milliseconds / 1000 if milliseconds else None
