"""daybreak doctor: what is wrong with this machine or this cluster, and the command that mends it."""

from __future__ import annotations

import sys
import time

import click

from daybreak.cli.common import options
from daybreak.cli.common.output import print_json, styled
from daybreak.cli.doctor.gathering import gather
from daybreak.errors import EXIT_FAILED, EXIT_OK, UsageError
from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Diagnosis, Severity

COLOURS = {Severity.OK: "32", Severity.NOTE: "36", Severity.WARNING: "33", Severity.ERROR: "1;31"}


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from daybreak.extras.doctor.registry import DIAGNOSES

    del context, parameter
    return [diagnosis.name for diagnosis in DIAGNOSES if diagnosis.name.startswith(incomplete)]


@click.command()
@click.argument("diagnoses", nargs=-1, shell_complete=_complete)
@options.spec
@click.option("--prune", is_flag=True, help="Delete what of daybreak's is left in Docker, after showing it.")
@click.option("--volumes", is_flag=True, help="With --prune: also delete volumes, the data of databases.")
@options.yes
@click.option("-v", "--verbose", is_flag=True, help="Show every diagnosis, also where nothing is wrong.")
@options.as_json
def doctor(
    diagnoses: tuple[str, ...],
    app: str | None,
    name: str | None,
    file: options.Words,
    port_offset: int | None,
    prune: bool,
    volumes: bool,
    yes: bool,
    verbose: bool,
    as_json: bool,
) -> int:
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
      daybreak doctor --prune --volumes
    """
    if volumes and not prune:
        raise UsageError("--volumes goes with --prune", hint="daybreak doctor --prune --volumes")
    if not prune:
        return _diagnose(_choose(diagnoses), gather(app, name, file, port_offset), verbose=verbose, as_json=as_json)
    if diagnoses:
        raise UsageError("--prune makes no diagnoses", hint="leave out their names")
    from daybreak.cli.doctor.prune import prune as delete_leftovers

    delete_leftovers(yes=yes, as_json=as_json, volumes=volumes)
    return EXIT_OK


def _diagnose(chosen: list[Diagnosis], case: Case, *, verbose: bool, as_json: bool) -> int:
    """Make them and show what was found; returns 1 where something is an error, else 0."""
    from daybreak.extras.doctor import render, runner

    began = time.monotonic()
    results = runner.run(case, chosen)
    took_s = time.monotonic() - began
    if as_json:
        print_json(render.to_json(case, results, took_s))
    else:
        for line in render.lines(case, results, took_s, verbose=verbose, style=_style):
            print(line)
    return EXIT_FAILED if render.worst(results) is Severity.ERROR else EXIT_OK


def _choose(chosen: tuple[str, ...]) -> list[Diagnosis]:
    """The diagnoses by name; all without names."""
    from daybreak.extras.doctor.registry import DIAGNOSES

    known = {diagnosis.name: diagnosis for diagnosis in DIAGNOSES}
    unknown = [word for word in chosen if word not in known]
    if unknown:
        raise UsageError(f"there is no diagnosis {', '.join(unknown)}", hint=f"there are: {', '.join(known)}")
    return [diagnosis for name, diagnosis in known.items() if not chosen or name in chosen]


def _style(severity: Severity, word: str) -> str:
    return f"\033[{COLOURS[severity]}m{word}\033[0m" if sys.stdout.isatty() and styled() else word
