"""Where alerts go: a webhook, a command. Each attempt is a process with a deadline, so none can hold up the keeper."""

from __future__ import annotations

import json
import logging
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from daybreak.backends.process.commands import run_command
from daybreak.backends.process.inherited import inherited, places
from daybreak.keeper.alerting.alert import Message, in_words
from daybreak.names import TIMED_OUT_CODE
from daybreak.programs.alert import PROGRAM, REFUSED
from daybreak.show.text import harmless
from daybreak.spec.model import Alerts
from daybreak.spec.webhook import host_of, read_url

WEBHOOK, COMMAND = "webhook", "command"
# What Python takes to start on a busy machine is no fault of the other side.
START_S = 10.0
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sent:
    """What became of one attempt: `reason` says why it has not arrived, empty where it has. Not `again`: the other side
    will never take it."""

    reason: str = ""
    again: bool = True


class Destination(Protocol):
    """Somebody who is told."""

    @property
    def told(self) -> str:
        """It in words, without a secret."""

    async def send(self, message: Message) -> Sent:
        """One attempt; ends within its deadline."""


@dataclass(frozen=True)
class Webhook:
    """Gets a POST. Its address is read when it is needed: a file may be written anew meanwhile."""

    address: str | Path = field(repr=False)
    timeout_s: float
    environment: Mapping[str, str] = field(repr=False)

    @property
    def told(self) -> str:
        try:
            return f"the webhook at {host_of(self._url())}"
        except (OSError, ValueError):
            return f"the webhook in {self.address}"

    async def send(self, message: Message) -> Sent:
        try:
            url = self._url()
        except OSError as error:
            return Sent(f"{self.address} cannot be read: {error.strerror or error}")
        except ValueError as error:
            return Sent(str(error))
        given = json.dumps({"url": url, "body": message, "timeout_s": self.timeout_s})
        result = await run_command(
            # Isolated: the folder that it is called in, and a PYTHONPATH, are somebody else's.
            [sys.executable, "-I", PROGRAM],
            environment=self.environment,
            folder="/",
            timeout_s=self.timeout_s + START_S,
            given=given.encode(),
        )
        if result.code == 0:
            return Sent()
        return Sent(in_words(result.output) or f"exit code {result.code}", again=result.code != REFUSED)

    def _url(self) -> str:
        return read_url(self.address) if isinstance(self.address, Path) else self.address


@dataclass(frozen=True)
class Command:
    """Gets the message on its standard input, in the spec's folder; what it prints is for the keeper's log."""

    argv: tuple[str, ...]
    folder: str
    timeout_s: float
    environment: Mapping[str, str] = field(repr=False)

    @property
    def told(self) -> str:
        return f"the command {shlex.quote(self.argv[0])}"

    async def send(self, message: Message) -> Sent:
        result = await run_command(
            self.argv,
            environment=self.environment,
            folder=self.folder if Path(self.folder).is_dir() else "/",
            timeout_s=self.timeout_s,
            given=json.dumps(message).encode(),
        )
        printed = in_words(result.output)
        for line in result.output.splitlines():
            log.info("%s | %s", self.argv[0], harmless(line))
        if result.code == 0:
            return Sent()
        if result.code == TIMED_OUT_CODE:
            return Sent(printed)
        return Sent(f"exit code {result.code}" + (f": {printed}" if printed else ""))


def destinations(alerts: Alerts, base: Path, environment: Mapping[str, str]) -> dict[str, Destination]:
    """Those that the spec asks for, with the environment of the shell that `environment` is from."""
    own = inherited(environment) | places()
    found: dict[str, Destination] = {}
    address = base / alerts.webhook_file if alerts.webhook_file else alerts.webhook
    if address:
        found[WEBHOOK] = Webhook(address, alerts.timeout, own)
    if alerts.command:
        found[COMMAND] = Command(alerts.command, str(base), alerts.timeout, own)
    return found
