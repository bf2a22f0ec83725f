"""Ports: what was in networks of its own shares those of one machine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from daybreak.extras.init_from.addresses import DASHBOARD, SERVE
from daybreak.extras.init_from.compose import DONE
from daybreak.extras.init_from.draft import Draft
from daybreak.extras.init_from.kinds import Kind, Known

# daybreak's own that people use, as they are without a word in the spec.
USUAL = {"serve": SERVE, "dashboard": DASHBOARD, "gcs": 6380, "page": 8080, "prometheus": 9090, "grafana": 3000}
# A port in a command, or in the address that a health check asks; not that of another host.
_PORT = re.compile(
    r"(?:--port[= ]|(?:^|[\s=/])(?:-p\s+|(?:0\.0\.0\.0|127\.0\.0\.1|localhost|\[::1?\]|\*)?:))(\d{4,5})(?![\w@])"
)
STEP = 10_000
HIGHEST = 65_535


def listening(draft: Draft, found: Mapping[str, Known], *, serves: bool) -> dict[str, dict[int, int]]:
    """By service, the ports on which it must listen elsewhere than it did. Moves daybreak's own, and leaves out what
    cannot be moved."""
    _of_head(draft, found)
    taken = dict(_databases(draft))
    moved: dict[str, dict[int, int]] = {}
    ours = {name: draft.spec.get("ports", {}).get(name, port) for name, port in USUAL.items()}
    fixed = {ours["serve"]: "Serve"} if serves else {}
    for name, one in found.items():
        if one.kind not in (Kind.OWN, Kind.FOREIGN) or draft.fate(name).reason:
            continue
        for port in one.service.ports:
            if port.inside not in taken and port.inside not in fixed:
                taken[port.inside] = name
                continue
            new = port.published
            if new and new not in taken and new not in fixed and _says(one, port.inside):
                moved.setdefault(name, {})[port.inside] = new
                taken[new] = name
            else:
                other = taken.get(port.inside) or fixed[port.inside]
                draft.left_out(
                    name,
                    f"it listens on port {port.inside}, as {other} does, and its command has no number to change: "
                    "let it listen elsewhere, and write it as a service",
                )
    _unpublished(draft, found, taken)
    for name, port in ours.items():
        if port in taken and not (name == "serve" and serves):
            new = next(each for each in range(port + STEP, HIGHEST, 1) if each not in taken)
            draft.section("ports")[name] = new
            draft.comment("ports", name, text=f"{port} is that of {taken[port]}")
    return moved


def _unpublished(draft: Draft, found: Mapping[str, Known], taken: dict[int, str]) -> None:
    """Services that only others of their network reached listen on this machine, too. Where is not certain, so that
    nothing is left out for it: daybreak's own ports keep away, and two that seem to meet are told."""
    steps = {need for one in found.values() for need, what in one.service.needs.items() if what == DONE}
    for name, one in found.items():
        own = one.kind in (Kind.OWN, Kind.FOREIGN) and not draft.fate(name).reason
        for port in dict.fromkeys(_seems(one)) if own and name not in steps else ():
            other = taken.setdefault(port, name)
            if other != name:
                draft.fate(name).notes.append(
                    f"seems to listen on port {port}, as {other} does: on one machine one of them must listen elsewhere"
                )


def _seems(one: Known) -> Iterator[int]:
    service = one.service
    if service.ports:
        return
    test = service.healthcheck.get("test") or ()
    said = [*service.words, *([test] if isinstance(test, str) else map(str, test))]
    written = [int(port) for port in _PORT.findall(" ".join(said))]
    port = str({**service.build.environment, **service.environment}.get("PORT", ""))
    yield from written or [*service.exposed, *([int(port)] if port.isdecimal() else [])]


def _says(one: Known, port: int) -> bool:
    """Does its command name the port, so that another can stand there?"""
    return any(re.search(rf"(?<!\d){port}(?!\d)", word) for word in one.service.words)


def _of_head(draft: Draft, found: Mapping[str, Known]) -> None:
    """Serve's port is where it was published: programs of this machine know that one."""
    for one in found.values():
        if one.kind in (Kind.HEAD, Kind.SERVE):
            for port in one.service.ports:
                if port.inside == SERVE and port.published not in (None, SERVE):
                    draft.section("ports")["serve"] = port.published


def _databases(draft: Draft) -> Iterator[tuple[int, str]]:
    for name, about in draft.spec.get("databases", {}).items():
        if about.get("port"):
            yield about["port"], name
