"""What a client asks for: everything that comes in through the keeper's door is read, and validated, here alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from daybreak.errors import UsageError
from daybreak.keeper.control.spec_reading import Reading
from daybreak.run.canary import Step, parse_steps
from daybreak.run.restart_way import Way
from daybreak.spec.groups import Counts
from daybreak.spec.model import Spec


@dataclass(frozen=True)
class Request:
    """One request. Where there is no `spec`, the stored one is meant; `base` is the folder that it belongs to.

    `workers` and `backend` were given beside the spec, which has the services of `profiles`; `given` is the spec
    without what `dev` has added to it, None where that is nothing.
    `environment` is that of the command, for what starts anew.
    `version` is one to return to; `left` is then what the spec's folder is at that time (a digest).
    `way` is that of a restart where somebody has chosen it, `keep_old` how long the generation before is kept (s),
    `canary` in which steps requests go over, `rehearse`: the last requests are asked of the new one first;
    `services` or an `application` are all that is meant; `changed_only`: of applications whose code has changed those
    deployments alone that are made of it are replaced; `page` what a pause answers (`keeper/gateway/pause.py`).
    `keep_warm` is for how long `down` leaves the template (s). `test` sends an alert that is none. `reading` is a spec
    that is only to be read.
    Without `hooks` the user's own commands are left out.
    An invitation counts for so many `minutes` and `uses`, or with `revoke` all of them are ended; `host` is one that is
    meant, and `now` leaves without asking the first machine. `logs` says what of a host's logs is wanted.
    """

    op: str
    pid: int | None = None
    spec: Spec | None = None
    given: Spec | None = None
    base: str | None = None
    source: str | None = None
    take_over: bool = False
    workers: Counts | None = None
    keep_workers: bool = False
    backend: str | None = None
    profiles: Sequence[str] | None = None
    restart: bool = False
    way: Way | None = None
    keep_old: float | None = None
    canary: Sequence[Step] = ()
    rehearse: bool = False
    services: Sequence[str] = ()
    application: str | None = None
    changed_only: bool = False
    version: int | None = None
    left: str | None = None
    only_running: bool = False
    keep: bool = False
    hooks: bool = True
    environment: Mapping[str, str] | None = None
    volumes: bool = False
    keep_warm: float | None = None
    login: bool = False
    test: bool = False
    page: Mapping[str, Any] | None = None
    reading: Reading | None = None
    minutes: float = 15.0
    uses: int = 1
    revoke: bool = False
    host: str = ""
    now: bool = False
    logs: Mapping[str, Any] | None = None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Request:
        """Raises UsageError for what cannot be meant."""
        known = {field.name for field in fields(cls)}
        values = {name: value for name, value in raw.items() if name in known}
        for name in ("spec", "given"):
            if values.get(name) is not None:
                values[name] = read_spec(values[name])
        if values.get("reading") is not None:
            values["reading"] = Reading.from_json(values["reading"])
        if values.get("way") is not None:
            values["way"] = read_way(values["way"])
        # A command of another version names one.
        values["services"] = tuple(values.get("services") or filter(None, [raw.get("service")]))
        values["canary"] = read_canary(values["canary"]) if values.get("canary") else ()
        if values.get("rehearse") and values.get("way") is not Way.REPLACE:
            raise UsageError("a restart is rehearsed where it goes the way replace; nothing was changed")
        return cls(**values)


def read_canary(text: object) -> Sequence[Step]:
    """The steps in which requests go over. Raises UsageError for what is none."""
    try:
        return parse_steps(str(text))
    except ValueError as error:
        raise UsageError(f"a canary: {error}; nothing was changed") from None


def read_way(word: object) -> Way:
    """A restart's way from its word. Raises UsageError for another one."""
    try:
        return Way(str(word))
    except ValueError:
        raise UsageError(f"a restart goes one of the ways {', '.join(Way)}, not {word!r}") from None


def read_spec(values: object) -> Spec:
    """A spec from its JSON values. Raises UsageError where another daybreak has written what this one does not know."""
    try:
        return Spec.model_validate(values)
    except ValueError as error:
        why = "; ".join(str(error).splitlines()[1:3]).strip()
        raise UsageError(
            f"the spec cannot be read: {why}", hint="if daybreak was upgraded meanwhile: `daybreak down`, then up again"
        ) from error
