"""What a fork does, from its first moment to its end."""

import os
import signal
import socket
import sys
import traceback
from typing import Any, Callable, Dict, List, NoReturn, Tuple

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
    proxied,
    registry,
    replica_class,
    skip_modules,
    spares,
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
        self._run(compiled, lambda: self._prepare(asked, have))

    def become_spare(
        self, connection: socket.socket, request: Dict[str, Any], compiled: Any, have: imported.Imported
    ) -> NoReturn:
        """Prepare for that program, and become it when a launcher asks for it."""
        self._run(compiled, lambda: self._prepare_ahead(connection, request, have))

    def _run(self, compiled: Any, prepare: Callable[[], Dict[str, Any]]) -> NoReturn:
        code = 1
        try:
            code = ending.run_program(prepare(), compiled)
            ending.leave(code, self._template, f"{self._folder}/exit-{os.getpid()}")
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code if code > 0 else 1)

    def _prepare(self, asked: connections.Launcher, have: imported.Imported) -> Dict[str, Any]:
        """Returns what is to be run."""
        request = asked.request
        assert request is not None
        program: Dict[str, Any] = request["program"]
        signal.set_wakeup_fd(-1)
        have.leave()
        if asked.door is not None:
            listen_for.hand_over(asked.door, request, asked.fds)
        request["env"].update(have.variables.made(request["env"]))
        self._take_over(request, asked.fds, asked.connection.detach())
        if "door" in request:
            listen_for.take(request["door"])
        have.renew()
        fresh.search_path(have.site_path, program)
        self._begin(program, have)
        self._show(request)
        return program

    def _prepare_ahead(
        self, connection: socket.socket, request: Dict[str, Any], have: imported.Imported
    ) -> Dict[str, Any]:
        """The same, in another order: what needs no launcher comes before there is one."""
        program: Dict[str, Any] = request["program"]
        signal.set_wakeup_fd(-1)
        have.leave()
        spares.leave_the_template(connection)
        own = have.variables.made(request["env"])
        takeover.take_environment({**request["env"], **own})
        fresh.randomness()
        have.renew()
        fresh.executable(request)
        fresh.search_path(have.site_path, program)
        self._begin(program, have)
        asked, files = spares.wait(connection, request)
        *files, last = files
        self._take_over(asked, files, last)
        fresh.look_again()
        self._show(asked)
        given: Dict[str, Any] = asked["program"]
        return given

    def _take_over(self, request: Dict[str, Any], files: List[int], connection: int) -> None:
        def record() -> None:
            self._records.add(os.getpid(), request["pid"], request["env"])

        takeover.take_over(request, launcher.surroundings(), files, connection, record)
        fresh.randomness()
        fresh.beginnings()
        fresh.executable(request)

    def _begin(self, program: Dict[str, Any], have: imported.Imported) -> None:
        """What concerns imports: from here on they are the program's."""
        skip_modules.prepare(program)
        closing.prepare(program)
        is_worker = program["what"].endswith(modules.WORKER)
        if is_worker:
            modules.watch(f"{self._folder}/{registry.SEEN}")
        have.arm()
        if is_worker:
            breakpoints.prepare()
            proxied.prepare()
            replica_class.prepare()

    def _show(self, request: Dict[str, Any]) -> None:
        process_title.show(sys.orig_argv, self._title)
        if request.get("low"):
            priority.begin_low(request["program"])
