"""Ray's own helpers, by their command lines: they hold nothing that a graceful end would save. Pure.

Only Ray's own files and titles count. A program of the user may be called `monitor.py`, or lie in a folder `dashboard`.
"""

from __future__ import annotations

from daybreak.services.container_site import program
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
OWN = ("programs/node/start.py", "programs/node/watch.py")


def helpers(site: Site) -> tuple[str, ...]:
    """Parts of command lines, for `StopPolicy.afterwards`.

    The raylet's two agents are not among them: a raylet that is asked to end does so when its agents have.
    """
    # Where its folder is not known, a part of its path that hardly anything else has.
    package = site.ray.package or "/site-packages/ray"
    files = [f"{package}/{file}" for file in FILES]
    own = [program(site, path) for path in OWN]
    return (*files, TITLE, FORK_SERVER, TRACKER, CLIENT_SERVER, f"{site.ray.command} start ", *own)
