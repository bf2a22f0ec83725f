"""WebSockets that come through a proxy of Serve get a close frame when their replica is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from daybreak.programs.warm import proxied
from daybreak.programs.warm.closing import CLOSE

ACCEPT = {"type": "websocket.accept"}


def says(text: str) -> dict[str, Any]:
    return {"type": "websocket.send", "text": text}


class ASGIReceiveProxy:
    """What Serve's receiver of a proxied request shows."""

    def __init__(self, kind: str = "websocket") -> None:
        self._type = kind


class ASGIDIReceiveProxy(ASGIReceiveProxy):
    """That of a request which came to the replica itself."""


class Application:
    """What one says, batch by batch, as it is told; `messages` ends when it is told None."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[list[dict[str, Any]] | None] = asyncio.Queue()
        self.is_over = False

    async def messages(self) -> AsyncIterator[list[dict[str, Any]]]:
        try:
            while (batch := await self.told.get()) is not None:
                yield batch
        finally:
            self.is_over = True


def replica_and_caller() -> tuple[Any, Any]:
    """Classes as Serve's, changed."""

    class Replica:
        async def perform_graceful_shutdown(self) -> str:
            return "stopped"

    class Caller:
        async def call_http_entrypoint(self, application: Application, receive: object) -> AsyncIterator[Any]:
            assert receive
            async for batch in application.messages():
                yield batch

    proxied.close_them(Replica, Caller)
    return Replica(), Caller()


async def heard(messages: Any, into: list[Any]) -> None:
    async for batch in messages:
        into.extend(batch)


def run(story: Any) -> None:
    asyncio.run(asyncio.wait_for(story(), 60))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxied, "SOON_S", 0.0)


def test_it_is_closed_with_its_replica_and_what_is_said_after_that_nobody_hears() -> None:
    async def story() -> None:
        replica, caller = replica_and_caller()
        application, got = Application(), list[Any]()
        hearing = asyncio.create_task(heard(caller.call_http_entrypoint(application, ASGIReceiveProxy()), got))
        application.told.put_nowait([ACCEPT])
        application.told.put_nowait([says("a")])
        while says("a") not in got:
            await asyncio.sleep(0)
        assert await replica.perform_graceful_shutdown() == "stopped"
        while len(got) < 3:
            await asyncio.sleep(0)
        assert got == [ACCEPT, says("a"), CLOSE]
        application.told.put_nowait([says("b")])
        application.told.put_nowait(None)
        await hearing
        assert got == [ACCEPT, says("a"), CLOSE]
        assert application.is_over

    run(story)


def test_one_that_is_opened_after_that_is_closed_when_it_is_open() -> None:
    async def story() -> None:
        replica, caller = replica_and_caller()
        await replica.perform_graceful_shutdown()
        await asyncio.sleep(0.01)
        application, got = Application(), list[Any]()
        hearing = asyncio.create_task(heard(caller.call_http_entrypoint(application, ASGIReceiveProxy()), got))
        await asyncio.sleep(0.01)
        assert got == []
        application.told.put_nowait([ACCEPT])
        while CLOSE not in got:
            await asyncio.sleep(0)
        application.told.put_nowait(None)
        await hearing
        assert got == [ACCEPT, CLOSE]

    run(story)


def test_one_that_the_application_has_closed_is_not_closed_again() -> None:
    async def story() -> None:
        replica, caller = replica_and_caller()
        own = {"type": "websocket.close", "code": 4000}
        application, got = Application(), list[Any]()
        hearing = asyncio.create_task(heard(caller.call_http_entrypoint(application, ASGIReceiveProxy()), got))
        application.told.put_nowait([ACCEPT, own])
        await asyncio.sleep(0.01)
        await replica.perform_graceful_shutdown()
        await asyncio.sleep(0.01)
        application.told.put_nowait(None)
        await hearing
        assert got == [ACCEPT, own]

    run(story)


def test_an_application_that_does_not_listen_is_ended_as_when_its_client_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(proxied, "HEARS_S", 0.05)

    async def story() -> None:
        replica, caller = replica_and_caller()
        application, got = Application(), list[Any]()
        hearing = asyncio.create_task(heard(caller.call_http_entrypoint(application, ASGIReceiveProxy()), got))
        application.told.put_nowait([ACCEPT])
        await asyncio.sleep(0.01)
        await replica.perform_graceful_shutdown()
        await replica.perform_graceful_shutdown()
        while CLOSE not in got:
            await asyncio.sleep(0)
        while not hearing.done():
            application.told.put_nowait([says("the price is 4")])
            await asyncio.sleep(0.01)
        assert application.is_over
        assert got == [ACCEPT, CLOSE]

    run(story)


@pytest.mark.parametrize("after_the_end", [False, True])
def test_what_the_application_raises_is_raised(after_the_end: bool) -> None:
    async def story() -> None:
        replica, caller = replica_and_caller()

        class Broken(Application):
            async def messages(self) -> AsyncIterator[list[dict[str, Any]]]:
                async for batch in super().messages():
                    yield batch
                raise OSError("broken")

        application, got = Broken(), list[Any]()
        hearing = asyncio.create_task(heard(caller.call_http_entrypoint(application, ASGIReceiveProxy()), got))
        application.told.put_nowait([ACCEPT])
        await asyncio.sleep(0.01)
        if after_the_end:
            await replica.perform_graceful_shutdown()
            while CLOSE not in got:
                await asyncio.sleep(0)
        application.told.put_nowait(None)
        with pytest.raises(OSError, match="broken"):
            await hearing

    run(story)


def test_whoever_stops_listening_at_the_close_frame_ends_the_application_too() -> None:
    async def story() -> None:
        replica, caller = replica_and_caller()
        others = asyncio.all_tasks()
        application = Application()
        messages = caller.call_http_entrypoint(application, ASGIReceiveProxy())
        application.told.put_nowait([ACCEPT])
        assert await anext(messages) == [ACCEPT]
        await replica.perform_graceful_shutdown()
        assert await anext(messages) == [CLOSE]
        await messages.aclose()
        await asyncio.sleep(0)
        assert application.is_over
        assert asyncio.all_tasks() == others

    run(story)


def test_a_replica_with_little_time_closes_them_in_half_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxied, "SOON_S", 5.0)
    config = SimpleNamespace(graceful_shutdown_timeout_s=1.0)
    replica = SimpleNamespace(_replica_impl=SimpleNamespace(_deployment_config=config))
    assert proxied._soon_s(replica) == 0.5
    config.graceful_shutdown_timeout_s = 30
    assert proxied._soon_s(replica) == 5.0
    assert proxied._soon_s(object()) == 5.0


def test_whoever_is_cancelled_while_listening_ends_the_application_too() -> None:
    async def story() -> None:
        _, caller = replica_and_caller()
        others = asyncio.all_tasks()
        application, got = Application(), list[Any]()
        hearing = asyncio.create_task(heard(caller.call_http_entrypoint(application, ASGIReceiveProxy()), got))
        application.told.put_nowait([ACCEPT])
        await asyncio.sleep(0.01)
        hearing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hearing
        assert application.is_over
        assert asyncio.all_tasks() == others

    run(story)


@pytest.mark.parametrize("receive", [ASGIReceiveProxy("http"), ASGIDIReceiveProxy()])
def test_requests_and_what_the_replicas_own_server_got_are_left_as_they_are(receive: object) -> None:
    async def story() -> None:
        replica, caller = replica_and_caller()
        application, got = Application(), list[Any]()
        hearing = asyncio.create_task(heard(caller.call_http_entrypoint(application, receive), got))
        application.told.put_nowait([ACCEPT])
        await asyncio.sleep(0.01)
        await replica.perform_graceful_shutdown()
        await asyncio.sleep(0.01)
        application.told.put_nowait(None)
        await hearing
        assert got == [ACCEPT]

    run(story)


def test_another_serve_stays_as_it_is() -> None:
    class Replica:
        def perform_graceful_shutdown(self) -> None:
            """No coroutine."""

    before = Replica.perform_graceful_shutdown
    for caller in (None, type("Caller", (), {"call_http_entrypoint": lambda self: self})):
        proxied.close_them(Replica, caller)
        proxied.close_them(None, caller)
    assert Replica.perform_graceful_shutdown is before
