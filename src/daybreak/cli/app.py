"""The commands' names, arguments and help; each one's work is imported when it is called."""

from __future__ import annotations

import sys
from typing import Annotated

import click
import typer

from daybreak import __version__
from daybreak.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, DaybreakError

app = typer.Typer(
    name="daybreak",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A Ray cluster that is serving within seconds, restarts with its databases up, and shows where every second "
    "went.\n\n\b\nExamples:\n  daybreak init && daybreak up 3\n  daybreak up 3 --app app:main\n"
    "  daybreak restart\n  daybreak perf stats",
)
perf = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Measure starts and restarts; show their history.")
app.add_typer(perf, name="perf")

Name = Annotated[str | None, typer.Option("--name", "-n", help="Cluster; the spec's or the folder's name if absent.")]
File = Annotated[str | None, typer.Option("--file", "-f", help="Spec file; ./daybreak.yaml if absent.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]
Keep = Annotated[bool, typer.Option("--keep", help="Leave running what came up where something else fails.")]
AppPath = Annotated[str | None, typer.Option("--app", help="Serve application as module:attribute.")]
Offset = Annotated[int | None, typer.Option("--port-offset", min=0, max=50000, help="Added to every public port.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"daybreak {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version


@app.command()
def init(
    folder: Annotated[str, typer.Argument(help="Where to write; created if absent.")] = ".",
    name: Name = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
) -> None:
    """Write a commented daybreak.yaml and an example application."""
    from daybreak.cli import setup

    setup.init(folder, name, force)


@app.command()
def up(
    workers: Annotated[int | None, typer.Argument(min=0, help="Number of workers; the spec's if absent.")] = None,
    app_path: AppPath = None,
    name: Name = None,
    file: File = None,
    port_offset: Offset = None,
    keep: Keep = False,
    as_json: AsJson = False,
) -> None:
    """Start everything, or change what differs. Idempotent.

    \b
    Examples:
      daybreak up              as the spec says
      daybreak up 3            with three workers
      daybreak up 3 --app app:main     without a spec file
    """
    from daybreak.cli import lifecycle

    lifecycle.up(workers, app_path, name, file, port_offset, keep, as_json)


@app.command()
def restart(
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Stop the app tier, then start it again (the only way so far).")
    ] = False,
    name: Name = None,
    file: File = None,
    port_offset: Offset = None,
    keep: Keep = False,
    as_json: AsJson = False,
) -> None:
    """Replace the app tier: Ray, Serve applications, your services. Databases stay up.

    \b
    Example:
      daybreak restart         after a change of the application's code
    """
    from daybreak.cli import lifecycle

    del in_place
    lifecycle.restart(name, file, port_offset, keep, as_json)


@app.command()
def scale(
    workers: Annotated[int, typer.Argument(min=0, help="Number of workers.")],
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Change the number of workers of a running cluster.

    \b
    Example:
      daybreak scale 5
    """
    from daybreak.cli import lifecycle

    lifecycle.scale(workers, name, as_json)


@app.command()
def down(
    volumes: Annotated[bool, typer.Option("--volumes", help="Also delete the databases' data, after asking.")] = False,
    yes: Yes = False,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Stop everything. Data, logs and measurements stay unless --volumes is given.

    \b
    Examples:
      daybreak down
      daybreak down --volumes --yes
    """
    from daybreak.cli import lifecycle

    lifecycle.down(name, volumes, yes, as_json)


@app.command()
def status(
    name: Name = None,
    as_json: AsJson = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep showing changes as they happen.")] = False,
) -> None:
    """Show what runs, how well, and where it answers."""
    from daybreak.cli import observe

    observe.status(name, as_json, watch)


@app.command()
def logs(
    services: Annotated[list[str] | None, typer.Argument(help="Services; all if absent.")] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with new lines.")] = False,
    since: Annotated[str | None, typer.Option(help="Only lines younger than this, such as 10m.")] = None,
    lines: Annotated[int, typer.Option("--lines", "-l", min=0, help="At most this many lines a file.")] = 200,
    name: Name = None,
) -> None:
    """Show the services' logs, Ray's own included.

    \b
    Examples:
      daybreak logs head
      daybreak logs -f serve worker-1
      daybreak logs --since 10m
    """
    from daybreak.cli import logs as work

    work.logs(name, services or [], follow, since, lines)


@app.command()
def wait(
    target: Annotated[str, typer.Argument(help="head, serve, workers, a service, stopped, or all.")] = "all",
    timeout: Annotated[str, typer.Option("--timeout", "-t", help="Deadline, such as 90s.")] = "120s",
    stopped: Annotated[bool, typer.Option("--stopped", help="Wait until the target has stopped.")] = False,
    name: Name = None,
) -> None:
    """Wait until something is ready, or has stopped. Exit code 3 after the deadline.

    \b
    Examples:
      daybreak wait serve --timeout 60s
      daybreak wait head --stopped
      daybreak wait stopped
    """
    from daybreak.cli import waiting

    waiting.wait(name, target, timeout, stopped)


@app.command()
def plan(
    workers: Annotated[int | None, typer.Argument(min=0, help="Number of workers; the spec's if absent.")] = None,
    app_path: AppPath = None,
    name: Name = None,
    file: File = None,
    port_offset: Offset = None,
    restart: Annotated[bool, typer.Option("--restart", help="What `restart` would do.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what `up` would do, and why; changes nothing."""
    from daybreak.cli import lifecycle

    lifecycle.plan(workers, app_path, name, file, port_offset, restart, as_json)


@app.command()
def env(name: Name = None, as_json: AsJson = False) -> None:
    """Print shell code that reaches the cluster and its databases; secrets stay in their files.

    \b
    Example:
      eval "$(daybreak env)" && python -c 'import ray; ray.init()'
    """
    from daybreak.cli import shell

    shell.env(name, as_json)


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def run_(
    command: Annotated[list[str], typer.Argument(help="The command and its arguments.")],
    name: Name = None,
) -> None:
    """Run a command with the cluster's environment.

    \b
    Examples:
      daybreak run -- python script.py
      daybreak run -- ray job submit -- python job.py
    """
    from daybreak.cli import shell

    shell.run(name, command)


app.registered_commands[-1].name = "run"


@app.command()
def schema() -> None:
    """Print the JSON schema of daybreak.yaml, for editors."""
    from daybreak.cli import setup

    setup.schema()


@perf.command("startup")
def perf_startup(
    runs: Annotated[int, typer.Option("--runs", "-r", min=1, help="How often.")] = 3,
    workers: Annotated[int | None, typer.Argument(min=0)] = None,
    app_path: AppPath = None,
    name: Name = None,
    file: File = None,
    port_offset: Offset = None,
    as_json: AsJson = False,
) -> None:
    """Start and stop the cluster several times; it must not be running."""
    from daybreak.cli import perf as work

    work.startup(runs, workers, app_path, name, file, port_offset, as_json)


@perf.command("restart")
def perf_restart(
    runs: Annotated[int, typer.Option("--runs", "-r", min=1, help="How often.")] = 3,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Restart the running cluster several times."""
    from daybreak.cli import perf as work

    work.restart(runs, name, as_json)


@perf.command("stats")
def perf_stats(name: Name = None, as_json: AsJson = False) -> None:
    """Medians, spread and trend by kind and worker count, and the critical chain of the last run."""
    from daybreak.cli import perf as work

    work.stats(name, as_json)


@perf.command("history")
def perf_history(
    name: Name = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many, newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Every run: starts, restarts, stops, recoveries; failed and interrupted ones marked."""
    from daybreak.cli import perf as work

    work.history(name, limit, as_json)


@perf.command("clear")
def perf_clear(yes: Yes = False, name: Name = None) -> None:
    """Delete the history, after asking."""
    from daybreak.cli import perf as work

    work.clear(name, yes)


def run() -> int:
    """Run the command line; returns the exit code."""
    try:
        code = app(standalone_mode=False)
    except DaybreakError as error:
        from daybreak.cli.output import print_error

        print_error(error)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.ClickException as error:
        error.show()
        return EXIT_USAGE
    except BrokenPipeError:
        # The reader (head, less) has seen enough; Python would complain once more while it ends.
        sys.stderr.close()
        return EXIT_OK
    return code if isinstance(code, int) else EXIT_OK
