"""What is wrong with a spec of several machines although each of its values is valid."""

from __future__ import annotations

from collections.abc import Iterator

from daybreak.spec.document import KeyPath
from daybreak.spec.model import Spec
from daybreak.spec.wording import Finding

TO_PROCESSES = "write backend: process"
# What belongs to the machine with the head, and why it means nothing here.
_ITS_HEAD = "is the head's, which is on another machine: a cluster with `join` has workers alone"
_ITS_DOOR = "stands in front of applications, which the head's machine deploys: a cluster with `join` has workers alone"
_OF_THE_HEAD: dict[KeyPath, str] = {
    **dict.fromkeys([("head",), ("dashboard",), ("ports", "gcs"), ("ports", "dashboard")], _ITS_HEAD),
    **dict.fromkeys([("ports", "client"), ("ray", "client"), ("ray", "autoscaler_monitor")], _ITS_HEAD),
    **dict.fromkeys([("ray", "dashboard_modules"), ("ray", "state"), ("ray", "auth")], _ITS_HEAD),
    **dict.fromkeys([("gateway",), ("tls",), ("ports", "serve")], _ITS_DOOR),
    ("hosts",): "must be in the spec of the machine with the head, which they join",
    ("serve",): "must be in the spec of the machine with the head: applications are deployed there",
    ("versions",): "must be in the spec of the machine with the head: what was deployed is kept there",
    ("databases",): "must be in the spec of the machine with the head: a cluster with `join` has workers alone",
    ("services",): "must be in the spec of the machine with the head: a cluster with `join` has workers alone",
    ("prometheus",): "runs beside the head, which is on another machine",
    ("grafana",): "runs beside the head, which is on another machine",
    ("ports", "prometheus"): "runs beside the head, which is on another machine",
    ("ports", "grafana"): "runs beside the head, which is on another machine",
}
# What says that something does not run says what is so.
_OFF = (("prometheus",), ("grafana",), ("gateway",))


def hosts(spec: Spec) -> Iterator[Finding]:
    """Addresses that others reach without what protects them, and keys that only mean something beside a head."""
    if spec.address and not spec.ray.auth:
        why = f"must not be false where address is {spec.address}: whoever reaches that address would run code here"
        yield Finding(("ray", "auth"), why, "remove it, or remove address")
    if spec.in_containers:
        for key in ("address", "join", "hosts"):
            if getattr(spec, key):
                why = "needs processes: containers have addresses that no other machine reaches"
                yield Finding((key,), why, TO_PROCESSES, at_key=True)
    yield from _by_ssh(spec)
    yield from _tls(spec)
    if spec.join is None:
        return
    if spec.address is None:
        hint = "write the address of this machine at which the head's machine reaches it"
        yield Finding(("address",), "is required with join", hint, at_key=True)
    for path, why in _OF_THE_HEAD.items():
        if _written(spec, path) and not (path in _OFF and not getattr(spec, path[0]).enabled):
            yield Finding(path, why, "remove it", at_key=True)


def _tls(spec: Spec) -> Iterator[Finding]:
    tls = spec.ray.tls
    if not tls.enabled:
        return
    if spec.address is None:
        why = "is for nodes of several machines: those of one talk over its loopback addresses"
        yield Finding(("ray", "tls"), why, "write `address`, or remove it", at_key=True)
    elif spec.join and not tls.certificate:
        why = "must name certificate, key and authority where a spec joins: only who is invited gets them by itself"
        yield Finding(("ray", "tls"), why, "name them, or use `daybreak invite` there", at_key=True)
    elif spec.hosts and tls.certificate:
        why = "hosts get certificates of the cluster's own authority, and would not know these"
        yield Finding(("ray", "tls"), why, "write `tls: true`", at_key=True)


def _by_ssh(spec: Spec) -> Iterator[Finding]:
    if spec.hosts and spec.address is None and not spec.in_containers and not spec.join:
        hint = "write the address of this machine at which its hosts reach it"
        yield Finding(("address",), "is required with hosts", hint, at_key=True)
    seen: dict[str, str] = {}
    for index, host in enumerate(spec.hosts):
        if host.called in seen:
            why = f"{host.ssh} would be called {host.called}, as {seen[host.called]} is"
            yield Finding(("hosts", index, "ssh"), why, "give each host a `name` of its own")
        seen.setdefault(host.called, host.ssh)
        if host.group is not None and host.group not in spec.workers.groups:
            known = ", ".join(spec.workers.groups) or "none: all workers are alike"
            yield Finding(("hosts", index, "group"), f"no group of workers is called {host.group}", f"groups: {known}")


def _written(spec: Spec, path: KeyPath) -> bool:
    """Does the spec say it itself?"""
    section: object = spec
    for key in path:
        if str(key) not in getattr(section, "model_fields_set", ()):
            return False
        section = getattr(section, str(key))
    return True
