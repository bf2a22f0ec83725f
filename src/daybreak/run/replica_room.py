"""Room for more replicas beside those that run, from what Serve and Ray's nodes tell. Pure.

What is free is what the nodes have, less what their processes hold and placement groups reserve. The nodes' own word is
some seconds old, so at least what Serve's replicas ask for counts as taken. Replicas that are stopping make room by
themselves, within the time that Serve gives them; so long new ones wait, and the old ones answer.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from daybreak.programs.deploy.demands import demands_told
from daybreak.programs.deploy.shortage import fits, parts_of
from daybreak.run.restart_way import Room

ALL, ONE = 100, 1
# `CPU_group_<id>` is what a placement group has reserved of a node, in all; the dashboard writes names in its own way.
RESERVED = re.compile(r"(.+)group[0-9a-f]{36}")

STOPPING = "STOPPING"
PEOPLE = {"cpu": "CPU", "gpu": "GPU"}
Amounts = dict[str, float]


def room(serve: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Room:
    """Room for the applications `names`.

    `serve` is the answer of `GET /api/serve/applications/`, `nodes` the `summary` of `GET /nodes?view=summary`. Where
    one more of each deployment fits but not all at once, they come one after the other. Raises KeyError, TypeError or
    ValueError for answers of another shape.
    """
    applications = serve["applications"]
    free = list(_free(nodes, applications))
    known = {name: applications[name]["deployments"] for name in names if name in applications}
    told = [row for name, deployments in known.items() for row in demands_told(name, deployments)]
    counts = {(name, key): one for name, app in applications.items() for key, one in app["deployments"].items()}
    demands = [
        {**row, "each": _named(row["each"]), "bundles": [_named(bundle) for bundle in row["bundles"] or ()] or None}
        for row in told
    ]
    for surge in (ALL, ONE):
        more = [
            {**row, "replicas": _wanted(counts[row["application"], row["deployment"]]) if surge == ALL else 1}
            for row in demands
        ]
        if fits(parts_of(more), free):
            return Room(surge)
    return Room(0, f"the nodes have no room for one more replica: {_short(more, free)}")


def without_processes(nodes: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """As if they held nothing."""
    return [{**node, "raylet": {**node["raylet"], "coreWorkersStats": ()}} for node in nodes]


def replicas(serve: Mapping[str, Any], names: Sequence[str]) -> list[list[int]]:
    """The process numbers of the replicas of each deployment of `names`."""
    deployments = [one for name in names for one in serve["applications"].get(name, {}).get("deployments", {}).values()]
    return [[int(one["pid"]) for one in each.get("replicas") or () if one.get("pid")] for each in deployments]


def _short(demands: Sequence[Mapping[str, Any]], free: Sequence[Mapping[str, Any]]) -> str:
    """What each asks for, and what of that is free, in one line."""
    asked = [(row, bundle) for row in demands for bundle in row["bundles"] or [row["each"]]]
    names = list(dict.fromkeys(name for _, bundle in asked for name, amount in bundle.items() if amount))
    each = [f"{row['deployment']} asks for {_amounts(bundle, names)}" for row, bundle in asked]
    return f"{', '.join(each)}; free: {', '.join(_amounts(node, names) for node in free)}"


def _amounts(amounts: Mapping[str, float], names: Sequence[str]) -> str:
    found = {name: amounts[name] for name in names if name in amounts}
    words = [
        f"{amount / 2**30:.3g} GiB of memory" if name == "memory" else f"{amount:.4g} {PEOPLE.get(name, name)}"
        for name, amount in found.items()
    ]
    return " + ".join(words) or "none"


def _wanted(deployment: Mapping[str, Any]) -> int:
    """How many replicas there are to be now."""
    wanted = deployment.get("target_num_replicas")
    return wanted if isinstance(wanted, int) else len(deployment.get("replicas") or ())


def _free(nodes: Sequence[Mapping[str, Any]], applications: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One row for each node that is alive, as `shortage.py` reads them."""
    leaving = {(one.get("node_id"), one.get("pid")) for one in _replicas(applications) if one.get("state") == STOPPING}
    for node in nodes:
        raylet = node["raylet"]
        if raylet.get("state") != "ALIVE":
            continue
        total = _named(raylet["resourcesTotal"])
        taken = _most(_held(raylet, leaving), _asked(raylet["nodeId"], applications))
        for name, amount in total.items():
            if found := RESERVED.fullmatch(name):
                taken[found[1]] = taken.get(found[1], 0) + amount
        yield {"name": str(raylet["nodeId"])} | {
            name: max(0.0, amount - taken.get(name, 0.0)) for name, amount in total.items()
        }


def _held(raylet: Mapping[str, Any], leaving: Collection[tuple[Any, Any]]) -> Amounts:
    """By the node's processes that stay."""
    held: Amounts = {}
    for worker in raylet.get("coreWorkersStats") or ():
        if (raylet["nodeId"], worker.get("pid")) in leaving:
            continue
        for name, used in (worker.get("usedResources") or {}).items():
            slots = used.get("resourceSlots") or ()
            held[_name(name)] = held.get(_name(name), 0.0) + sum(float(slot["allocation"]) for slot in slots)
    return held


def _asked(node: str, applications: Mapping[str, Any]) -> Amounts:
    """By the replicas on a node that stay."""
    asked: Amounts = {}
    for app in applications.values():
        for deployment in app["deployments"].values():
            there = [one for one in deployment.get("replicas") or () if one.get("state") != STOPPING]
            count = sum(one.get("node_id") == node for one in there)
            for name, amount in _named(deployment.get("required_resources") or {}).items():
                asked[name] = asked.get(name, 0.0) + count * amount
    return asked


def _replicas(applications: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for app in applications.values():
        for deployment in app["deployments"].values():
            yield from deployment.get("replicas") or ()


def _most(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, 0.0), other.get(name, 0.0)) for name in one | other}


def _named(amounts: Mapping[str, Any]) -> Amounts:
    return {_name(name): float(amount) for name, amount in amounts.items()}


def _name(name: str) -> str:
    """The dashboard writes `my_part` as `myPart`."""
    return name.replace("_", "").lower()
