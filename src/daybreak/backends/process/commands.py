"""Commands that run beside services: each with a deadline, and gone when that has passed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from daybreak.backends.base import CommandResult
from daybreak.backends.process import limits
from daybreak.names import NOT_RUN_CODE, TIMED_OUT_CODE

MOST_OUTPUT = 4000


async def run_command(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: str | None,
    timeout_s: float,
    given: bytes | None = None,
    held: Sequence[int] = (),
) -> CommandResult:
    """Run a command, which gets `given` on its standard input and the descriptors `held`; it never outlives its
    deadline.

    Raises OSError where it is the keeper that lacks something to start it.
    """
    try:
        child = await asyncio.create_subprocess_exec(
            *argv,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=held,
        )
    except OSError as error:
        if limits.lacking_to_start(error):
            raise
        return CommandResult(NOT_RUN_CODE, f"{argv[0]}: {error.strerror}")
    limits.give_back(child.pid)
    try:
        async with asyncio.timeout(timeout_s):
            output, _ = await child.communicate(given)
    except TimeoutError:
        return CommandResult(TIMED_OUT_CODE, f"no answer within {timeout_s:g} s")
    finally:
        if child.returncode is None:
            kill_group(child.pid)
            await child.wait()
    return CommandResult(child.returncode or 0, output.decode(errors="replace")[-MOST_OUTPUT:].strip())


def kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
