"""The last sweep of a cluster, in its state folder."""

from __future__ import annotations

import json

from daybreak.errors import DaybreakError
from daybreak.extras.sweep.result import Sweep
from daybreak.files import write_private
from daybreak.paths import ClusterPaths


def store(paths: ClusterPaths, result: Sweep) -> None:
    """Keep what has been measured so far. Raises OSError where it cannot be written."""
    write_private(paths.sweep, json.dumps(result.to_json(), indent=1))


def load_last(paths: ClusterPaths) -> Sweep:
    """The last sweep of a cluster. Raises DaybreakError where there is none."""
    try:
        found = Sweep.from_json(json.loads(paths.sweep.read_text()))
    except FileNotFoundError:
        raise DaybreakError(
            f"no sweep of cluster {paths.name} has been recorded yet", hint="daybreak perf sweep --workers 1..4"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DaybreakError(f"{paths.sweep} cannot be read: {error}", hint="repeat `daybreak perf sweep`") from error
    return found
