"""The ports that the spec asks for: who holds one that is taken, and an offset at which all are free."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Finding, error, note, ok, warning
from daybreak.machine.holders import Holder, whose
from daybreak.machine.listeners import Listener, is_held_by, sees_every_port, strangers
from daybreak.machine.monitoring import NO_PORT, find_monitoring
from daybreak.machine.ports import is_free
from daybreak.machine.survey import read_serve_config
from daybreak.names import DATABASES
from daybreak.services.claims import of_database, of_service
from daybreak.services.ray.claims import of_head
from daybreak.services.ray.serve import claims as serve_claims
from daybreak.services.service import PortClaim
from daybreak.services.site import RayInstall, Site
from daybreak.spec.model import Spec

OFFSETS = range(100, 5001, 100)


def look(case: Case) -> Iterator[Finding]:
    """Every port of the spec that somebody else listens on."""
    wanted = claims(case.spec, case.base)
    taken = [claim for claim in wanted if not is_free(claim.port, claim.host) and claim.port not in case.published]
    holders = strangers({claim.port for claim in taken}, case.paths.root) if taken else {}
    said = 0
    for claim in taken:
        holder = holders.get(claim.port)
        if holder and holder.pid and case.container_of(holder.pid):
            continue
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
    """As the services will claim them; those with a `setting` do not move with the offset."""
    found = [] if spec.join else list(of_head(spec, {}))
    if spec.serve.wanted:
        found += _of_serve(spec, base)
    if spec.page.enabled:
        found.append(PortClaim(spec.listen, spec.port("page"), "page"))
    for name in DATABASES:
        if (wanted := getattr(spec.databases, name)) and wanted.port:
            found += of_database(name, wanted.port)
    for name, service in spec.services.items():
        found += of_service(name, service)
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
