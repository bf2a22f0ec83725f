"""A first request to each application of a generation that does not serve yet.

What it imports late, and what fails only on requests, shows before anybody else meets it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from daybreak.errors import WaitError
from daybreak.health import http
from daybreak.health.tail import sizes, tail_of_all
from daybreak.names import SERVE
from daybreak.programs.deploy import frames
from daybreak.services.build import Cluster
from daybreak.services.ray.serve_routes import application_routes
from daybreak.services.service import log_path

DEADLINE_S = 30.0
# An answer of this kind says that the application fails; what is below it may be its own business, such as a page that
# is not there.
FAILS = 500


async def warm_up(cluster: Cluster, old: str, new: str) -> None:
    """GET the route of each application from `new`. One that fails where the old one answers alike is no worse.

    Raises DaybreakError for an application that does not answer, or fails.
    """
    service = next(one for one in cluster.services if one.name == SERVE)
    before = sizes(service.logs)
    for name, route in application_routes(cluster.spec, cluster.site).items():
        told = await _ask(new + route)
        if isinstance(told, int) and (told < FAILS or await _ask(old + route) == told):
            continue
        said = f"answers GET {route} with {told}" if isinstance(told, int) else f"does not answer GET {route}: {told}"
        raise not_well(cluster, f"{name} {said}", before)


def not_well(cluster: Cluster, said: str, before: Mapping[str, int], *, other_lines: bool = True) -> NotWarm:
    """With what its applications have logged since their logs were as long as `before`: the user's own lines where
    something was raised, else the last ones, unless `other_lines` would say nothing."""
    service = next(one for one in cluster.services if one.name == SERVE)
    own = log_path(Path(cluster.site.logs), SERVE)
    lines = tail_of_all(own, service.logs, before=before)
    found = frames.explain("\n".join(lines), cluster.site.base)
    last = lines[-frames.MOST_LINES :] if other_lines else []
    why, shown = (f": {found.reason}", found.lines) if found else ("", last)
    return NotWarm(f"{said}{why}", service=SERVE, log=str(own), tail=shown, whole=lines)


class NotWarm(WaitError):
    """A new generation answers, but not well."""


async def _ask(url: str) -> int | str:
    """The status of its answer, or why there is none."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            return (await http.get(url, any_certificate=True)).status
    except TimeoutError:
        return f"nothing within {DEADLINE_S:g} s"
    except OSError as error:
        return error.strerror or str(error)
