"""The other machines of the cluster: whether they are there and well, their clocks, how far away they are, and whether
their nodes can be reached from here."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from daybreak import __version__
from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Finding, error, note, ok, warning
from daybreak.health.http import close
from daybreak.show.text import plural, seconds
from daybreak.states import HostState, ServiceState

CLOCK_S, FAR_S = 1.0, 0.05
# A firewall that lets packets vanish says nothing for as long as one waits.
REACHED_WITHIN_S = 1.0
Host = Mapping[str, Any]


def look(case: Case) -> Iterator[Finding]:
    """As the keeper knows them, which has measured what lies between; the nodes' ports are tried from here."""
    hosts = case.snapshot.hosts if case.snapshot else ()
    if not hosts:
        yield ok("no other machine belongs to the cluster")
        return
    findings = [found for host in hosts for found in (*_state(case, host), *_between(host))]
    findings += _unreached(case, hosts)
    yield from findings
    if not findings:
        there = sum(host["state"] == HostState.READY for host in hosts)
        yield ok(f"{there} of {plural(len(hosts), 'other machine')} ready; nodes can be reached, clocks agree")


def _state(case: Case, host: Host) -> Iterator[Finding]:
    name, reason = host["name"], host.get("reason") or "no reason is known"
    if host["state"] == HostState.LOST:
        yield error(
            f"host {name} is lost: {reason}",
            "what its replicas were answering is lost; it is brought up to date when it is there again",
            f"ping -c 1 {host['address']}",
            case.command(f"hosts remove {name}"),
        )
    elif host["state"] == HostState.AWAY:
        yield warning(
            f"host {name} is away: {reason}",
            "the cluster has fewer nodes than the spec says; it is tried again and again",
            f"ssh {host['address']} true",
        )
    elif host["state"] == HostState.DEGRADED:
        why = "nodes of it are given up, or it cannot become what it should be"
        yield warning(f"host {name}: {reason}", why, f"# on {name}: {case.command('doctor')}")
    if host.get("daybreak") not in (None, __version__):
        yield warning(
            f"host {name} has daybreak {host['daybreak']}, this command is {__version__}",
            "keepers of different versions may not understand each other",
            f"# on {name}: pip install daybreak=={__version__}; kill its keeper: the nodes do not end with it",
        )


def _between(host: Host) -> Iterator[Finding]:
    name, ahead, latency = host["name"], host.get("clock_ahead_s"), host.get("latency_s")
    if ahead is not None and abs(ahead) > CLOCK_S:
        yield warning(
            f"the clock of host {name} is {seconds(abs(ahead))} {'ahead' if ahead > 0 else 'behind'}",
            "times in logs of both machines are not in order, and certificates and tokens may be over there",
            f"# on {name}: sudo timedatectl set-ntp true",
        )
    if latency is not None and latency > FAR_S:
        yield note(
            f"a message to host {name} and back takes {seconds(latency)}",
            "each call of an actor there, and each request that a replica there answers, takes as much longer",
        )
    here, there = host.get("mtu_from_here"), host.get("mtu")
    if here and there and here != there:
        yield note(
            f"packets to host {name} may have {here} bytes, those from it {there}",
            "where what lies between drops larger ones without a word, objects and long answers stand still",
            "ip -brief link show",
            f"# the same on {name}: `mtu` must be that of the network between",
        )


def _unreached(case: Case, hosts: Iterable[Host]) -> list[Finding]:
    at = {
        place: f"{host['name']}/{node['name']}"
        for host in hosts
        for node in host.get("nodes") or ()
        if node.get("state") == ServiceState.READY
        for place in node.get("reached_at") or ()
    }
    refused = asyncio.run(_refused(at))
    return [
        error(
            f"{place} of node {at[place]} is not reached from here: {why}",
            "calls to actors there wait for ever, and objects of there cannot be fetched: a firewall, most likely",
            f"# on {at[place].partition('/')[0]}: {case.command('ports --firewall')}",
        )
        for place, why in refused.items()
    ]


async def _refused(places: Iterable[str]) -> dict[str, str]:
    """Those at which nobody can be reached, with why."""
    each = list(places)
    whys = await asyncio.gather(*(_why(place) for place in each))
    return {place: why for place, why in zip(each, whys, strict=True) if why}


async def _why(place: str) -> str:
    address, _, port = place.rpartition(":")
    try:
        async with asyncio.timeout(REACHED_WITHIN_S):
            _, writer = await asyncio.open_connection(address.strip("[]"), int(port))
    except TimeoutError:
        return f"no answer within {REACHED_WITHIN_S:g} s"
    except OSError as failed:
        # asyncio's own words name the place once more.
        return os.strerror(failed.errno) if failed.errno else str(failed)
    with contextlib.suppress(OSError):
        await close(writer)
    return ""
