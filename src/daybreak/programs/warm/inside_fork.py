"""What a fork does, from its first moment to its end."""

import os
import signal
import sys
import traceback
from typing import Any, NoReturn, Tuple

from . import (
    breakpoints,
    closing,
    connections,
    ending,
    fresh,
    imported,
    launcher,
    listen_for,
    modules,
    priority,
    process_title,
    registry,
    skip_modules,
    takeover,
)


class InsideFork:
    """What forks need to know of the template: its folder, its pid, and where its title lies."""

    def __init__(self, folder: str, records: registry.Registry) -> None:
        self._folder = folder
        self._records = records
        self._template = os.getpid()
        self._title: Tuple[int, int, int] = process_title.area()

    def become(self, asked: connections.Launcher, compiled: Any, have: imported.Imported) -> NoReturn:
        """Become the program that was asked for. Whatever happens, this is the end of the process."""
        code = 1
        try:
            self._prepare(asked, have)
            code = ending.run_program(asked.program, compiled)
            ending.leave(code, self._template, f"{self._folder}/exit-{os.getpid()}")
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code if code > 0 else 1)

    def _prepare(self, asked: connections.Launcher, have: imported.Imported) -> None:
        request = asked.request
        assert request is not None
        program = request["program"]
        signal.set_wakeup_fd(-1)
        have.leave()
        if asked.door is not None:
            listen_for.hand_over(asked.door, request, asked.fds)
        request["env"].update(have.variables.made(request["env"]))

        def record() -> None:
            self._records.add(os.getpid(), request["pid"], request["env"])

        takeover.take_over(request, launcher.surroundings(), asked.fds, asked.connection.detach(), record)
        if "door" in request:
            listen_for.take(request["door"])
        fresh.randomness()
        have.renew()
        fresh.beginnings()
        fresh.executable(request)
        fresh.search_path(have.site_path, program)
        skip_modules.prepare(program)
        closing.prepare(program)
        process_title.show(sys.orig_argv, self._title)
        if program["what"].endswith(modules.WORKER):
            modules.watch(f"{self._folder}/{registry.SEEN}")
        have.arm()
        if request.get("low"):
            priority.begin_low(program)
        if program["what"].endswith(modules.WORKER):
            breakpoints.prepare()
