"""What the diagnoses look at: the spec, what ran last, what the keeper says."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from daybreak import api
from daybreak.errors import DaybreakError, Problem, SpecError, UsageError
from daybreak.extras.doctor.case import Case
from daybreak.keeper.control import client
from daybreak.keeper.control.stored_state import Stored
from daybreak.paths import ClusterPaths
from daybreak.spec.find import Files, cluster_name, spec_files
from daybreak.spec.names import NAME_RULE, is_name
from daybreak.timeline.status import Snapshot

if TYPE_CHECKING:
    from daybreak.spec import LoadedSpec, Spec

KEEPER_DEADLINE_S = 2.0


def gather(app: str | None, name: str | None, file: Files, port_offset: int | None) -> Case:
    """What the diagnoses look at. No keeper is started, and nothing is written."""
    source = spec_files(file, Path.cwd())
    for missing in (one for one in source if not one.is_file()):
        raise UsageError(f"there is no file {missing}")
    if name is not None and not is_name(name):
        raise UsageError(f"{name!r} is no name of a cluster: {NAME_RULE}")
    from daybreak.spec import Spec

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
        file=source[0] if source and (from_file or problems) else None,
        of_file=from_file.spec if from_file else None,
        problems=problems,
        snapshot=snapshot,
        silent=silent,
        option="" if wanted == here else f"-n {wanted}",
    )
    return replace(case, spec=stored, base=base) if stored and (case.running or not asked) else case


def _load(
    app: str | None, name: str | None, source: tuple[Path, ...], port_offset: int | None
) -> tuple[LoadedSpec | None, tuple[Problem, ...]]:
    """The spec of the file or of the options, or what is wrong with it: an invalid one is a finding, too."""
    try:
        loaded = api.load(source, name=name, app=app, port_offset=port_offset)
        return loaded, loaded.missing
    except SpecError as error:
        if not source:
            raise
        return None, error.problems


def _name_here(source: tuple[Path, ...]) -> str:
    """The cluster that a command without -n means in this folder."""
    try:
        return cluster_name(Path.cwd(), source)
    except SpecError:
        return cluster_name(Path.cwd(), None)


def _stored(paths: ClusterPaths) -> tuple[Spec | None, Path]:
    """What the last `up` asked for; None where there was none, or an older daybreak wrote what this one cannot read."""
    from daybreak.spec import Spec

    state = Stored.load(paths.wanted)
    try:
        return (Spec.model_validate(state.spec), Path(state.base)) if state else (None, Path.cwd())
    except ValueError:
        return None, Path.cwd()


def _ask(paths: ClusterPaths) -> tuple[Snapshot | None, str | None]:
    """The keeper's status, or why there is none though it is there."""
    connected = client.connect(paths)
    if connected is None:
        return None, None
    deadline = time.monotonic() + KEEPER_DEADLINE_S
    connection = client.Connection(connected, {"op": "status"})
    try:
        if not connection.heard(KEEPER_DEADLINE_S):
            return None, None  # it was just leaving
        connection.set_deadline(deadline)
        return Snapshot.from_json(connection.result()), None
    except TimeoutError:
        return None, f"the keeper has not answered for {KEEPER_DEADLINE_S:g} s"
    except (DaybreakError, OSError) as error:
        return None, str(error)
    finally:
        connection.close()
