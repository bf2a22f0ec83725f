"""Every error daybreak raises on purpose, and the exit code each one ends the command with.

DaybreakError                  1   something failed
├── UsageError                 2   the command line or the call is wrong
│   └── ExportRefused          2   files are in the way of an export; carries every one
├── SpecError                  2   the spec is invalid; carries every problem at once
├── PreflightError             1   the machine cannot run the plan (port in use, disk full, ...)
├── VettingFailed              1   what is to replace something that works cannot run; nothing was changed
├── WaitError                      a wait that did not end as ready
│   ├── ServiceDied            1   the process ended; carries exit code and log tail
│   └── WaitTimeout            3   the deadline passed; carries the last reason and log tail
├── StepFailed                 1   one or more services could not be started or stopped
├── BuildFailed                1   an image could not be built; carries the build's last lines
├── EngineError                1   Docker's engine cannot be reached or refused; carries its HTTP status
├── KeeperError                1   the keeper cannot be reached or refused
│   └── NotRunning             1   the cluster has nothing that the command could work on
├── Interrupted              130   the user asked to stop
└── RemoteError                    of a kind that only the keeper's version of daybreak knows; its own exit code

An error that happens in the keeper arrives at the caller as what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_TIMEOUT = 3
EXIT_INTERRUPTED = 130


class DaybreakError(Exception):
    """Base of all errors that are meant to be read by a person.

    `message` says what failed and why; `hint` is the next command or change to try. `aftermath` says what runs now,
    where a run has failed. `verbose` shows it unfolded, False where the user
    could have asked for that.
    """

    exit_code = EXIT_FAILED

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.aftermath = ""
        self.verbose: bool | None = None

    def reword(self, change: Callable[[str], str]) -> None:
        """Put every text of it through a function, such as one that leaves secrets out."""
        self.message = change(self.message)
        self.args = (self.message,)

    def details(self) -> list[str]:
        """Further lines to show below the message, such as log lines."""
        return []

    def unfolded(self) -> list[str]:
        """All that is known, instead of `details`: whole tracebacks."""
        return self.details()


class UsageError(DaybreakError):
    """The command line or the call is wrong; nothing was changed."""

    exit_code = EXIT_USAGE


class ExportRefused(UsageError):
    """The folder cannot take an export as it is; `problems` holds all that is in the way. Nothing was written."""

    def __init__(self, folder: str, problems: Sequence[str], *, hint: str | None = None) -> None:
        super().__init__(f"cannot export to {folder}; nothing was written", hint=hint)
        self.problems = tuple(problems)

    def details(self) -> list[str]:
        return list(self.problems)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a spec: where (file, 1-based line, dotted key), what, and what to do."""

    message: str
    key: str = ""
    file: str = ""
    line: int | None = None
    hint: str | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part not in ("", None))
        head = ": ".join(part for part in (place, self.key, self.message) if part)
        return f"{head} ({self.hint})" if self.hint else head


class SpecError(DaybreakError):
    """The spec is invalid; `problems` holds every one found, not only the first."""

    exit_code = EXIT_USAGE

    def __init__(self, problems: Sequence[Problem], *, hint: str | None = None) -> None:
        what = str(problems[0]) if len(problems) == 1 else f"the spec has {len(problems)} problems"
        super().__init__(f"{what}; nothing was changed", hint=hint)
        self.problems = tuple(problems)

    def details(self) -> list[str]:
        return [str(problem) for problem in self.problems]


class PreflightError(DaybreakError):
    """The machine cannot run the plan as it is; nothing was changed."""

    def __init__(self, problems: Sequence[str], *, hint: str | None = None) -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{problems[0]}{more}; nothing was changed", hint=hint)
        self.problems = tuple(problems)

    def details(self) -> list[str]:
        return list(self.problems)


class VettingFailed(DaybreakError):
    """What is to replace something that works cannot run; nothing was changed. `lines` are the user's frames.

    `serves`: applications answered before, and still do.
    """

    def __init__(self, message: str, lines: Sequence[str] = (), *, serves: bool, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.lines = tuple(lines)
        self.aftermath = f"nothing was changed: what ran before still {'serves' if serves else 'runs'}"

    def details(self) -> list[str]:
        return list(self.lines)


class WaitError(DaybreakError):
    """A wait ended without the service being ready.

    `tail` holds its last log lines, or the user's frames; `whole` all lines that those were taken from.
    """

    def __init__(
        self,
        message: str,
        *,
        service: str,
        log: str | None = None,
        tail: Sequence[str] = (),
        whole: Sequence[str] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.service = service
        self.log = log
        self.tail = tuple(tail)
        self.whole = tuple(whole)

    def reword(self, change: Callable[[str], str]) -> None:
        super().reword(change)
        self.tail = tuple(change(line) for line in self.tail)
        self.whole = tuple(change(line) for line in self.whole)

    def details(self) -> list[str]:
        return list(self.tail)

    def unfolded(self) -> list[str]:
        return [*(self.whole or self.tail), *([f"log: {self.log}"] if self.log else [])]


class ServiceDied(WaitError):
    """The service's process ended before it was ready. `exit_code_of_service` is None where it cannot be known."""

    def __init__(self, message: str, *, exit_code_of_service: int | None = None, **rest: Any) -> None:
        super().__init__(message, **rest)
        self.exit_code_of_service = exit_code_of_service


class WaitTimeout(WaitError):
    """The deadline passed; `reason` is why the last attempt was not ready."""

    exit_code = EXIT_TIMEOUT

    def __init__(self, message: str, *, reason: str = "", **rest: Any) -> None:
        super().__init__(message, **rest)
        self.reason = reason

    def reword(self, change: Callable[[str], str]) -> None:
        super().reword(change)
        self.reason = change(self.reason)


class StepFailed(DaybreakError):
    """One or more services failed to start or stop; `failures` holds each one's own error."""

    def __init__(self, failures: Sequence[DaybreakError], *, hint: str | None = None) -> None:
        hints = dict.fromkeys(failure.hint for failure in failures if failure.hint)
        super().__init__("; ".join(failure.message for failure in failures), hint=hint or "; ".join(hints) or None)
        self.failures = tuple(failures)
        # The most telling code wins: a timeout stays a timeout only where nothing else failed.
        codes = {failure.exit_code for failure in failures}
        self.exit_code = codes.pop() if len(codes) == 1 else EXIT_FAILED

    def details(self) -> list[str]:
        return self._of_each(lambda failure: failure.details())

    def unfolded(self) -> list[str]:
        return self._of_each(lambda failure: failure.unfolded())

    def _of_each(self, lines_of: Callable[[DaybreakError], list[str]]) -> list[str]:
        """The lines of each; where several have some, each begins with what failed."""
        found = [(failure, lines) for failure in self.failures if (lines := lines_of(failure))]
        if len(found) < 2:
            return [line for _, lines in found for line in lines]
        return [line for failure, lines in found for line in (f"{failure.message}:", *(f"  {text}" for text in lines))]


class BuildFailed(DaybreakError):
    """An image could not be built. `tail` holds the last lines of what failed."""

    def __init__(self, message: str, *, tail: Sequence[str] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.tail = tuple(tail)

    def details(self) -> list[str]:
        return [f"  | {line}" for line in self.tail]


class EngineError(DaybreakError):
    """Docker's engine cannot be reached, or refused.

    `status` is its HTTP status, None where it gave no answer; `missing`: Docker, or its package, is not installed.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, status: int | None = None, missing: bool = False
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.missing = missing


class KeeperError(DaybreakError):
    """The keeper of a cluster cannot be reached, or refused a request."""


class NotRunning(KeeperError):
    """The command works on a running cluster, and this one is not."""

    def __init__(self, name: str, why: str = "", *, hint: str = "start it with `daybreak up`") -> None:
        super().__init__(f"cluster {name} is not running" + (f": {why}" if why else ""), hint=hint)


class Interrupted(DaybreakError):
    """The user asked to stop (Ctrl-C); what the run had started was taken down again."""

    exit_code = EXIT_INTERRUPTED


class RemoteError(DaybreakError):
    """An error that happened in the keeper, of a kind that is not known here."""

    def __init__(self, payload: Mapping[str, Any]) -> None:
        super().__init__(str(payload["message"]), hint=payload.get("hint"))
        self.exit_code = int(payload.get("exit_code", EXIT_FAILED))
        self.type = str(payload.get("type", "DaybreakError"))
        self._details = [str(line) for line in payload.get("details", [])]
        self._unfolded = [str(line) for line in payload.get("unfolded", self._details)]
        self.aftermath = str(payload.get("aftermath", ""))  # a keeper of an older version tells none

    def details(self) -> list[str]:
        return self._details

    def unfolded(self) -> list[str]:
        return self._unfolded
