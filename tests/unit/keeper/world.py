"""A whole keeper on a fake backend and a clock that jumps: its cluster is a database and some web services."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from daybreak.backends.base import CommandResult, Exit, Handle, Stopped
from daybreak.backends.fake import FakeBackend, Script
from daybreak.keeper.backends.both_backends import Backends
from daybreak.keeper.control.control_socket import Client
from daybreak.keeper.daemon import Keeper
from daybreak.keeper.runner import Operation
from daybreak.paths import ClusterPaths
from daybreak.services.service import Need, Service, Tier
from daybreak.services.site import Site
from daybreak.spec.model import Spec
from tests.unit.helpers import service
from tests.unit.services.test_serving import site

NEVER = CommandResult(1, "not yet")
SPEC = {"name": "shop", "page": False, "warm": False, "dashboard": False, "prometheus": False, "grafana": False}


def built(spec: Spec, site: Site) -> tuple[Service, ...]:
    """A database, and as many web services as there are workers; `head.env` is a part of what they are."""
    webs = (
        service(f"web-{number + 1}", Tier.APP, "up", env=dict(spec.head.env), needs=(Need("db"),), start_timeout_s=60.0)
        for number in range(spec.workers.count)
    )
    return (service("db", Tier.DATA, "up"), *webs)


class FakeClient(Client):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    @property
    def gone(self) -> bool:
        return False

    def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    async def send_all(self, message: dict[str, Any]) -> None:
        self.send(message)

    @property
    def notes(self) -> list[str]:
        return [message["note"] for message in self.sent if "note" in message]


class FakeBackends(Backends):
    """Everything runs in one fake backend. `halts_at` names what is never done; `reached` tells that it was tried."""

    def __init__(self, paths: ClusterPaths, fake: FakeBackend) -> None:
        super().__init__(paths, None)
        self.fake = self.freezer = fake
        self.halts_at = ""
        self.reached = asyncio.Event()
        self.killed = False

    async def alive(self) -> None:
        """What a killed keeper was doing goes no further."""
        if self.killed:
            await asyncio.Event().wait()

    async def step(self, name: str) -> None:
        await self.alive()
        if name == self.halts_at:
            self.reached.set()
            await asyncio.Event().wait()

    async def settle_on(self, spec: Spec, note: Callable[[str], None]) -> None:
        await self.step("pulling images")

    def inherit(self, environment: Mapping[str, str]) -> None:
        pass

    async def start(self, service: Service, *, instance: str, generation: int, bound: Mapping[str, str]) -> Handle:
        await self.alive()
        return await self.fake.start(service, instance=instance, generation=generation, bound=bound)

    async def stop(self, handle: Handle) -> Stopped:
        stopped = await self.fake.stop(handle)
        await self.alive()
        return stopped

    async def exited(self, handle: Handle) -> Exit:
        end = await self.fake.exited(handle)
        await self.alive()
        return end

    async def observe(self) -> Sequence[Handle]:
        await self.step("observing")
        return await self.fake.observe()

    async def run(self, service: Service, argv: Sequence[str], *, timeout_s: float) -> CommandResult:
        await self.step(f"{argv[0]} of {service.name}")
        return await self.fake.run(service, argv, timeout_s=timeout_s)

    async def purge(self, services: Sequence[str]) -> None:
        await self.fake.purge(services)


class World:
    """One cluster's folder, what runs there, and its keeper; `again` is the keeper that comes after a killed one."""

    built = staticmethod(built)

    def __init__(self, folder: Path, **scripts: Script) -> None:
        self.folder = folder
        self.paths = ClusterPaths("shop", folder / "state", folder / "run")
        self.paths.ensure()
        self.fake = FakeBackend({name.replace("_", "-"): script for name, script in scripts.items()})
        self.again()

    def again(self) -> None:
        self.backends = FakeBackends(self.paths, self.fake)
        self.backends.engine.survey = self._survey  # type: ignore[method-assign]
        self.keeper = Keeper(self.paths, backends=self.backends, build=self.built)

    def _survey(self, *_: Any, **__: Any) -> Site:
        folders = {name: str(self.folder) for name in ("root", "runtime", "logs", "data", "secrets_folder")}
        return site(None, base=str(self.folder), **folders)

    def begin(self, op: str, client: Client | None = None, **fields: Any) -> Operation:
        return self.keeper.begin({"op": op, **fields}, client or FakeClient())

    async def ask(self, op: str, **fields: Any) -> Any:
        return await self.begin(op, **fields).answer()

    def up(self, client: Client | None = None, **fields: Any) -> Operation:
        values = {"spec": spec(**fields.pop("spec", {})), "base": str(self.folder), **fields}
        return self.begin("apply", client, **values)

    async def status(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.ask("status")
        return found

    async def states(self) -> dict[str, str]:
        return {row["name"]: row["state"] for row in (await self.status())["services"]}

    async def running(self) -> dict[str, str]:
        """The instance of each service that runs."""
        return {handle.service: handle.instance for handle in await self.fake.observe()}

    async def crash_unseen(self, name: str) -> None:
        """While no keeper is there; another one comes."""
        self.keeper.close()
        await self.crash(name)
        self.again()
        await self.keeper.adopt()

    async def crash(self, name: str, code: int = 1) -> None:
        for handle in await self.fake.observe():
            if handle.service == name:
                self.fake.end(handle, code)


def spec(*, workers: int = 1, env: str = "") -> dict[str, Any]:
    return {**SPEC, "workers": {"count": workers}, "head": {"env": {"APP": env}}}
