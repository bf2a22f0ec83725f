"""Reaching Docker's engine. Its Python package is imported here and nowhere else: that takes 0.1 s or more."""

from __future__ import annotations

import socket

from daybreak.docker import refusals
from daybreak.docker.api import EngineClient

# Starting a container on a busy machine takes seconds, never minutes.
TIMEOUT_S = 60.0
# Each container has a log stream, each start and stop a call.
CONNECTIONS = 64


def connect(timeout_s: float = TIMEOUT_S) -> EngineClient:
    """A client of the engine at $DOCKER_HOST, else at its usual socket; asks it for its version.

    Blocks: for a thread. Raises EngineError: Docker is not installed, its engine does not run, is not permitted or does
    not answer in time, or the Python package is missing.
    """
    try:
        _knock(timeout_s)
        import docker

        api = docker.APIClient(
            **docker.utils.kwargs_from_env(), version="auto", timeout=timeout_s, max_pool_size=CONNECTIONS
        )
    except ImportError:
        raise refusals.package_missing() from None
    except Exception as error:
        raise refusals.of_error(error, timeout_s) from error
    return EngineClient(api, timeout_s)


def _knock(timeout_s: float) -> None:
    """A stopped engine is found before the package is imported, which would leave a socket open. Raises OSError."""
    path = refusals.address()
    if path.startswith("/"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking:
            knocking.settimeout(timeout_s)
            knocking.connect(path)
