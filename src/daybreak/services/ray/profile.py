"""`serve.profile`: what Serve is tuned for. Pure."""

from __future__ import annotations

from daybreak.services.site import RayInstall
from daybreak.spec.model import Spec

# Ray documents its switch from this version on.
OLDEST = (2, 55)
THROUGHPUT = "throughput"
SWITCH = "RAY_SERVE_THROUGHPUT_OPTIMIZED"
# With the switch a replica holds back so many lines of its log, and they are lost with it where it is killed. A line is
# written when its request ends, as without it.
LINES_HELD = "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE"


def env(spec: Spec, ray: RayInstall) -> dict[str, str]:
    """For every node and driver: Serve's actors read it wherever they run."""
    return {SWITCH: "1", LINES_HELD: "1"} if _counts(spec) and ray.release >= OLDEST else {}


def notes(spec: Spec, ray: RayInstall) -> tuple[str, ...]:
    """What is to be said before the start where this Ray has no such profile."""
    if not _counts(spec) or ray.release >= OLDEST:
        return ()
    oldest = ".".join(map(str, OLDEST))
    return (f"serve.profile: {THROUGHPUT} changes nothing with Ray {ray.version}: Ray has it from {oldest} on",)


def _counts(spec: Spec) -> bool:
    return spec.serve.wanted and spec.serve.profile == THROUGHPUT
