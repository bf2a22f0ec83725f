"""Every port of a cluster: what it is for, who listens there, and who can reach it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.diagnoses.ports import claims
from daybreak.files import read_book
from daybreak.machine.listeners import Socket, marked_service, sockets
from daybreak.machine.survey import PORTS
from daybreak.names import HEAD
from daybreak.services.ray.addresses import port_names
from daybreak.services.ray.fixed_ports import FIRST, LAST, blocks, fixed_ports
from daybreak.services.ray.warm import WARM
from daybreak.services.slots import Slot
from daybreak.spec.model import Spec

# The range of a node's worker processes: each of its ports is shown where somebody listens.
_RANGE = (FIRST, LAST)
EVERYBODY, THIS_MACHINE = "all interfaces", "this machine"


@dataclass(frozen=True)
class ListedPort:
    """One port. `address` is empty, and `pid` None, where nobody listens or is seen; `own`: whoever listens is the
    cluster's."""

    port: int
    name: str
    address: str = ""
    process: str = ""
    pid: int | None = None
    service: str = ""
    own: bool = False
    is_local: bool = False

    @property
    def free(self) -> bool:
        return not self.address

    @property
    def reach(self) -> str:
        """Who can reach it; nothing where nobody listens."""
        if self.free:
            return ""
        if self.is_local:
            return THIS_MACHINE
        return EVERYBODY if self.address in ("0.0.0.0", "::", "*") else self.address

    def to_json(self) -> dict[str, object]:
        found = {key: value for key, value in self.__dict__.items() if key != "is_local"}
        return {**found, "free": self.free, "reach": self.reach}


def rows(case: Case) -> list[ListedPort]:
    """By port: those that the cluster has chosen or was given, and others at which a process of it listens."""
    wanted = named(case)
    found = sockets()
    made = [_row(port, name, found, case) for port, name in wanted.items()]
    if case.running:
        made += _others(found, wanted, case)
    return sorted(made, key=lambda row: row.port)


def named(case: Case) -> dict[int, str]:
    """What is known of the ports before anybody listens."""
    spec = case.spec
    slot = Slot(read_book(case.paths.wanted).get("slot", Slot.A)) if case.running else Slot.A
    found = {claim.port: claim.purpose for claim in claims(spec, case.base)}
    chosen: Mapping[str, object] = read_book(case.paths.root / PORTS)
    in_own_network = spec.in_containers and spec.docker.network == "bridge"
    fixed = fixed_ports(spec, slot)
    nodes = set() if in_own_network else {*port_names(spec), "head.gcs"}
    for name, port in chosen.items():
        of_slot, plain = _slot_of(name)
        # What a cluster of before has chosen means nothing; databases and what watches have names without a dot.
        if isinstance(port, int) and ("." not in name or (plain in nodes and of_slot is slot and plain not in fixed)):
            found.setdefault(port, plain)
    for name, port in fixed.items():
        if name in nodes and name.partition(".")[2] not in _RANGE:
            found.setdefault(port, name)
    return found


def _slot_of(name: str) -> tuple[Slot, str]:
    plain = name.removeprefix(Slot.B.prefix)
    return (Slot.A if plain == name else Slot.B), plain


def _row(port: int, name: str, found: Iterable[Socket], case: Case) -> ListedPort:
    at_port = [socket for socket in found if socket.port == port]
    if not at_port:
        return ListedPort(port, name)
    # Of several addresses that which most can reach.
    one = min(at_port, key=lambda socket: (socket.is_local, socket.holder.pid or 0))
    row = _seen(one, case)
    node, dot, _ = name.partition(".")
    # What is forked from the template belongs to the node that has asked for it; those without a dot are the head's.
    service = (node if dot else HEAD) if row.service == WARM else row.service
    return replace(row, name=name, service=service, own=port in case.published or case.owns(one.holder))


def _seen(socket: Socket, case: Case) -> ListedPort:
    holder, service = socket.holder, ""
    if holder.pid and case.owns(holder):
        service = case.container_of(holder.pid) or marked_service(holder.pid)
    return ListedPort(
        port=socket.port,
        name="",
        address=socket.address,
        process=holder.name or "",
        pid=holder.pid,
        service=service,
        own=bool(service),
        is_local=socket.is_local,
    )


def _watching(spec: Spec) -> dict[int, str]:
    """What runs only where this machine has it."""
    prometheus = {spec.port("prometheus"): "prometheus"} if spec.prometheus.enabled else {}
    grafana = {spec.port("grafana"): "grafana"} if spec.grafana.enabled else {}
    return prometheus | grafana


def _others(found: Iterable[Socket], wanted: Mapping[int, str], case: Case) -> Iterator[ListedPort]:
    """What the cluster's processes have opened besides, such as those of tasks and actors."""
    seen: set[int] = set()
    known = _watching(case.spec)
    for socket in found:
        if socket.port in wanted or socket.port in seen or socket.holder.pid is None or not case.owns(socket.holder):
            continue
        seen.add(socket.port)
        row = _seen(socket, case)
        name = known.get(row.port) or f"{row.service or 'cluster'}: chosen by the process"
        yield replace(row, name=name, own=True)


def reachable(case: Case, listed: Iterable[ListedPort]) -> list[range]:
    """The ports that a firewall lets through for others to use the cluster, as ranges: those that do not listen for
    this machine alone, and the blocks of fixed ports."""
    open_ports = {row.port for row in listed if row.own and not row.free and not row.is_local}
    if case.spec.ports.fixed.enabled:
        for block in blocks(case.spec).values():
            open_ports |= set(block)
    return ranges(open_ports)


def ranges(ports: Iterable[int]) -> list[range]:
    """The same ports as ranges, in order."""
    found: list[range] = []
    for port in sorted(set(ports)):
        if found and found[-1].stop == port:
            found[-1] = range(found[-1].start, port + 1)
        else:
            found.append(range(port, port + 1))
    return found
