"""Ray's own helpers, by their command lines: they hold nothing that a graceful end would save. Pure.

Only Ray's own files and titles count. A program of the user may be called `monitor.py`, or lie in a folder `dashboard`.
"""

from __future__ import annotations

import os.path
from collections.abc import Collection

from daybreak.services.inside import program
from daybreak.services.site import Site

# Below Ray's package.
FILES = (
    "core/src/ray/gcs/gcs_server",
    "_private/log_monitor.py",
    "autoscaler/_private/monitor.py",
    "autoscaler/v2/monitor.py",
    "dashboard/dashboard.py",
)
# What the dashboard's modules, which are processes, call themselves, and what they are forked from.
TITLE = "^ray-dashboard-"
FORK_SERVER = "from multiprocessing.forkserver import main"
# Asked to end it does not; it deletes the shared memory that others have left when the last of them has gone.
TRACKER = "from multiprocessing.resource_tracker import main"
CLIENT_SERVER = "-m ray.util.client.server"
OWN = ("rayside/start.py", "rayside/watch.py")


def helpers(site: Site) -> tuple[str, ...]:
    """Parts of command lines, for `StopPolicy.afterwards`.

    The raylet's two agents are not among them: a raylet that is asked to end does so when its agents have.
    """
    package = _package(site)
    files = [f"{package}/{file}" for file in FILES]
    own = [program(site, path) for path in OWN]
    return (*files, TITLE, FORK_SERVER, TRACKER, CLIENT_SERVER, f"{site.ray.command} start ", *own)


def _package(site: Site) -> str:
    """Ray's folder; where it is not known a part of its path that hardly anything else has."""
    return os.path.dirname(site.ray.vendored[0]) if site.ray.vendored else "/site-packages/ray"


def is_helper(line: str, parts: Collection[str]) -> bool:
    """Is a command line that of a helper?"""
    return any(line.startswith(part[1:]) if part.startswith("^") else part in line for part in parts)
