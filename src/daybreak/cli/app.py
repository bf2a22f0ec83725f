"""The commands' names, arguments and help; each one's work is imported when it is called."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from daybreak import __version__
from daybreak.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, DaybreakError

F = TypeVar("F", bound=Callable[..., Any])
MOST_WORKERS = 256
MOST_OFFSET = 50_000

name = click.option("-n", "--name", help="Cluster; the spec's or the folder's name if absent.")
file = click.option("-f", "--file", type=click.Path(), help="Spec file; ./daybreak.yaml if absent.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")
keep = click.option("--keep", is_flag=True, help="Leave running what came up where something else fails.")
app_path = click.option("--app", metavar="MODULE:ATTRIBUTE", help="Serve application, such as app:main.")
yes = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
runs = click.option("-r", "--runs", type=click.IntRange(1, 1000), default=3, show_default=True, help="How often.")
offset = click.option(
    "--port-offset", type=click.IntRange(0, MOST_OFFSET), metavar="N", help="Added to every public port."
)
workers = click.argument("workers", type=click.IntRange(0, MOST_WORKERS), required=False)


def spec_options(command: F) -> F:
    """The options by which a command finds or makes its spec."""
    for option in (offset, file, name, app_path):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="daybreak")
def app() -> None:
    """A Ray cluster that is serving within seconds, restarts with its databases up, and shows where every second went.

    \b
    Examples:
      daybreak init && daybreak up 3
      daybreak up 3 --app app:main
      daybreak restart
      daybreak perf stats

    \b
    Completion (bash; zsh and fish likewise):
      eval "$(_DAYBREAK_COMPLETE=bash_source daybreak)"
    """


@app.command()
@click.argument("folder", default=".", type=click.Path())
@name
@click.option("--force", is_flag=True, help="Overwrite existing files.")
def init(**given: Any) -> None:
    """Write a commented daybreak.yaml and an example application into FOLDER."""
    from daybreak.cli import setup

    setup.init(**given)


@app.command()
@workers
@spec_options
@keep
@as_json
def up(**given: Any) -> None:
    """Start everything, or change what differs. Idempotent.

    Without WORKERS the spec's count counts.

    \b
    Examples:
      daybreak up                    as the spec says
      daybreak up 3                  with three workers
      daybreak up 3 --app app:main   without a spec file
    """
    from daybreak.cli import lifecycle

    lifecycle.up(**given)


@app.command()
@click.option("--in-place", is_flag=True, help="Stop the app tier, then start it again: so far the only way.")
@name
@file
@offset
@keep
@as_json
def restart(in_place: bool, **given: Any) -> None:
    """Replace the app tier: Ray, Serve applications, your services. Databases stay up.

    \b
    Example:
      daybreak restart         after a change of the application's code
    """
    from daybreak.cli import lifecycle

    del in_place
    lifecycle.restart(**given)


@app.command()
@click.argument("workers", type=click.IntRange(0, MOST_WORKERS))
@name
@as_json
def scale(**given: Any) -> None:
    """Change the number of WORKERS of a running cluster.

    \b
    Example:
      daybreak scale 5
    """
    from daybreak.cli import lifecycle

    lifecycle.scale(**given)


@app.command()
@spec_options
@as_json
def prewarm(**given: Any) -> None:
    """Do the imports of a later `up` now: starts the warm template and nothing else. `down` ends it.

    \b
    Example:
      daybreak prewarm && daybreak up
    """
    from daybreak.cli import lifecycle

    lifecycle.prewarm(**given)


@app.command()
@click.option("--volumes", is_flag=True, help="Also delete the databases' data, after asking.")
@yes
@name
@as_json
def down(**given: Any) -> None:
    """Stop everything. Data, logs and measurements stay unless --volumes is given.

    \b
    Examples:
      daybreak down
      daybreak down --volumes --yes
    """
    from daybreak.cli import lifecycle

    lifecycle.down(**given)


@app.command()
@name
@as_json
@click.option("-w", "--watch", is_flag=True, help="Keep showing changes as they happen.")
def status(**given: Any) -> None:
    """Show what runs, how well, and where it answers."""
    from daybreak.cli import observe

    observe.status(**given)


@app.command()
@click.option("--token", is_flag=True, help="An address that logs in, once, within five minutes.")
@name
@as_json
def page(**given: Any) -> None:
    """Print the address of the page: what runs, where the seconds went, logs.

    \b
    Examples:
      daybreak page
      xdg-open "$(daybreak page --token)"
    """
    from daybreak.cli import observe

    observe.page(**given)


@app.command()
@click.argument("services", nargs=-1)
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines.")
@click.option("--since", metavar="DURATION", help="Only lines younger than this, such as 10m.")
@click.option("-l", "--lines", type=click.IntRange(0), default=200, show_default=True, help="At most, for each file.")
@name
def logs(**given: Any) -> None:
    """Show the logs of SERVICES (all if absent), Ray's own included.

    \b
    Examples:
      daybreak logs head
      daybreak logs -f serve worker-1
      daybreak logs --since 10m
    """
    from daybreak.cli import logs as work

    work.logs(**given)


@app.command()
@click.argument("target", default="all")
@click.option("-t", "--timeout", default="120s", show_default=True, help="Deadline, such as 90s.")
@click.option("--stopped", is_flag=True, help="Wait until the target has stopped.")
@name
def wait(**given: Any) -> None:
    """Wait until TARGET is ready, or has stopped. Exit code 3 after the deadline.

    TARGET is head, serve, workers, a service's name, stopped, or all (the default).

    \b
    Examples:
      daybreak wait serve --timeout 60s
      daybreak wait head --stopped
      daybreak wait stopped
    """
    from daybreak.cli import waiting

    waiting.wait(**given)


@app.command()
@workers
@spec_options
@click.option("--restart", is_flag=True, help="What `restart` would do.")
@as_json
def plan(**given: Any) -> None:
    """Show what `up` would do, and why; changes nothing."""
    from daybreak.cli import lifecycle

    lifecycle.plan(**given)


@app.command()
@name
@as_json
def env(**given: Any) -> None:
    """Print shell code that reaches the cluster and its databases; secrets stay in their files.

    \b
    Example:
      eval "$(daybreak env)" && python -c 'import ray; ray.init()'
    """
    from daybreak.cli import shell

    shell.env(**given)


@app.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@name
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run_command(**given: Any) -> None:
    """Run COMMAND with the cluster's environment.

    \b
    Examples:
      daybreak run -- python script.py
      daybreak run -- ray job submit -- python job.py
    """
    from daybreak.cli import shell

    shell.run(**given)


@app.command()
def schema() -> None:
    """Print the JSON schema of daybreak.yaml, for editors."""
    from daybreak.cli import setup

    setup.schema()


@app.group()
def perf() -> None:
    """Measure starts and restarts; show their history."""


@perf.command("startup")
@workers
@spec_options
@runs
@as_json
def perf_startup(**given: Any) -> None:
    """Start and stop the cluster several times; it must not be running."""
    from daybreak.cli import perf as work

    work.startup(**given)


@perf.command("restart")
@name
@runs
@as_json
def perf_restart(**given: Any) -> None:
    """Restart the running cluster several times."""
    from daybreak.cli import perf as work

    work.restart(**given)


@perf.command("stats")
@name
@as_json
def perf_stats(**given: Any) -> None:
    """Medians, spread and trend by kind and worker count, and the critical chain of the last run."""
    from daybreak.cli import perf as work

    work.stats(**given)


@perf.command("history")
@name
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most this many, newest first.")
@as_json
def perf_history(**given: Any) -> None:
    """Every run: starts, restarts, stops, recoveries; failed and interrupted ones marked."""
    from daybreak.cli import perf as work

    work.history(**given)


@perf.command("clear")
@yes
@name
def perf_clear(**given: Any) -> None:
    """Delete the history, after asking."""
    from daybreak.cli import perf as work

    work.clear(**given)


def run() -> int:
    """Run the command line; returns the exit code."""
    try:
        code = app.main(standalone_mode=False, prog_name="daybreak")
    except DaybreakError as error:
        from daybreak.cli.output import print_error

        print_error(error)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except click.ClickException as error:
        error.show()
        return EXIT_USAGE
    except SystemExit:
        # All that click ends itself: the reader of a pipe (head, less) has seen enough.
        return EXIT_OK
    return code if isinstance(code, int) else EXIT_OK
