"""Head and workers, from the services that run `ray start`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from daybreak.extras.init_from.addresses import DASHBOARD, SERVE
from daybreak.extras.init_from.compose import Project
from daybreak.extras.init_from.draft import Draft, Fate, without_nothing
from daybreak.extras.init_from.environment import Reach, of_node
from daybreak.extras.init_from.kinds import Kind, Known
from daybreak.extras.init_from.ray_commands import RayStart, labels, resources
from daybreak.extras.init_from.words import names_in

# Options that a node of daybreak needs no more: every address, port and folder is given to it.
OF_COURSE = names_in(
    "head block address port node-ip-address node-manager-port object-manager-port min-worker-port "
    "max-worker-port worker-port-list dashboard-host dashboard-port dashboard-agent-listen-port "
    "dashboard-agent-grpc-port metrics-export-port disable-usage-stats temp-dir ray-client-server-port "
    "runtime-env-agent-port redis-password redis-username num-cpus num-gpus memory object-store-memory "
    "resources labels include-dashboard verbose v node-name no-redirect-output plasma-directory"
)
CLIENT, GCS = 10001, 6379
ALL = "all"


def bring_nodes(draft: Draft, project: Project, known: Mapping[str, Known], reach: Reach) -> None:
    """The sections `head` and `workers`, and what the head's ports say."""
    heads = [one for one in known.values() if one.kind is Kind.HEAD]
    workers = [one for one in known.values() if one.kind is Kind.WORKER]
    for one in heads:
        start = next(start for start in one.asked.starts if start.is_head)
        fate = draft.became(one.service.name, "head")
        if any(port.inside == GCS and port.published for port in one.service.ports):
            fate.notes.append(f"the GCS answers at `ports.gcs` here, 6380 if absent, and not at {GCS}")
        node = _node(draft, project, one, start, reach)
        if node:
            draft.spec["head"] = node
        _tell_rest(one, start, fate)
        _of_head(draft, one, start)
    if not heads:
        draft.notes.append("no service runs `ray start --head`: daybreak starts a head, as it always does")
    _workers(draft, project, workers, reach)
    _clients(draft, project, known)
    _share(draft, [*heads, *workers])


def _workers(draft: Draft, project: Project, workers: list[Known], reach: Reach) -> None:
    """Workers that are alike are one number, others are groups."""
    nodes = {one.service.name: _node(draft, project, one, one.asked.starts[0], reach) for one in workers}
    for one in workers:
        _tell_rest(one, one.asked.starts[0], draft.fate(one.service.name))
    counts = {one.service.name: _replicas(one.service.deploy) for one in workers}
    if all(node == next(iter(nodes.values())) for node in nodes.values()):
        draft.spec["workers"] = {"count": _together(counts.values()), **next(iter(nodes.values()), {})}
        for name in nodes:
            draft.became(name, "workers")
        return
    groups = {one.called: {"count": counts[one.service.name], **nodes[one.service.name]} for one in workers}
    draft.spec["workers"] = {"groups": groups}
    for one in workers:
        draft.became(one.service.name, f"workers.groups.{one.called}")


def _share(draft: Draft, nodes: list[Known]) -> None:
    """A lone head has all CPUs without a word; several that say so have each of them."""
    head = draft.spec.get("head", {})
    if len(nodes) == 1 and head.get("cpus") == ALL:
        del head["cpus"]
    elif any(_cpus(one, one.asked.starts[0].options) == ALL for one in nodes):
        draft.notes.append(
            "`cpus: all`: each node counts all CPUs of the machine, as Ray does in a container without a limit; "
            "`cpus: share` divides them"
        )


def _together(counts: Iterable[int | str]) -> int | str:
    """A sum; the one number where it is a variable."""
    known = list(counts)
    numbers = [count for count in known if isinstance(count, int)]
    return sum(numbers) if len(numbers) == len(known) else next(count for count in known if isinstance(count, str))


def _replicas(deploy: Mapping[str, Any]) -> int | str:
    return number(deploy.get("replicas", deploy.get("scale", 1)))


def number(value: Any) -> int | str:
    """A number, or the variable that holds it."""
    text = str(value)
    return int(text) if text.isdigit() else text


def _node(draft: Draft, project: Project, one: Known, start: RayStart, reach: Reach) -> dict[str, Any]:
    options, fate = start.options, draft.fate(one.service.name)
    offered = {name: amount for name, amount in resources(options.get("resources", "")).items() if amount % 1 == 0}
    if "resources" in options and not offered:
        fate.notes.append(f"--resources {options['resources']} was not understood")
    return without_nothing(
        {
            "cpus": _cpus(one, options),
            "gpus": _gpus(one, options),
            "memory": number(options["memory"]) if "memory" in options else None,
            "object_store": number(options["object-store-memory"]) if "object-store-memory" in options else None,
            "resources": {name: int(amount) for name, amount in offered.items()},
            "labels": labels(options.get("labels", "")),
            **of_node(draft, project, one.service, reach),
        }
    )


def _cpus(one: Known, options: Mapping[str, str]) -> int | str:
    """What the command or the container's limit says; without both Ray counts all of the machine, in each container."""
    if "num-cpus" in options:
        return number(options["num-cpus"])
    limits = (one.service.deploy.get("resources") or {}).get("limits") or {}
    limit = limits.get("cpus", one.service.deploy.get("cpus"))
    if limit is None:
        return ALL
    try:
        return int(float(str(limit))) or 1
    except ValueError:
        return str(limit)


def _gpus(one: Known, options: Mapping[str, str]) -> int | str | None:
    """Where all are meant Ray finds them."""
    if "num-gpus" in options:
        return number(options["num-gpus"])
    reserved = ((one.service.deploy.get("resources") or {}).get("reservations") or {}).get("devices") or ()
    for device in reserved:
        if "gpu" in map(str, device.get("capabilities") or ()):
            if device.get("device_ids"):
                return len(device["device_ids"])
            return None if str(device.get("count", "all")) == "all" else number(device["count"])
    return None


def _of_head(draft: Draft, one: Known, start: RayStart) -> None:
    """Ports that people use, and the dashboard."""
    published = {port.inside: port.published for port in one.service.ports if port.published}
    ports = draft.section("ports")
    inside = start.options.get("dashboard-port", str(DASHBOARD))
    wanted = {"dashboard": published.get(int(inside) if inside.isdigit() else DASHBOARD), "serve": published.get(SERVE)}
    for name, usual in (("dashboard", DASHBOARD), ("serve", SERVE)):
        port = wanted[name]
        if port and port != usual:
            ports[name] = port
    if start.options.get("include-dashboard", "").lower() == "false":
        draft.spec["dashboard"] = False
    if "ray-client-server-port" in start.options or CLIENT in published:
        draft.section("ray")["client"] = True
        if published.get(CLIENT, CLIENT) != CLIENT:
            ports["client"] = published[CLIENT]
    if one.service.ports:
        draft.fate(one.service.name).notes.append(
            "its ports are open on 127.0.0.1 alone: `listen: 0.0.0.0` opens them to others"
        )


def _clients(draft: Draft, project: Project, known: Mapping[str, Known]) -> None:
    """Somebody asks for Ray's client server by its address."""
    texts = (text for one in known.values() for key, text in one.service.environment.items() if key != "RAY_ADDRESS")
    if any(project.words.value(text).startswith("ray://") for text in texts):
        draft.section("ray")["client"] = True


def _tell_rest(one: Known, start: RayStart, fate: Fate) -> None:
    """What a node's command says besides."""
    if one.by_name:
        fate.notes.append("what it runs is in its image: by its name it is a node")
    unknown = [f"--{name}" for name in start.options if name not in OF_COURSE]
    if unknown:
        fate.notes.append(f"not carried over: {', '.join(unknown)}")
    for words in one.asked.rest:
        fate.notes.append(f"not run: {' '.join(words)[:80]}")
