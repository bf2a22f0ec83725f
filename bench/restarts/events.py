"""What happens to a cluster while requests come: every event as data, and whether this daybreak knows it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache

from bench.commands import BIN, Commands
from bench.compose import APP_IMAGE, absent, compose
from bench.restarts.code import COMPOSE_FILE, SERVE_CONFIG, Change
from bench.systems import DAYBREAK, STOCK, Application, System, stock_start

HELP_S = 60.0
Words = tuple[str, ...]


@dataclass(frozen=True)
class Event:
    """One event: `commands` follow one another when the code has been changed, or the system's own restart.

    `preparation` runs before the load, with version 2 already written, so that there is something to return to.
    `beside_up`: its time is told beside that of a start with a warm template. `needs` is a command of daybreak, and an
    option of it; `absent` says what else is missing, if so. `workers` where it is not the suite's number.
    """

    name: str
    title: str
    system: System = DAYBREAK
    commands: tuple[Words, ...] = ()
    change: Change = Change.NEW
    preparation: tuple[Words, ...] = ()
    beside_up: bool = False
    needs: tuple[Words, ...] = ()
    absent: Callable[[], str | None] = lambda: None
    workers: int | None = None

    @property
    def baseline(self) -> str:
        """Failures are compared with nothing else: not to fail is what is required."""
        return self.name

    def skipped(self) -> str | None:
        """Why it cannot be done here."""
        return next((reason for needed in self.needs if (reason := unknown(*needed))), None) or self.absent()


class Way(Enum):
    """The ways of a restart, each with the option that asks for it."""

    REDEPLOY = "redeploy"
    REPLACE = "replace"
    IN_PLACE = "in-place"

    @property
    def option(self) -> str:
        return f"--{self.value}"


TITLES = {
    Change.NEW: "new code",
    Change.DOES_NOT_IMPORT: "code that does not import",
    Change.NEVER_HEALTHY: "code that is never healthy",
    Change.FAILS_ON_REQUESTS: "code that fails on requests",
}
NAMES = {Change.NEW: "", Change.DOES_NOT_IMPORT: "-no-import", Change.NEVER_HEALTHY: "-unhealthy"}


def restart(way: Way, change: Change) -> Event:
    return Event(
        way.value + NAMES[change],
        f"`daybreak restart {way.option}`, {TITLES[change]}",
        commands=(("daybreak", "restart", way.option),),
        change=change,
        beside_up=way is Way.REPLACE and change is Change.NEW,
        needs=(("restart", way.option),),
    )


CANARY = Event(
    "canary-bad",
    f"`daybreak restart --canary 10%`, {TITLES[Change.FAILS_ON_REQUESTS]}",
    commands=(("daybreak", "restart", "--canary", "10%"),),
    change=Change.FAILS_ON_REQUESTS,
    needs=(("restart", "--canary"),),
)
ROLLBACK = Event(
    "rollback",
    "`daybreak rollback` after a restart",
    commands=(("daybreak", "rollback"),),
    change=Change.BACK,
    preparation=(("daybreak", "restart"),),
    needs=(("rollback",),),
)
ROLLBACK_KEPT = Event(
    "rollback-kept",
    "`daybreak rollback` to a generation that `--keep-old` kept",
    commands=(("daybreak", "rollback"),),
    change=Change.BACK,
    preparation=(("daybreak", "restart", Way.REPLACE.option, "--keep-old", "5m"),),
    needs=(("rollback",), ("restart", "--keep-old"), ("restart", Way.REPLACE.option)),
)
SCALE = Event(
    "scale",
    "`daybreak scale` 3 -> 6 -> 2",
    commands=(("daybreak", "scale", "6"), ("daybreak", "scale", "2")),
    change=Change.NONE,
    workers=3,
)


def deployed_start(commands: Commands, workers: int, _application: Application | None) -> None:
    """Nodes, then the application by the config that is deployed again later."""
    stock_start(commands, workers, None)
    commands.run("serve", "deploy", SERVE_CONFIG)


UP = ("up", "--detach")


def compose_start(commands: Commands, _workers: int, _application: Application | None) -> None:
    commands.run(*compose(COMPOSE_FILE), *UP)


def compose_stop(commands: Commands) -> None:
    commands.run(*compose(COMPOSE_FILE), "down", "--volumes")


def compose_absent() -> str | None:
    missing = absent(APP_IMAGE)
    return f"this machine has no {' and no '.join(missing)}" if missing else None


STOCK_RESTART = Event("stock-restart", "`ray stop -f; ray start ...; serve run`, new code", STOCK)
STOCK_DEPLOY = Event(
    "stock-deploy",
    "`serve deploy`, new code",
    replace(STOCK, start=deployed_start),
    commands=(("serve", "deploy", SERVE_CONFIG),),
)
COMPOSE_UP = Event(
    "compose-up",
    "`docker compose up -d`, new code",
    System(compose_start, compose_start, compose_stop),
    commands=((*compose(COMPOSE_FILE), *UP),),
    absent=compose_absent,
)
EVENTS = (
    *(restart(way, change) for change in NAMES for way in Way),
    CANARY,
    ROLLBACK,
    ROLLBACK_KEPT,
    SCALE,
    STOCK_RESTART,
    STOCK_DEPLOY,
    COMPOSE_UP,
)


@cache
def unknown(command: str, option: str | None = None) -> str | None:
    """Why daybreak of this environment cannot be asked for that; None where it can."""
    asked = subprocess.run(
        [BIN / "daybreak", command, "--help"], capture_output=True, text=True, check=False, timeout=HELP_S
    )
    if asked.returncode:
        return f"this daybreak has no command `{command}`"
    if option and not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", asked.stdout):
        return f"`daybreak {command}` does not know `{option}`"
    return None
