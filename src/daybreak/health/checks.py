"""One attempt at a check: `Ready`, `NotYet(reason)` or `Failed(reason)`. Nothing here waits or repeats."""

from __future__ import annotations

import asyncio
from pathlib import Path

from daybreak.backends.base import Backend, TellsHealth
from daybreak.backends.process.limits import lacking
from daybreak.files import read_book
from daybreak.health import http
from daybreak.health.serve_routes import routes_answer
from daybreak.health.verdict import SILENT, Failed, NotYet, Ready, Short, Verdict
from daybreak.services.service import (
    Check,
    CommandCheck,
    DeployCheck,
    EngineHealthCheck,
    EveryCheck,
    GreetingCheck,
    HttpCheck,
    RedisCheck,
    ServeCheck,
    Service,
    TcpCheck,
)
from daybreak.states import Health, Stage

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NO_SETTINGS = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
GREETING_S = 3.0


async def attempt(check: Check, service: Service, backend: Backend, *, instance: str, timeout_s: float) -> Verdict:
    """Make one attempt that takes at most `timeout_s`."""
    try:
        async with asyncio.timeout(timeout_s):
            return await _dispatch(check, service, backend, instance, timeout_s)
    except TimeoutError:
        return NotYet(f"{SILENT} within {timeout_s:g} s")
    except (OSError, RuntimeError, MemoryError) as error:
        if what := lacking(error):
            return Short(f"not checked: the keeper is short of {what}", lacking=what)
        if isinstance(error, OSError):
            return NotYet(error.strerror or str(error))
        raise


async def _dispatch(check: Check, service: Service, backend: Backend, instance: str, timeout_s: float) -> Verdict:
    match check:
        case TcpCheck():
            return await _tcp(check)
        case HttpCheck():
            return await _http(check)
        case CommandCheck():
            result = await backend.run(service, check.argv, timeout_s=timeout_s)
            last = result.output.splitlines()[-1:] or [f"exit code {result.code}"]
            if result.code == check.never:
                return Failed(last[0])
            return Ready() if result.code == 0 else NotYet(last[0])
        case RedisCheck():
            return await _redis(check)
        case DeployCheck():
            return _deploy(check, instance)
        case ServeCheck():
            return await routes_answer(check)
        case EngineHealthCheck():
            return await _engine(backend, instance)
        case GreetingCheck():
            return await _greeting(check)
        case EveryCheck():
            asked = (attempt(one, service, backend, instance=instance, timeout_s=timeout_s) for one in check.checks)
            return next((said for said in await asyncio.gather(*asked) if not isinstance(said, Ready)), Ready())


async def _tcp(check: TcpCheck) -> Verdict:
    try:
        _, writer = await asyncio.open_connection(check.host, check.port)
    except ConnectionRefusedError:
        return NotYet(f"nothing listens on {check.host}:{check.port}")
    await http.close(writer)
    return Ready()


async def _greeting(check: GreetingCheck) -> Verdict:
    """The first that either side sends are its settings (RFC 9113, 3.4). No token is asked for before that."""
    try:
        reader, writer = await asyncio.open_connection(check.host, check.port)
    except ConnectionRefusedError:
        return NotYet(f"{check.what} does not listen on {check.host}:{check.port}")
    try:
        writer.write(PREFACE + NO_SETTINGS)
        async with asyncio.timeout(GREETING_S):
            await reader.read(1)
    except TimeoutError:
        return NotYet(f"{check.what} hangs: it accepts connections at {check.host}:{check.port}, but does not answer")
    except ConnectionError:
        pass
    finally:
        await http.close(writer)
    return Ready()


async def _http(check: HttpCheck) -> Verdict:
    token = Path(check.bearer.path).read_text().strip() if check.bearer else None
    try:
        answer = await http.get(check.url, token=token, any_certificate=check.any_certificate)
    except ConnectionRefusedError:
        return NotYet(f"nothing listens at {check.url}")
    except ValueError as error:
        return Failed(f"{check.url} is no URL that could answer: {error}")
    if not check.accept[0] <= answer.status <= check.accept[1]:
        return NotYet(f"{check.url} answers {answer.status}")
    lacking = check.contains is not None and check.contains not in answer.text
    if lacking or (check.lacks is not None and check.lacks in answer.text):
        return NotYet(f"{check.url} answers: {answer.text.strip()[:120] or 'nothing'}")
    return Ready()


async def _redis(check: RedisCheck) -> Verdict:
    try:
        if check.host:
            reader, writer = await asyncio.open_connection(check.host, check.port)
        else:
            reader, writer = await asyncio.open_unix_connection(check.socket_path)
    except (FileNotFoundError, ConnectionRefusedError):
        return NotYet(f"{f'{check.host}:{check.port}' if check.host else 'the socket'} does not accept connections")
    try:
        if check.password:
            password = Path(check.password.path).read_text().strip("\n").encode()
            # Not as a line of words, which a password may hold several of.
            writer.write(b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n" % (len(password), password))
            await reader.readline()
        writer.write(b"PING\r\n")
        line = (await reader.readline()).decode(errors="replace").strip()
    finally:
        await http.close(writer)
    return Ready() if line == "+PONG" else NotYet(line.lstrip("-") or "the connection was closed")


def _deploy(check: DeployCheck, instance: str) -> Verdict:
    state = read_book(check.status_file)
    if state.get("instance") != instance or state.get("stage") not in list(Stage):
        return NotYet("the deployment has not begun")
    stage = Stage(state["stage"])
    if stage is Stage.FAILED:
        lines, whole = (tuple(map(str, state.get(key) or ())) for key in ("error", "whole"))
        return Failed(str(state.get("reason")), lines, whole)
    if stage.reached(check.stage):
        return Ready()
    reason = str(state.get("reason", ""))
    return NotYet(reason if stage is Stage.SUBMITTED and reason else f"{stage} {reason}".strip(), stage)


async def _engine(backend: Backend, instance: str) -> Verdict:
    """The engine tells by events: asking again costs nothing, and needs no process in the container."""
    if not isinstance(backend, TellsHealth):
        return Failed("it has no container, so no engine checks its health")
    word = await backend.health(instance)
    if word == "none":
        return Failed("neither its image nor its container has a health check")
    return Ready() if word == Health.HEALTHY else NotYet(f"the engine calls it {word}")
