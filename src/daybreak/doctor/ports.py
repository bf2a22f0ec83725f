"""The ports that the spec asks for: who holds one that is taken, and an offset at which all are free."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from daybreak.doctor.case import Case
from daybreak.doctor.finding import Finding, error, note, ok, warning
from daybreak.services.base import PortClaim
from daybreak.services.serve import claims as serve_claims
from daybreak.services.site import RayInstall, Site
from daybreak.spec.check import DATABASES
from daybreak.spec.model import Spec
from daybreak.survey.holders import Holder, whose
from daybreak.survey.listeners import Listener, is_held_by, sees_every_port, strangers
from daybreak.survey.monitoring import NO_PORT, find_monitoring
from daybreak.survey.ports import is_free
from daybreak.survey.site import read_serve_config

OFFSETS = range(100, 5001, 100)


def look(case: Case) -> Iterator[Finding]:
    """Every port of the spec that somebody else listens on."""
    wanted = [*claims(case.spec, case.base), *_fixed(case.spec)]
    taken = [claim for claim in wanted if not is_free(claim.port, claim.host) and claim.port not in case.published]
    holders = strangers({claim.port for claim in taken}, case.paths.root) if taken else {}
    said = 0
    for claim in taken:
        holder = holders.get(claim.port)
        if holder is None and (sees_every_port() or is_held_by(case.paths.root, claim.port)):
            continue
        said += 1
        say = error if case.given else warning
        known = whose(holder or Listener())
        yield say(
            f"port {claim.port} ({claim.purpose}) is in use by {known}",
            "`daybreak up` starts nothing while somebody else listens there",
            *_mend(case, claim, known),
        )
    if not case.spec.in_containers:
        for finding in _watching(case):
            said += 1
            yield finding
    if not said:
        purposes = ", ".join(f"{claim.port} {claim.purpose}" for claim in wanted)
        yield ok(f"{'free, or its own' if case.running else 'free'}: {purposes}")


def claims(spec: Spec, base: Path) -> list[PortClaim]:
    """The ports that move with the offset, and Serve's, as the services will claim them."""
    found = [PortClaim("0.0.0.0", spec.port("gcs"), "GCS")]
    if spec.dashboard:
        found.append(PortClaim(spec.listen, spec.port("dashboard"), "dashboard"))
    if spec.serve.wanted:
        found += _of_serve(spec, base)
    if spec.ray.client_server:
        found.append(PortClaim("0.0.0.0", spec.port("client"), "Ray client"))
    if spec.page.enabled:
        found.append(PortClaim(spec.listen, spec.port("page"), "page"))
    return found


def _of_serve(spec: Spec, base: Path) -> tuple[PortClaim, ...]:
    """A Serve config file may set its own, and others. Which Ray there is changes no port."""
    site = Site(
        base=str(base),
        root="",
        runtime="",
        logs="",
        data="",
        secrets_folder="",
        ray=RayInstall("", "", ""),
        node_ip="",
        serve_config=read_serve_config(spec, base),
    )
    return serve_claims(spec, site)


def _fixed(spec: Spec) -> list[PortClaim]:
    """The ports that are written in the spec and do not move."""
    databases = [(name, getattr(spec.databases, name)) for name in DATABASES]
    found = [PortClaim("127.0.0.1", wanted.port, name) for name, wanted in databases if wanted and wanted.port]
    return found + [
        PortClaim("127.0.0.1", port, name) for name, service in spec.services.items() for port in service.ports
    ]


def _watching(case: Case) -> Iterator[Finding]:
    """Prometheus and Grafana: a cluster comes up without them, and says nothing where they are not installed."""
    say = warning if case.given else note
    for name, why in find_monitoring(case.spec, case.paths.root).absent.items():
        if why.startswith(NO_PORT):
            yield say(f"{name}: {why}", "the cluster comes up without it", f"# or give it another port: ports.{name}")


def _mend(case: Case, claim: PortClaim, holder: Holder) -> list[str]:
    process = holder.listener
    stop = f"kill {process.pid}" if process.pid else f"ss -ltnp 'sport = :{claim.port}'"
    if holder.cluster:
        stop = f"daybreak down -n {holder.cluster}"
    if claim.setting:
        return [stop, f"# or write another port as {claim.setting}"]
    if claim in _fixed(case.spec):
        return [stop, f"# or give {claim.purpose} another port in the spec"]
    offset = _free_offset(case)
    return [case.command(f"up --port-offset {offset}"), stop] if offset else [stop]


def _free_offset(case: Case) -> int | None:
    """The first round offset at which every port is free."""
    moved = case.spec.ports.offset
    for offset in OFFSETS:
        moving = [claim for claim in claims(case.spec, case.base) if not claim.setting]
        rows = [(claim.host, claim.port - moved + offset) for claim in moving]
        if all(port < 65536 and is_free(port, host) for host, port in rows):
            return offset
    return None
