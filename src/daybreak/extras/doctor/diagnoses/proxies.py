"""Proxies in the environment that also catch requests to this machine itself."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Finding, ok, warning

PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY", "grpc_proxy")
EXCEPTIONS = ("no_proxy", "NO_PROXY")
HOSTS = ("127.0.0.1", "localhost", "127.0.0.2")
ALL = "localhost,127.0.0.1,127.0.0.2,::1"


def look(case: Case) -> Iterator[Finding]:
    """This shell's variables, and those that services inherit from the keeper where they differ."""
    names = (*PROXIES, *EXCEPTIONS)
    shell = {name: case.environment[name] for name in names if case.environment.get(name)}
    findings = list(judge(shell, "requests from this shell"))
    keeper = case.inherited(names)
    if case.keeper_pid and keeper != shell:
        findings += judge(keeper, "requests from your own services")
    yield from findings or [ok("none, or none that catches requests to this machine")]


def judge(variables: Mapping[str, str], whose: str) -> Iterator[Finding]:
    """One finding for all variables; only the proxy's host and port are told, for the rest may be a password."""
    set_ones = [name for name in PROXIES if variables.get(name)]
    exceptions = ",".join(variables[name] for name in EXCEPTIONS if variables.get(name))
    caught = [host for host in HOSTS if not _excepted(host, exceptions)]
    if not set_ones or not caught:
        return
    named = ", ".join(f"{name} ({_place(variables[name])})" for name in set_ones)
    kept = f"{exceptions}," if exceptions else ""
    yield warning(
        f"{named} catches {', '.join(caught)}",
        f"{whose} to the application, the dashboard or Ray go to the proxy, which answers or refuses them",
        f'export no_proxy="{kept}{ALL}" NO_PROXY="{kept}{ALL}"',
    )


def _excepted(host: str, exceptions: str) -> bool:
    """As curl and requests read it: names, suffixes, addresses, networks, or a star for everything."""
    for entry in (part.strip().lower() for part in exceptions.replace(" ", ",").split(",")):
        if entry in ("*", host) or (entry and host.endswith("." + entry.lstrip("."))):
            return True
        try:
            if ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False):
                return True
        except ValueError:
            continue
    return False


def _place(proxy: str) -> str:
    try:
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
        return f"{parts.hostname or '?'}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        return "?"
