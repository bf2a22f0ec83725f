"""The commands' names, arguments and help; each one's work is imported when it is called."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, TypeVar, cast

import click

from daybreak import __version__
from daybreak.cli import complete
from daybreak.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, DaybreakError

F = TypeVar("F", bound=Callable[..., Any])
MOST_WORKERS = 256
MOST_OFFSET = 50_000

name = click.option(
    "-n", "--name", shell_complete=complete.cluster, help="Cluster; the spec's or the folder's name if absent."
)
file = click.option("-f", "--file", type=click.Path(), help="Spec file; ./daybreak.yaml if absent.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")
keep = click.option("--keep", is_flag=True, help="Leave running what came up where something else fails.")
app_path = click.option("--app", metavar="MODULE:ATTRIBUTE", help="Serve application, such as app:main.")
yes = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
runs = click.option("-r", "--runs", type=click.IntRange(1, 1000), default=3, show_default=True, help="How often.")
offset = click.option(
    "--port-offset", type=click.IntRange(0, MOST_OFFSET), metavar="N", help="Added to every public port."
)
backend = click.option(
    "--backend", type=click.Choice(["process", "docker"]), help="Where to run; remembered for later commands."
)
METHODS = click.Choice(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"], case_sensitive=False)
LEVELS = click.Choice(["debug", "info", "warning", "error", "critical"], case_sensitive=False)
take_over = click.option(
    "--take-over", is_flag=True, help="Make a cluster of this name that belongs to another folder this one's."
)
workers = click.argument("workers", type=click.IntRange(0, MOST_WORKERS), required=False)


def spec_options(command: F) -> F:
    """The options by which a command finds or makes its spec."""
    for option in (offset, file, name, app_path):
        command = option(command)
    return command


def unfolds(command: F) -> F:
    """`-v`: where the command fails, all lines are shown instead of a screen of them."""

    @functools.wraps(command)
    def told(verbose: bool, **given: Any) -> Any:
        try:
            return command(**given)
        except DaybreakError as error:
            error.verbose = verbose
            raise

    option = click.option("-v", "--verbose", is_flag=True, help="Show whole tracebacks where something fails.")
    return cast(F, option(told))


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
@backend
@keep
@take_over
@as_json
@unfolds
def up(**given: Any) -> None:
    """Start everything, or change what differs. Idempotent.

    Without WORKERS the spec's count counts.

    \b
    Examples:
      daybreak up                    as the spec says
      daybreak up 3                  with three workers
      daybreak up 3 --app app:main   without a spec file
      daybreak up --backend docker   in containers; `daybreak image build` makes the image
    """
    from daybreak.cli import lifecycle

    lifecycle.up(**given)


@app.command()
@click.option("--in-place", is_flag=True, help="Stop the app tier, then start it again: so far the only way.")
@name
@file
@offset
@keep
@take_over
@as_json
@unfolds
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
@unfolds
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
@take_over
@as_json
@unfolds
def prewarm(**given: Any) -> None:
    """Do now what a later `up` would have to do first.

    Starts the warm template and nothing else; `down` ends it. With `backend: docker` builds the application's image
    where it is missing, and pulls those that the spec names.

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


@app.command("clusters")
@click.option("-a", "--all", "everything", is_flag=True, help="Those that are down, too.")
@as_json
def list_clusters(**given: Any) -> None:
    """List the clusters of this account: state, workers, since when, the folder each belongs to, where it answers.

    \b
    Example:
      daybreak clusters --all
    """
    from daybreak.cli import clusters

    clusters.show(**given)


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
@click.argument("services", nargs=-1, shell_complete=complete.service)
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines, also through restarts.")
@click.option("--since", metavar="TIME", help="Only what is younger: 10m, 10:08, '2026-11-25 10:08'.")
@click.option(
    "-l", "--lines", type=click.IntRange(0), help="At most, for each service.  [default: 200; all with --since]"
)
@click.option("--grep", metavar="REGEX", help="Only what matches; a traceback matches as a whole.")
@click.option("--level", type=LEVELS, help="Only this level and worse.")
@click.option("-a", "--all", "everything", is_flag=True, help="Ray's internal logs too: raylet, GCS, agents.")
@name
@as_json
def logs(**given: Any) -> None:
    """Show the logs of SERVICES (all if absent), merged by time.

    SERVICES are the names in `daybreak status`, `workers` for all of them, or `keeper`. `serve` has the logs of
    Serve and what its replicas print; `head` and `worker-1` have the output of the tasks and actors on that node.

    \b
    Examples:
      daybreak logs -f                        everything, as it is written
      daybreak logs serve --level warning     what went wrong in the application
      daybreak logs worker-1 worker-2 --all   Ray's own logs of two nodes, too
      daybreak logs --since 10m --grep 'Time(out|d out)'
    """
    from daybreak.cli import logs as work

    work.logs(**given)


@app.command()
@click.argument("target", default="all", shell_complete=complete.target)
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
@take_over
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


def _complete_diagnosis(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from daybreak.cli import doctor as work

    del context, parameter
    return work.names(incomplete)


@app.command()
@click.argument("diagnoses", nargs=-1, shell_complete=_complete_diagnosis)
@spec_options
@click.option("--prune", is_flag=True, help="Delete what of daybreak's is left in Docker, after showing it.")
@yes
@click.option("-v", "--verbose", is_flag=True, help="Show every diagnosis, also where nothing is wrong.")
@as_json
def doctor(**given: Any) -> int:
    """Look for what is wrong with this machine or this cluster; says why it matters and what mends it.

    Starts nothing and changes nothing, unless --prune is given. DIAGNOSES names some; all are made without. The exit
    code is 1 where something is an error; warnings and notes leave it 0.

    \b
    Examples:
      daybreak doctor
      daybreak doctor -v
      daybreak doctor ports memory
      daybreak doctor --json | jq '.diagnoses[] | select(.severity == "error")'
      daybreak doctor --prune --yes
    """
    from daybreak.cli import doctor as work

    return work.doctor(**given)


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


@perf.command("plot")
@name
@click.option("--run", metavar="RUN", help="The phases of one run: its number, or `last`.")
@click.option("--compare", nargs=2, metavar="RUN RUN", help="Two runs side by side.")
@click.option("--workers", "by_workers", is_flag=True, help="Time against the number of workers.")
@click.option("--sweep", is_flag=True, help="The last `perf sweep`.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="File to write, .png or .svg.")
def perf_plot(**given: Any) -> None:
    """Draw what was measured into a PNG or SVG file, and print its path. Needs matplotlib.

    Without an option: all starts and restarts, with medians and outliers.

    \b
    Examples:
      daybreak perf plot
      daybreak perf plot --run last -o start.svg
      daybreak perf plot --compare 9 12
    """
    from daybreak.cli import plot as work

    work.plot(**given)


@perf.command("sweep")
@name
@click.option("--workers", required=True, metavar="COUNTS", help="Numbers of workers: 1..8, 1,2,4,8 or 1..4,8.")
@click.option("--url", metavar="PATH", help="What to ask for; the application's first route if absent.")
@click.option("--method", type=METHODS, help="HTTP method; GET, with --body POST, if absent.")
@click.option("--body", type=click.Path(dir_okay=False), metavar="FILE", help="What to send.")
@click.option(
    "-H", "--header", "headers", multiple=True, metavar="NAME:VALUE", help="To send with it; may be repeated."
)
@click.option(
    "-c", "--connections", type=click.IntRange(1, 1000), default=16, show_default=True, help="Requests at a time."
)
@click.option("-d", "--duration", default="10s", show_default=True, help="Of each measurement.")
@click.option("--warm-up", default="3s", show_default=True, help="Load before each measurement, at least.")
@click.option("--plot", type=click.Path(dir_okay=False), metavar="FILE", help="Draw it, too: .png or .svg.")
@as_json
def perf_sweep(**given: Any) -> None:
    """Find the best number of workers for the application under a load.

    The running cluster is scaled to each of COUNTS in turn, and back to the number it had. Best are the fewest
    workers within 5 % of the best throughput.

    \b
    Examples:
      daybreak perf sweep --workers 1..4
      daybreak perf sweep --workers 1,2,4,8 --url /predict --body request.json -c 32 -d 30s
      daybreak perf plot --sweep
    """
    from daybreak.cli import sweep as work

    work.sweep(**given)


@perf.command("clear")
@yes
@name
def perf_clear(**given: Any) -> None:
    """Delete the history, after asking."""
    from daybreak.cli import perf as work

    work.clear(**given)


@app.group()
def image() -> None:
    """Build an image of Ray and your application; show what it weighs."""


@image.command("build")
@name
@file
@click.option("--ray-version", metavar="VERSION", help="Ray; that beside daybreak, or the base's, if absent.")
@click.option("--python", metavar="X.Y", help="Python; 3.11, or the base's, if absent.")
@click.option("--requirements", type=click.Path(), metavar="FILE", help="Packages; requirements.txt if absent.")
@click.option("--constraints", type=click.Path(), metavar="FILE", help="Versions, as pip's --constraint takes them.")
@click.option("-t", "--tag", metavar="TAG", help="The image's name; daybreak/CLUSTER:latest if absent.")
@click.option("--base", metavar="IMAGE", help="Build on it: a slim Python image, or rayproject/ray:VERSION-pyXY.")
@click.option("--runtime", metavar="IMAGE", help="What the result stands on; a slim Python image if absent.")
@as_json
def image_build(**given: Any) -> None:
    """Build an image of Ray and the application in the spec's folder.

    \b
    Examples:
      daybreak image build
      daybreak image build --ray-version 2.60.0 --tag shop:1.4
      daybreak image build --base rayproject/ray:2.20.0-py310
    """
    from daybreak.cli import image as work

    work.build(**given)


@image.command("size")
@click.argument("image", required=False)
@name
@as_json
def image_size(**given: Any) -> None:
    """Show what each layer and the largest packages of IMAGE weigh; of the application's image if absent."""
    from daybreak.cli import image as work

    work.size(**given)


@app.group()
def export() -> None:
    """Write files that start the same cluster with other tools."""


@export.command("compose")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=True))
@spec_options
@click.option("--image", metavar="IMAGE", help="Of Ray and the application; daybreak/CLUSTER:latest if absent.")
@click.option("--engine", metavar="VERSION", help="Docker Engine that it is for; this machine's, or 25, if absent.")
@click.option("--force", is_flag=True, help="Overwrite files that are not, or no longer, as an export wrote them.")
@as_json
def export_compose(**given: Any) -> None:
    """Write a compose.yaml, and what it needs, into DIR.

    Passwords are generated into DIR/secrets, and kept by a second export.

    \b
    Examples:
      daybreak image build && daybreak export compose deploy
      cd deploy && docker compose up --wait
      daybreak export compose deploy --image registry.example.com/shop:1.4
    """
    from daybreak.cli import export as work

    work.compose(**given)


def run() -> int:
    """Run the command line; returns the exit code."""
    try:
        code = app.main(standalone_mode=False, prog_name="daybreak")
    except DaybreakError as error:
        from daybreak.cli.clusters import hint_for
        from daybreak.cli.output import print_error

        print_error(error, hint_for(error))
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
