"""What Docker's refusals mean, in sentences: from the command's error output and from the Python package alike."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

from daybreak.errors import EngineError

SOCKET = "/var/run/docker.sock"
PROGRAMS = ("docker", "dockerd")
START = "sudo systemctl start docker"
RESTART = "sudo systemctl restart docker"
_STOPPED = ("cannot connect", "connection refused", "is the docker daemon running", "no such file or directory")
_ABOUT_SOCKET = ("docker api", "docker daemon", "docker.sock", "connection aborted", "server api version")


def not_installed() -> EngineError:
    hint = "install Docker Engine, or use clusters of processes"
    return EngineError("Docker is not installed", hint=hint, missing=True)


def package_missing() -> EngineError:
    return EngineError("Docker's Python package is not installed", hint="pip install 'daybreak[docker]'", missing=True)


def command_missing() -> EngineError:
    return EngineError(
        "there is no `docker` command, by which programs are run in containers",
        hint="install it (docker-ce-cli, or docker-cli in Debian)",
        missing=True,
    )


def not_permitted() -> EngineError:
    return EngineError(
        "this account may not use Docker: permission to its socket was denied",
        hint='sudo usermod -aG docker "$USER", then log in again',
    )


def stopped() -> EngineError:
    """Nothing listens where the engine should: it is stopped, or was never there."""
    if not os.environ.get("DOCKER_HOST") and not any(shutil.which(program) for program in PROGRAMS):
        return not_installed()
    return EngineError(f"Docker's engine does not answer at {address()}", hint=START)


def too_late(timeout_s: float) -> EngineError:
    return EngineError(f"Docker's engine gave no answer within {timeout_s:g} s", hint=RESTART)


def address() -> str:
    """Where the engine is looked for: a path, or the address as the user gave it."""
    return os.environ.get("DOCKER_HOST", SOCKET).removeprefix("unix://")


def of_text(text: str, otherwise: str = "docker failed") -> EngineError:
    """What the command said on standard error."""
    lowered = text.lower()
    if "permission denied" in lowered and ("socket" in lowered or "daemon" in lowered or "connect" in lowered):
        return not_permitted()
    if any(mark in lowered for mark in _STOPPED[:3]) or (
        _STOPPED[3] in lowered and any(mark in lowered for mark in _ABOUT_SOCKET)
    ):
        return stopped()
    lines = text.strip().splitlines()
    return EngineError(lines[-1].removeprefix("Error response from daemon: ") if lines else otherwise)


def of_error(error: BaseException, timeout_s: float) -> EngineError:
    """What an exception of the package, or of the libraries below it, means. `status` is the engine's HTTP status."""
    if isinstance(error, EngineError):
        return error
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        said = str(getattr(error, "explanation", "") or error).strip()
        return EngineError(said.splitlines()[-1], status=status)
    causes = list(_causes(error))
    if any(isinstance(cause, PermissionError) for cause in causes):
        return not_permitted()
    if any(isinstance(cause, FileNotFoundError | ConnectionError) for cause in causes):
        return stopped()
    if any(isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__ for cause in causes):
        return too_late(timeout_s)
    return of_text(str(error), otherwise=type(error).__name__)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from. urllib3 hands what it caught on as an argument, not as a cause."""
    seen: set[int] = set()
    reach: list[object] = [error]
    while reach:
        found = reach.pop()
        if not isinstance(found, BaseException) or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        reach += [found.__cause__, found.__context__, *found.args]
