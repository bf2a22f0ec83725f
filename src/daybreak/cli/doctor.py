"""doctor: what is wrong with this machine or this cluster, and the command that mends it."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daybreak import api
from daybreak.cli.output import confirm, print_json, styled
from daybreak.doctor.case import Case
from daybreak.doctor.finding import Diagnosis, Severity
from daybreak.errors import EXIT_FAILED, EXIT_OK, DaybreakError, Problem, SpecError, UsageError
from daybreak.keeper import client
from daybreak.keeper.wanted import WantedState
from daybreak.paths import ClusterPaths
from daybreak.spec import cluster_name, find_spec
from daybreak.spec.names import NAME_RULE, is_name

if TYPE_CHECKING:
    from daybreak.doctor.engines import Engine, Leftover
    from daybreak.spec import LoadedSpec, Spec

KEEPER_DEADLINE_S = 2.0
COLOURS = {Severity.OK: "32", Severity.NOTE: "36", Severity.WARNING: "33", Severity.ERROR: "1;31"}


def doctor(
    diagnoses: tuple[str, ...],
    app: str | None,
    name: str | None,
    file: str | None,
    port_offset: int | None,
    prune: bool,
    yes: bool,
    verbose: bool,
    as_json: bool,
) -> int:
    """Make the diagnoses and show what was found; returns 1 where something is an error, else 0."""
    if prune:
        if diagnoses:
            raise UsageError("--prune makes no diagnoses", hint="leave out their names")
        _prune(yes, as_json)
        return EXIT_OK
    from daybreak.doctor import render, runner

    began = time.monotonic()
    chosen = _choose(diagnoses)
    case = gather(app, name, file, port_offset)
    results = runner.run(case, chosen)
    took_s = time.monotonic() - began
    if as_json:
        print_json(render.to_json(case, results, took_s))
    else:
        for line in render.lines(case, results, took_s, verbose=verbose, style=_style):
            print(line)
    return EXIT_FAILED if render.worst(results) is Severity.ERROR else EXIT_OK


def names(incomplete: str) -> list[str]:
    """The diagnoses that begin so, for completion."""
    from daybreak.doctor.registry import DIAGNOSES

    return [diagnosis.name for diagnosis in DIAGNOSES if diagnosis.name.startswith(incomplete)]


def gather(app: str | None, name: str | None, file: str | None, port_offset: int | None) -> Case:
    """What the diagnoses look at. No keeper is started, and nothing is written."""
    if file and not Path(file).is_file():
        raise UsageError(f"there is no file {file}")
    if name is not None and not is_name(name):
        raise UsageError(f"{name!r} is no name of a cluster: {NAME_RULE}")
    from daybreak.spec import Spec

    source = Path(file) if file else find_spec(Path.cwd())
    loaded, problems = _load(app, name, source, port_offset)
    here = _name_here(source)
    wanted = name or (loaded.spec.name if loaded else here)
    paths = ClusterPaths.of(wanted)
    stored, base = _stored(paths)
    snapshot, silent = _ask(paths)
    # Another cluster's name in a folder with a spec asks for that cluster, not for what it would become here.
    from_file = loaded if loaded and source and (file or wanted == here) else None
    asked = loaded if from_file or app or port_offset is not None else None
    case = Case(
        paths=paths,
        spec=asked.spec if asked else Spec(name=wanted),
        base=asked.base if asked else Path.cwd(),
        given=bool(stored or asked),
        file=source if from_file or problems else None,
        of_file=from_file.spec if from_file else None,
        problems=problems,
        snapshot=snapshot,
        silent=silent,
        option="" if wanted == here else f"-n {wanted}",
    )
    return replace(case, spec=stored, base=base) if stored and (case.running or not asked) else case


def _load(
    app: str | None, name: str | None, source: Path | None, port_offset: int | None
) -> tuple[LoadedSpec | None, tuple[Problem, ...]]:
    """The spec of the file or of the options, or what is wrong with it: an invalid one is a finding, too."""
    try:
        return api.load(source, name=name, app=app, port_offset=port_offset), ()
    except SpecError as error:
        if source is None:
            raise
        return None, error.problems


def _name_here(source: Path | None) -> str:
    """The cluster that a command without -n means in this folder."""
    try:
        return cluster_name(Path.cwd(), source)
    except SpecError:
        return cluster_name(Path.cwd(), None)


def _stored(paths: ClusterPaths) -> tuple[Spec | None, Path]:
    """What the last `up` asked for; None where there was none, or an older daybreak wrote what this one cannot read."""
    from daybreak.spec import Spec

    state = WantedState.load(paths.wanted)
    try:
        return (Spec.model_validate(state.spec), Path(state.base)) if state else (None, Path.cwd())
    except ValueError:
        return None, Path.cwd()


def _ask(paths: ClusterPaths) -> tuple[Mapping[str, Any] | None, str | None]:
    """The keeper's status, or why there is none though it is there."""
    connected = client.connect(paths)
    if connected is None:
        return None, None
    deadline = time.monotonic() + KEEPER_DEADLINE_S
    connection = client.Connection(connected, {"op": "status"})
    try:
        if not connection.heard(KEEPER_DEADLINE_S):
            return None, None  # it was just leaving
        connection.deadline(deadline)
        found: Mapping[str, Any] = connection.result()
        return found, None
    except TimeoutError:
        return None, f"the keeper has not answered for {KEEPER_DEADLINE_S:g} s"
    except (DaybreakError, OSError) as error:
        return None, str(error)
    finally:
        connection.close()


def _choose(chosen: tuple[str, ...]) -> list[Diagnosis]:
    """The diagnoses by name; all without names."""
    from daybreak.doctor.registry import DIAGNOSES

    known = {diagnosis.name: diagnosis for diagnosis in DIAGNOSES}
    unknown = [word for word in chosen if word not in known]
    if unknown:
        raise UsageError(f"there is no diagnosis {', '.join(unknown)}", hint=f"there are: {', '.join(known)}")
    return [diagnosis for name, diagnosis in known.items() if not chosen or name in chosen]


def _style(severity: Severity, word: str) -> str:
    return f"\033[{COLOURS[severity]}m{word}\033[0m" if sys.stdout.isatty() and styled() else word


def _prune(yes: bool, as_json: bool) -> None:
    """Show what is left in Docker, ask, delete it."""
    from daybreak.doctor import engines
    from daybreak.doctor.docker import old

    engine = engines.find(engines.REMOVE_S)
    if engine is None:
        raise DaybreakError("Docker is not installed", hint="clusters run as processes; there is nothing to prune")
    found = old(engine)
    if found and not as_json:
        print("\n".join(map(str, found)), flush=True)
    if found:
        confirm(f"Delete {'it' if len(found) == 1 else f'all {len(found)}'}?", yes=yes)
    refused = _removed(engine, found)
    gone = [left for left in found if left not in refused]
    if as_json:
        print_json({"deleted": [asdict(left) for left in gone]})
    else:
        print(f"deleted {len(gone)}" if found else "nothing of daybreak's is left in Docker", file=sys.stderr)
    if refused:
        raise DaybreakError("; ".join(f"{left} was not deleted: {why}" for left, why in refused.items()))


def _removed(engine: Engine, found: list[Leftover]) -> dict[Leftover, str]:
    """Delete all; those that the engine keeps, and why."""
    refused = {}
    for left in found:
        try:
            engine.remove(left)
        except DaybreakError as error:
            refused[left] = error.message
    return refused
