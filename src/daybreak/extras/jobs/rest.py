"""Ray's jobs API: plain requests to the dashboard, since importing Ray takes longer than most of them.

The same in Ray 2.20 and 2.60. See `ray/dashboard/modules/job/job_head.py`.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from daybreak.errors import DaybreakError, UsageError
from daybreak.extras.jobs.job import Job
from daybreak.extras.jobs.package import Package

# The gateway holds a request while the head is replaced, and Ray's agent may have to come up first.
TIMEOUT_S = 90.0
OK, NOT_FOUND = 200, 404
UNAUTHORIZED = (401, 403)
NO_JOB = "does not exist"


class Unreachable(DaybreakError):
    """The jobs API gave no answer."""


@dataclass(frozen=True)
class JobsApi:
    """Where it answers, and the file with Ray's token where this Ray knows tokens."""

    url: str
    token_file: str | None = None

    def submit(
        self, job: str, command: str, *, runtime_env: Mapping[str, Any], cpus: float | None, gpus: float | None
    ) -> None:
        """The command is a line for a shell."""
        asked: dict[str, Any] = {"entrypoint": command, "submission_id": job, "runtime_env": runtime_env}
        taken = {"entrypoint_num_cpus": cpus, "entrypoint_num_gpus": gpus}
        asked |= {what: count for what, count in taken.items() if count}
        self._json("POST", "/api/jobs/", json.dumps(asked).encode())

    def upload(self, package: Package) -> bool:
        """Send it, unless it is there; whether it had to be sent."""
        path = f"/api/packages/gcs/{package.name}"
        status, _ = self._answer("GET", path)
        if status == OK:
            return False
        status, text = self._answer("PUT", path, package.content)
        if status != OK:
            raise self._refused("PUT", path, status, text)
        return True

    def info(self, job: str) -> Job | None:
        """None where there is none of that name."""
        path = f"/api/jobs/{quote(job, safe='')}"
        status, text = self._answer("GET", path)
        if status == NOT_FOUND and NO_JOB in text:
            return None
        return Job.from_details(self._read("GET", path, status, text))

    def known(self, job: str) -> Job:
        """Raises UsageError where there is none of that name."""
        found = self.info(job)
        if found is None:
            raise UsageError(f"there is no job {job}", hint="`daybreak job list` shows those that there are")
        return found

    def all(self) -> list[Job]:
        """Oldest first."""
        found = [Job.from_details(details) for details in self._json("GET", "/api/jobs/")]
        return sorted(found, key=lambda job: job.started or 0.0)

    def logs(self, job: str) -> str:
        """All that it has printed until now."""
        return str(self._json("GET", f"/api/jobs/{quote(job, safe='')}/logs")["logs"])

    def stop(self, job: str) -> bool:
        """Ask it to end; False where it had ended. It gets SIGTERM, and is killed seconds later."""
        return bool(self._json("POST", f"/api/jobs/{quote(job, safe='')}/stop")["stopped"])

    def headers(self) -> dict[str, str]:
        """With the token as it is now. Without a browser's header Ray 2.20 answers 500."""
        token = {"Authorization": f"Bearer {Path(self.token_file).read_text().strip()}"} if self.token_file else {}
        return {"User-Agent": "daybreak", **token}

    def place(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 80

    def _json(self, method: str, path: str, body: bytes | None = None) -> Any:
        return self._read(method, path, *self._answer(method, path, body))

    def _read(self, method: str, path: str, status: int, text: str) -> Any:
        if status != OK:
            raise self._refused(method, path, status, text)
        try:
            return json.loads(text)
        except ValueError as error:
            raise DaybreakError(f"{method} {self.url}{path} was not answered with JSON: {error}") from error

    def _answer(self, method: str, path: str, body: bytes | None = None) -> tuple[int, str]:
        """Without proxies: it is on this machine."""
        host, port = self.place()
        with closing(http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)) as connection:
            try:
                connection.request(method, path, body, {"Content-Type": "application/json", **self.headers()})
                answer = connection.getresponse()
                return answer.status, answer.read().decode(errors="replace")
            except (OSError, http.client.HTTPException) as error:
                raise Unreachable(
                    f"Ray's jobs API at {self.url} does not answer: {error or type(error).__name__}",
                    hint="`daybreak status` shows what runs; `daybreak logs head` says why it does not",
                ) from error

    def _refused(self, method: str, path: str, status: int, text: str) -> DaybreakError:
        """What a status other than 200 means. Ray answers with a traceback, whose last line says it."""
        lines = [line for line in text.strip().splitlines() if line.strip()] or ["no reason was given"]
        reason = lines[-1].strip()
        if status in UNAUTHORIZED:
            return DaybreakError(f"Ray's jobs API at {self.url} does not take the cluster's token: {reason}")
        if status == NOT_FOUND and NO_JOB not in text:
            return UsageError(
                f"the dashboard at {self.url} has no jobs API ({method} {path}: 404)",
                hint="`JobHead` must be among `ray.dashboard_modules`, if the spec lists them",
            )
        return DaybreakError(f"{method} {path} was answered with {status}: {reason}")
