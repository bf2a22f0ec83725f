"""The commands' names, and what becomes of their results and errors. Each command is a module of its own."""

from __future__ import annotations

import sys

import click

from daybreak import __version__
from daybreak.cli.common import interrupt
from daybreak.cli.common.lazy import LazyGroup
from daybreak.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, DaybreakError

# The first line of each one's help, so that `daybreak --help` imports none of them.
COMMANDS = {
    "alerts": "List what is wrong and was told to somebody; --test tries whether that arrives.",
    "backup": "Write what the databases hold into FILE, a new one; a name with the time if absent.",
    "clusters": "List the clusters of this account: state, workers, since when, the folder each belongs to, where it "
    "answers.",
    "config": "Print the spec as it is meant: its files laid over one another, its variables filled in.",
    "dev": "Bring the cluster up, and replace the applications each time their code is saved.",
    "doctor": "Look for what is wrong with this machine or this cluster; says why it matters and what mends it.",
    "down": "Stop everything.",
    "env": "Print shell code that reaches the cluster and its databases; secrets stay in their files.",
    "export": "Write files that start the same cluster with other tools.",
    "hosts": "List the machines that have joined: state, nodes, when each was last heard of.",
    "image": "Build an image of Ray and your application; show what it weighs.",
    "init": "Write a commented daybreak.yaml and an example application into FOLDER.",
    "install": "Let the cluster start with the machine: write a unit of systemd, and enable it.",
    "invite": "Print the line by which another machine joins the cluster.",
    "job": "Run programs in the cluster as jobs of Ray, which go on by themselves.",
    "join": "Let this machine join the cluster of another one, and start workers here.",
    "leave": "Leave the cluster that this machine has joined.",
    "logs": "Show the logs of SERVICES (all if absent), merged by time.",
    "page": "Print the address of the page: what runs, where the seconds went, logs.",
    "pause": "Let requests wait in the gateway, or answer them with a page.",
    "perf": "Measure starts and restarts; show their history.",
    "plan": "Show what `up` would do, and why; changes nothing.",
    "ports": "List every port of the cluster: what it is for, who listens there, and from where it is reached.",
    "prewarm": "Do now what a later `up` would have to do first.",
    "restart": "Replace the app tier: Serve applications, your services, Ray where needed.",
    "restore": "Replace what the databases hold by what the backup FILE does, after asking.",
    "resume": "Let requests pass again after `pause`.",
    "rollback": "Return to VERSION of the applications, or to the one before that which serves.",
    "run": "Run COMMAND with the cluster's environment.",
    "scale": "Change the number of WORKERS of a running cluster.",
    "schema": "Print the JSON schema of daybreak.yaml, for editors.",
    "start": "Start SERVICES that were stopped; a step, such as a migration, is run once more.",
    "status": "Show what runs, how well, and where it answers.",
    "stop": "Stop SERVICES; each stays stopped until `daybreak start` or `daybreak up`.",
    "traffic": "Follow the requests of each application: how many, how many failed, how long they took.",
    "uninstall": "Remove the unit that `install` has written; what runs goes on.",
    "up": "Start everything, or change what differs.",
    "upgrade-data": "Move PostgreSQL's stored data over to the newest version on this machine, after asking.",
    "versions": "List what was deployed with success, and which of it serves.",
    "wait": "Wait until TARGET is ready, or has stopped.",
}


@click.group(
    cls=LazyGroup,
    package="daybreak.cli",
    lines=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
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


def run() -> int:
    """Run the command line; returns the exit code."""
    try:
        code = app.main(standalone_mode=False, prog_name="daybreak")
    except DaybreakError as error:
        from daybreak.cli.common.elsewhere import hint_for
        from daybreak.cli.common.output import print_error

        print_error(error, hint_for(error))
        return interrupt.exit_code() or error.exit_code
    except click.ClickException as error:
        error.show()
        return EXIT_USAGE
    except SystemExit:
        # All that click ends itself: the reader of a pipe (head, less) has seen enough.
        return EXIT_OK
    except BaseException as error:
        if not _is_interrupt(error):
            raise
        print("interrupted", file=sys.stderr)
        return interrupt.exit_code() or EXIT_INTERRUPTED
    return code if isinstance(code, int) else EXIT_OK


def _is_interrupt(error: BaseException | None) -> bool:
    """Is it one, or nothing but what has become of one? What else goes wrong after a signal is an error of its own."""
    if error is None or isinstance(error, KeyboardInterrupt | click.Abort):
        return error is not None
    if error.__cause__:
        # In the middle of making a class Python raises something else instead.
        return _is_interrupt(error.__cause__)
    # Who takes down what it has begun may find that the terminal, or the other side, has gone.
    return isinstance(error, OSError) and _is_interrupt(error.__context__)
