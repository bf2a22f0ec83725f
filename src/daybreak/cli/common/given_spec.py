"""The spec that a command's options, the folder and the stored state make."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daybreak import api
from daybreak.show.text import harmless
from daybreak.spec.find import Files

if TYPE_CHECKING:
    from daybreak.spec import LoadedSpec
    from daybreak.spec.groups import Counts


def given_or_stored(
    workers: Counts | None,
    app: str | None,
    name: str | None,
    file: Files,
    port_offset: int | None,
    backend: str | None = None,
    profiles: Files = None,
) -> LoadedSpec | None:
    """The spec of the folder or the options; None where a cluster without a file is to go on as it was."""
    if _goes_on(app, name, file, port_offset, profiles):
        return None
    return load(file, name=name, app=app, workers=workers, port_offset=port_offset, backend=backend, profiles=profiles)


def read_or_stored(
    workers: Counts | None,
    app: str | None,
    name: str | None,
    file: Files,
    port_offset: int | None,
    backend: str | None = None,
    profiles: Files = None,
) -> LoadedSpec | api.ReadSpec | None:
    """The same for a command that only hands it on."""
    if _goes_on(app, name, file, port_offset, profiles):
        return None
    return read(file, name=name, app=app, workers=workers, port_offset=port_offset, backend=backend, profiles=profiles)


def load(file: Files, **given: Any) -> LoadedSpec:
    """`api.load`, with what the spec's author should know on stderr."""
    loaded = api.load(file, **given)
    _warn(loaded.warnings)
    return loaded


def read(file: Files, **given: Any) -> LoadedSpec | api.ReadSpec:
    """The same with `api.read`."""
    found = api.read(file, **given)
    _warn(found.warnings)
    return found


def _warn(warnings: Sequence[object]) -> None:
    for warning in warnings:
        print(f"warning: {harmless(str(warning))}", file=sys.stderr)


def _goes_on(app: str | None, name: str | None, file: Files, port_offset: int | None, profiles: Files) -> bool:
    nothing_given = app is None and file is None and port_offset is None and profiles is None
    return nothing_given and api.goes_on_without_a_file(name, Path.cwd())
