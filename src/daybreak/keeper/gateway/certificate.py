"""A certificate that was replaced is taken up by a gateway that runs: no connection ends, no port is closed."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from daybreak.files import write_private
from daybreak.keeper.gateway.runtime_socket import GatewaySilent, command
from daybreak.services.edge.gateway import runtime_socket, tls_file
from daybreak.services.site import Site


def is_renewed(site: Site) -> bool:
    """Is the certificate another one than the gateway has? Its file holds what it has read, or was told."""
    try:
        return bool(site.tls) and Path(tls_file(site)).read_text() != site.tls
    except (OSError, ValueError):
        return False  # it speaks no TLS


async def renew(site: Site) -> None:
    """Tell the gateway. Raises GatewaySilent where it does not take it."""
    if not is_renewed(site):
        return
    socket, place = runtime_socket(site), tls_file(site)
    answer = await command(socket, f"set ssl cert {place}", payload=site.tls)
    if "ransaction" in answer:
        answer = await command(socket, f"commit ssl cert {place}")
    if "Success" not in answer:
        with contextlib.suppress(GatewaySilent):
            await command(socket, f"abort ssl cert {place}")
        raise GatewaySilent(f"the gateway does not take the certificate: {answer}")
    await asyncio.to_thread(write_private, Path(place), site.tls)
