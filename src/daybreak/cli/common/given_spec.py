"""The spec that a command's options, the folder and the stored state make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from daybreak import api

if TYPE_CHECKING:
    from daybreak.spec import LoadedSpec


def given_or_stored(
    workers: int | None,
    app: str | None,
    name: str | None,
    file: str | None,
    port_offset: int | None,
    backend: str | None = None,
) -> LoadedSpec | None:
    """The spec of the folder or the options; None where a cluster without a file is to go on as it was."""
    nothing_given = app is None and file is None and port_offset is None
    if nothing_given and api.goes_on_without_a_file(name, Path.cwd()):
        return None
    return api.load(file, name=name, app=app, workers=workers, port_offset=port_offset, backend=backend)
