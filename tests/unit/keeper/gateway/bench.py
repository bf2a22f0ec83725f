"""A real HAProxy with the gateway's configuration, a small server behind it, and the keeper's hand on it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from daybreak.accepting import stop_accepting
from daybreak.backends.base import Handle
from daybreak.keeper.background import Background
from daybreak.keeper.gateway.pause import PauseBook
from daybreak.keeper.gateway.runtime_socket import GatewaySilent, command
from daybreak.keeper.gateway.steering import Steering
from daybreak.run.plan import Plan, Stop
from daybreak.services.build import Cluster
from daybreak.services.edge.gateway import gateway, runtime_socket
from daybreak.services.service import Service
from daybreak.timeline.event import Event, Kind
from tests.helpers import eventually, free_ports
from tests.unit.helpers import Recording, service
from tests.unit.services.test_gateway import by_import, with_gateway

STORY_S = 60.0


@dataclass
class Upstream:
    """Answers every request with `status`, or not at all where that is empty; those to `/slow` when it is let go; a
    first one to `/lost` not at all."""

    port: int
    answered: list[str] = field(default_factory=list)
    seen: list[dict[str, str]] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    server: asyncio.Server | None = None
    under_way: int = 0
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    lost: bool = False
    status: str = "200 OK"

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def stop(self) -> None:
        if self.server:
            await stop_accepting((self.server,))
            self.server.close()
            await self.server.wait_closed()
            self.server = None

    async def end(self) -> None:
        """Stop, and let everything that is under way come to its end."""
        self.go.set()
        await self.stop()
        await eventually(lambda: not self.under_way)

    async def crash(self) -> None:
        """Nobody listens any more, and what was under way gets no answer."""
        if self.server:
            await stop_accepting((self.server,))
            self.server.close()
            self.server = None
        for writer in self.writers:
            writer.transport.abort()
        self.go.set()
        await eventually(lambda: not self.under_way)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.under_way += 1
        self.writers.add(writer)
        try:
            await self._answer(reader, writer)
        finally:
            writer.close()
            self.writers.discard(writer)
            self.under_way -= 1

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            path = first.split()[1]
            if path == "/lost" and not self.lost:
                self.lost = True
                return
            if path == "/slow":
                await self.go.wait()
            if path != "/-/healthz":
                self.answered.append(path)
                self.seen.append({key.lower(): value for key, _, value in (line.partition(": ") for line in lines)})
            status = "200 OK" if path == "/-/healthz" else self.status
            if not status:
                return
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n".encode())
            await writer.drain()


@dataclass
class Bench:
    """The gateway that runs, and what is around it."""

    cluster: Cluster
    upstream: Upstream
    recording: Recording
    steering: Steering
    log: Path
    process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        """Start HAProxy, and wait until it takes commands."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(*self.gateway.argv, stdout=log, stderr=log)
        async with asyncio.timeout(STORY_S):
            while True:
                with contextlib.suppress(GatewaySilent):
                    await self.state()
                    break
                assert self.process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.01)

    async def kill(self) -> None:
        if self.process:
            self.process.kill()
            await self.process.wait()

    @property
    def socket(self) -> str:
        return runtime_socket(self.cluster.site)

    async def get(
        self, path: str = "/", *headers: str, method: str = "GET", port: Literal["serve", "dashboard"] = "serve"
    ) -> tuple[int, str]:
        """Status and the whole answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.cluster.spec.port(port))
        connection = "upgrade" if any(line.startswith("Upgrade:") for line in headers) else "close"
        lines = [f"{method} {path} HTTP/1.1", "Host: a", f"Connection: {connection}", *headers]
        try:
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
            text = (await reader.read()).decode()
        finally:
            writer.close()
        return int(text.split()[1]), text

    def tell(self, kind: Kind, name: str, **data: object) -> None:
        self.steering.follow(Event(kind, 0.0, 0.0, name, data=data))

    async def state(self) -> str:
        place = next(file.path for file in self.gateway.files if file.path.endswith("state.map"))
        return (await command(self.socket, f"show map {place}")).split()[-1]

    @property
    def gateway(self) -> Service:
        return next(one for one in self.cluster.services if one.name == "gateway")

    def steps(self, *stopped: str) -> Plan:
        """A plan that leaves the gateway alone."""
        stops = tuple(Stop(handle(name), "restart") for name in stopped)
        return Plan(stop=stops, keep=(handle("gateway"),))

    async def until_state(self, wanted: str) -> None:
        while await self.state() != wanted:
            await asyncio.sleep(0.01)


def handle(name: str) -> Handle:
    return Handle.started(service(name), "i", 1, {}, at_wall=0.0, pid=1, started_ticks=1, boot_id="")


@contextlib.asynccontextmanager
async def bench(folder: Path, program: str, tls: str = "", **settings: object) -> AsyncIterator[Bench]:
    public, own, other, dashboard, own_dashboard = free_ports(5)
    files = {"certificate": "cert.pem", "key": "key.pem"} if tls else None
    spec = by_import(ports={"serve": public, "dashboard": dashboard}, gateway=settings, tls=files)
    place = with_gateway(runtime=str(folder), tls=tls)
    doors = {"head.serve_http": own, "b.head.serve_http": other, "head.own_dashboard": own_dashboard}
    place = replace(place, gateway=program, ports={**place.ports, **doors})
    (service,) = gateway(spec, place)
    (folder / "gw").mkdir()
    for file in service.files:
        Path(file.path).write_text(file.text)
    recording = Recording()
    background = Background(recording.recorder)
    steering = Steering(background, PauseBook(folder / "pause.json"))
    cluster = Cluster(spec, place, (service,))
    steering.want(cluster)
    upstream = Upstream(own)
    made = Bench(cluster, upstream, recording, steering, folder / "log")
    try:
        await made.run()
        yield made
    finally:
        background.close()
        await made.kill()
        await upstream.end()


def story(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that runs in an event loop, with a deadline."""

    @functools.wraps(test)
    def told(*args: Any, **named: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **named), STORY_S))

    return told


async def waiting(made: Bench) -> int:
    return int(await command(made.socket, "gateway waiting"))
