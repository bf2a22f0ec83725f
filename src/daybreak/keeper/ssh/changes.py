"""What differs between the hosts that the spec names and those that there are. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from daybreak.keeper.hosts.book import Host
from daybreak.spec.model import Spec
from daybreak.spec.ssh_hosts import SshHost


def named(spec: Spec) -> dict[str, SshHost]:
    """The hosts of the spec by what they are called."""
    return {host.called: host for host in spec.hosts}


def gone(wanted: Mapping[str, SshHost], hosts: Mapping[str, Host]) -> list[str]:
    """Those that joined by SSH, and that the spec has no more, or has somewhere else by now."""
    return [name for name, host in hosts.items() if host.ssh and (name not in wanted or wanted[name].ssh != host.ssh)]


def unmarked(wanted: Mapping[str, SshHost], hosts: Mapping[str, Host]) -> dict[str, str]:
    """Those that joined by an invitation and are in the spec by now, and where ssh finds them."""
    return {name: host.ssh for name, host in wanted.items() if name in hosts and not hosts[name].ssh}


def plan_lines(
    wanted: Mapping[str, SshHost], hosts: Mapping[str, Host], has: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """What `up` would do about hosts; `has` is what each that was heard of has said of its workers."""
    leaving = gone(wanted, hosts)
    for name in leaving:
        yield f"host {name} ({hosts[name].ssh}) would be drained and removed"
    for name, host in wanted.items():
        if name not in hosts or name in leaving:
            yield f"host {name} ({host.ssh}) would join"
        elif name in has and has[name] != host.own():
            yield f"host {name} would be told: {words(host.own())}"


def words(own: Mapping[str, Any]) -> str:
    """What a host's workers are, in words."""
    rest = [f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in own.items()]
    return ", ".join(rest).replace("count", "workers", 1)
