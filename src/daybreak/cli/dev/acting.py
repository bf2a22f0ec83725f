"""What is done at a key, and with the program that runs beside the cluster."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import click

from daybreak import api
from daybreak.cli.common.output import print_error
from daybreak.cli.dev.reload import MOST_NAMES, Reload
from daybreak.cli.dev.screen import GREEN, Screen, clock
from daybreak.cli.dev.script import Script
from daybreak.errors import DaybreakError, Interrupted
from daybreak.paths import ClusterPaths
from daybreak.show.text import seconds

# Where one of these is set a browser can show itself.
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


@dataclass
class Acting:
    """What goes wrong is shown, and `dev` goes on. `script` is what runs beside the cluster, if anything does; `logs`:
    the application's lines are shown."""

    paths: ClusterPaths
    screen: Screen
    reload: Reload
    restart: Callable[[api.OnMessage], api.Cluster]
    script: Script | None = None
    logs: bool = True

    @contextlib.contextmanager
    def until_the_end(self, changed: Callable[[], None]) -> Iterator[None]:
        """What runs beside the cluster ends with the block; `changed` is called when it has ended before."""
        if self.script is None:
            yield
            return
        self.script.changed = changed
        try:
            yield
        finally:
            self.script.end()

    def run_script(self) -> None:
        """Once more, from its beginning."""
        if self.script:
            self._guarded(self.script.again)

    def press(self, meaning: str) -> bool:
        """Do what a key means; False for the end."""
        if meaning == "logs":
            self.logs = not self.logs
            self.screen.say(f"the application's lines are {'shown' if self.logs else 'not shown'}")
        elif meaning == "page":
            self._guarded(self._open_page)
        elif meaning == "doctor":
            self._guarded(self._doctor)
        elif meaning == "restart":
            if self.reload.deploys:
                with self.screen.doing("restarting"):
                    self._guarded(self._restart)
            self.run_script()
        return meaning != "quit"

    def installed(self, names: Sequence[str]) -> None:
        """Other packages: the template is made anew, and what runs from it, while what ran before serves."""
        with self.screen.doing(f"with other packages: {', '.join(names)}"):
            self._guarded(lambda: self._with_packages(names))

    def _with_packages(self, names: Sequence[str]) -> None:
        self.reload.came_up(self.reload.bring_up(lambda _: None))
        if self.reload.deploys:
            self.restart(lambda _: None)
        self.reload.notices.replaced()
        what = "the applications run with it" if self.reload.deploys else "what starts now has it"
        told = f"{clock()}  installed: {', '.join(names[:MOST_NAMES])}"
        told += f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        self.screen.tell("packages", f"{told}; the template is new, and {what}", style=GREEN, packages=list(names))
        self.run_script()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Interrupted:
            raise
        except DaybreakError as error:
            with self.screen.aside():
                print_error(error)

    def _restart(self) -> None:
        began = time.monotonic()
        cluster = self.restart(lambda _: None)
        took_s = time.monotonic() - began
        self.reload.notices.replaced()
        told = f"{clock()}  restarted after {seconds(took_s)}: {cluster.name} is {cluster.state}"
        self.screen.tell("restarted", told, state=str(cluster.state), after_s=round(took_s, 3))

    def _open_page(self) -> None:
        found = api.page(self.paths.name, login=True)
        address = found["login"] or found["url"]
        self.screen.say(f"the page: {address or found['reason'] or 'it is switched off'}")
        if address and any(name in os.environ for name in DISPLAYS):
            click.launch(address)

    def _doctor(self) -> None:
        from daybreak.cli.app import app

        with self.screen.aside():
            app.main(["doctor", "-n", self.paths.name], standalone_mode=False)
