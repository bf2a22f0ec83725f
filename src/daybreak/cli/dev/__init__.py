"""daybreak dev."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from daybreak import api
from daybreak.cli.common import interrupt, options
from daybreak.cli.common.change import follow, timed
from daybreak.cli.common.output import print_error
from daybreak.cli.dev.command import WithCommand, command_of
from daybreak.errors import DaybreakError, Interrupted, UsageError
from daybreak.names import SERVE
from daybreak.spec.groups import Counts
from daybreak.states import ClusterState

if TYPE_CHECKING:
    from daybreak.cli.dev.asked import Asked
    from daybreak.cli.dev.screen import Screen
    from daybreak.cli.dev.session import Session

# What a closed terminal ends a command with.
CLOSED = 128 + signal.SIGHUP


@click.command(cls=WithCommand)
@options.workers
@options.spec
@click.option("--ignore", metavar="PATTERN", multiple=True, help="Not watched, as in .gitignore; may be repeated.")
@click.option("--poll", is_flag=True, help="Look at the files instead of being told by the kernel.")
@click.option("--no-overlay", is_flag=True, help="No address whose pages show what is wrong.")
@click.option("--debug", is_flag=True, help="Let debuggers in (needs debugpy), on loopback.")
@options.as_json
@options.verbose
def dev(
    workers: Counts | None,
    app: str | None,
    name: str | None,
    file: options.Words,
    port_offset: int | None,
    ignore: tuple[str, ...],
    poll: bool,
    no_overlay: bool,
    debug: bool,
    as_json: bool,
) -> None:
    """Bring the cluster up, and replace the applications each time their code is saved.

    New replicas answer before the old ones end, and no request is lost. Code that is wrong takes nothing away: what is
    wrong is shown, and the version before goes on. A changed spec is carried out. Ctrl-C, or `q`, takes down what `dev`
    has started; a cluster that ran before is left as it is.

    COMMAND runs beside it with the cluster's environment, and is run again after each save.

    \b
    Examples:
      daybreak dev                      as the spec says
      daybreak dev 0 --app app:main     the smallest cluster, without a spec file
      daybreak dev --ignore 'notes/'    beside what .gitignore names
      daybreak dev 2 -- python train.py
      daybreak dev --debug              and attach an editor's debugger
    """
    with interrupt.nothing_started():
        from daybreak.cli.dev import preparing
        from daybreak.cli.dev.asked import Asked

        asked = Asked(workers, app, name, file, port_offset, debug=debug)
        session = preparing.prepare(asked, ignore, poll, as_json, command_of())
    _live(session, asked, overlay=not no_overlay)


def _live(session: Session, asked: Asked, *, overlay: bool) -> None:
    """From the first `up` to the end of what was started."""
    from daybreak.cli.dev.preparing import door, stopping

    name = session.paths.name
    joined = api.status(name)
    ran_before = joined.state is not ClusterState.STOPPED
    if ran_before and asked.debug:
        raise UsageError(f"--debug: {name} runs already, without debuggers; nothing was changed", hint="daybreak down")
    if ran_before:
        # One that an earlier `dev` has left has its nodes already.
        workers = joined.counts if asked.workers is None else asked.workers
        asked = replace(asked, workers=workers, roomy=api.started_by_dev(name))
        session.reload.bring_up, session.acting.restart = asked.bring_up(name), asked.restart(name)
    session.reload.door = door(session, asked) if overlay and session.reload.deploys else None
    if session.reload.door:
        session.reload.door.upstream = joined.urls.get(SERVE)
    session.stopping = stopping(session, asked)
    session.listen()
    try:
        _begin(session)
        session.run()
    except (KeyboardInterrupt, Interrupted):
        pass
    finally:
        _end(name, session.screen, ran_before=ran_before)


def _begin(session: Session) -> None:
    """The first `up`; where that fails, the next save is the next attempt."""
    bring_up, screen = session.reload.bring_up, session.screen
    try:
        if screen.as_json:
            cluster, took_s = timed(bring_up, as_json=True)
            screen.tell("started", urls=dict(cluster.urls), after_s=round(took_s, 3))
        else:
            cluster = follow(bring_up, as_json=False)
        session.reload.came_up(cluster)
    except Interrupted:
        raise
    except DaybreakError as error:
        session.reload.failed = True
        session.reload.notices.wrong(error.message, error.details())
        print_error(error)
        screen.tell("failed", "nothing is up yet: the next save tries again", message=error.message)
    screen.say(f"watching {session.tree.folder}")
    if session.reload.door:
        url = session.reload.door.url
        screen.tell("opened", f"open {url}: pages show what is wrong there, and load themselves anew", url=url)


def _end(name: str, screen: Screen, *, ran_before: bool) -> None:
    """Take down what `dev` has started, and nothing else."""
    if interrupt.exit_code() == CLOSED:
        # Whatever is written to a terminal that is gone would be an error, and end this before the cluster is down.
        sys.stdout = sys.stderr = open(os.devnull, "w")
    screen.close()
    if ran_before:
        screen.tell("left", f"{name} goes on: it ran before. `daybreak down` stops it")
        return
    _, took_s = timed(lambda told: api.down(name, on_message=told), as_json=screen.as_json)
    screen.tell("stopped", f"{name} is stopped", after_s=round(took_s, 3))
