"""HTTPS at a real HAProxy: what is behind it speaks plain HTTP, and a new certificate closes nothing."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from daybreak.keeper.gateway.certificate import renew
from daybreak.keeper.gateway.pause import Page, Pause
from daybreak.keeper.gateway.runtime_socket import GatewaySilent
from daybreak.services.edge.gateway import tls_file
from daybreak.spec.certificate import read_pair
from daybreak.timeline.event import Kind
from tests.haproxy import PROGRAMS
from tests.helpers import eventually
from tests.tls import certificate_in
from tests.unit.keeper.gateway.bench import Bench, bench, story

pytestmark = pytest.mark.skipif(not PROGRAMS, reason="this machine has no HAProxy")


def made_in(folder: Path, name: str) -> str:
    """Certificate and key as the gateway has them; the files are in the folder then."""
    pair, troubles = read_pair(*certificate_in(folder, name=name))
    assert pair, troubles
    return pair.text


def trusting(folder: Path) -> ssl.SSLContext:
    """A client that trusts the folder's certificate alone, and knows HTTP/2."""
    context = ssl.create_default_context(cafile=folder / "cert.pem")
    context.check_hostname = False
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


async def connect(made: Bench, context: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", made.cluster.spec.port("serve"), ssl=context)


async def get(made: Bench, context: ssl.SSLContext) -> str:
    """Over HTTP/1.1."""
    context.set_alpn_protocols(["http/1.1"])
    reader, writer = await connect(made, context)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    return text


async def ends_at(made: Bench, certificate: Path) -> bool:
    """Is it this one that is shown?"""
    try:
        await get(made, trusting(certificate.parent))
    except ssl.SSLError:
        return False
    return True


@pytest.mark.parametrize("program", PROGRAMS)
@story
async def test_tls_ends_at_the_gateway(folder: Path, program: str) -> None:
    async with bench(folder, program, tls=made_in(folder, "first.example")) as made:
        assert Path(tls_file(made.cluster.site)).read_text() == made.cluster.site.tls
        await made.upstream.start()
        made.tell(Kind.READY, "serve")
        assert "200 OK" in await get(made, trusting(folder))
        assert made.upstream.seen[0]["x-forwarded-proto"] == "https"
        _, writer = await connect(made, trusting(folder))
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        writer.close()
        made.steering.pauses.begin(Pause(1.0, Page("text/plain", b"sorry")))
        assert await made.steering.obey()
        assert "503 Service Unavailable" in await get(made, trusting(folder))


@pytest.mark.parametrize("program", PROGRAMS)
@story
async def test_another_certificate_is_taken_up_when_a_run_ends_and_nothing_is_closed(
    folder: Path, program: str
) -> None:
    async with bench(folder, program, tls=made_in(folder, "first.example")) as made:
        await made.upstream.start()
        made.tell(Kind.READY, "serve")
        assert await ends_at(made, folder / "cert.pem")
        reader, writer = await connect(made, ssl._create_unverified_context())
        (folder / "new").mkdir()
        site = replace(made.cluster.site, tls=made_in(folder / "new", "second.example"))
        made.cluster = replace(made.cluster, site=site)
        made.steering.want(made.cluster)
        made.tell(Kind.RUN_ENDED, "")
        await eventually(lambda: Path(tls_file(site)).read_text() == site.tls)
        assert await ends_at(made, folder / "new" / "cert.pem")
        assert not await ends_at(made, folder / "cert.pem")
        assert Path(tls_file(site)).stat().st_mode & 0o777 == 0o600
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert b"200 OK" in await reader.read()
        writer.close()
        assert made.recording.events == []


@story
async def test_what_the_gateway_does_not_take_leaves_it_with_what_it_has(folder: Path) -> None:
    async with bench(folder, PROGRAMS[0], tls=made_in(folder, "first.example")) as made:
        await made.upstream.start()
        made.tell(Kind.READY, "serve")
        broken = replace(made.cluster.site, tls=made.cluster.site.tls.replace("M", "N"))
        with pytest.raises(GatewaySilent) as caught:
            await renew(broken)
        assert "PRIVATE KEY" not in caught.value.message
        assert await ends_at(made, folder / "cert.pem")
        await renew(made.cluster.site)
