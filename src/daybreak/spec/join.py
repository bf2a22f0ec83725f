"""Where a cluster's worker nodes belong that join the head of another machine."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field

from daybreak.spec.base import Model

# Ray takes no names here: they may mean another address on each machine.
ENDPOINT_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?:[1-9][0-9]{0,4}$"
HIGHEST_PORT = 65535


def _reached_by_others(text: str) -> str:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        raise ValueError(f"must be an IPv4 address of this machine such as 10.0.0.5, not '{text}'") from None
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        raise ValueError(f"must be the address at which other machines reach this one, not '{text}'")
    return str(address)


def _with_port(text: str) -> str:
    if int(text.rpartition(":")[2]) > HIGHEST_PORT:
        raise ValueError(f"ends with a port up to {HIGHEST_PORT}, not '{text}'")
    return text


# Of this machine, for other machines.
Address = Annotated[str, AfterValidator(_reached_by_others)]
Endpoint = Annotated[str, Field(pattern=ENDPOINT_PATTERN), AfterValidator(_with_port)]


class Join(Model):
    """The head of another machine, which all workers of this cluster join."""

    address: Endpoint = Field(description="Where its GCS answers: address and port, such as 10.0.0.5:6380.")
    token_file: str | None = Field(
        default=None, min_length=1, description="File with Ray's token of that cluster (Ray 2.52 and newer)."
    )

    @property
    def host_and_port(self) -> tuple[str, int]:
        host, _, port = self.address.rpartition(":")
        return host, int(port)
