"""Jobs of a running cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daybreak.api.asking import environment
from daybreak.api.loading import resolve_name
from daybreak.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from daybreak.extras.jobs.rest import JobsApi


def jobs(name: str | None = None) -> JobsApi:
    """The jobs API of a running cluster. Raises UsageError where it has none, and NotRunning."""
    from daybreak.extras.jobs.rest import JobsApi
    from daybreak.services.ray.environment import JOBS, TOKEN_FILE

    cluster = resolve_name(name)
    values = environment(cluster)["values"]
    url = values.get(JOBS[0])
    if not url:
        raise UsageError(
            f"cluster {cluster} has no jobs API: its spec has `dashboard: false`, and Ray's dashboard serves it",
            hint="remove that line, then `daybreak up`; without the dashboard: `daybreak run -- python x.py`",
        )
    return JobsApi(url, values.get(TOKEN_FILE))


def files_with_secrets(name: str | None = None) -> frozenset[Path]:
    """Files that the cluster's spec reads secrets and variables from, resolved, and `.env` beside it: they stay out of
    what is sent to a cluster."""
    from pathlib import Path

    from daybreak.keeper.control.stored_state import Stored
    from daybreak.paths import ClusterPaths
    from daybreak.spec.databases import password_files
    from daybreak.spec.handing import handed_files
    from daybreak.spec.model import Spec
    from daybreak.spec.variables import FILE

    stored = Stored.load(ClusterPaths.of(resolve_name(name)).wanted)
    if stored is None:
        return frozenset()
    base = Path(stored.base)
    try:
        spec = Spec.model_validate(stored.spec)
        named = [*handed_files(spec, base), *(base / file for _, file in password_files(spec.databases))]
    except ValueError:  # that of another version
        named = []
    return frozenset(path.resolve() for path in (base / FILE, *named))
