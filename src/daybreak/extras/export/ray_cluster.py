"""The same Ray nodes on machines of one's own, for `ray up`: a cluster.yaml, and a Serve config. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from daybreak.errors import UsageError
from daybreak.extras.export import handed
from daybreak.extras.export.compose import IGNORED
from daybreak.extras.export.files import Export, File
from daybreak.extras.export.kuberay.names import TOKEN
from daybreak.extras.export.kuberay.serve import PORT, serve_config
from daybreak.extras.export.kuberay.serve import left_out as serve_left_out
from daybreak.extras.export.left_out import left_to_the_machine
from daybreak.extras.export.target import Target
from daybreak.extras.export.text import comment, dumped
from daybreak.services.databases.connections import wanted_databases
from daybreak.services.ray.cpus import whole_cpus
from daybreak.services.ray.gpus import amount_of
from daybreak.spec.model import Node, Spec

CLUSTER_FILE, SERVE_FILE = "cluster.yaml", "serve.yaml"
GCS_PORT = 6379
# Where Ray looks for it by itself.
TOKEN_PLACE = "~/.ray/auth_token"  # noqa: S105
HEADER = """\
The cluster {name} on {count}, written by `daybreak export ray-cluster`.

  ray up -y {file}                  install and start it; again after a change
{serve}  ray dashboard {file}              its dashboard, at http://127.0.0.1:8265
  ray down -y {file}                stop it

`ray up` ends every Ray process of your account on these machines first. What you change here is yours: another export
asks before it overwrites."""


@dataclass(frozen=True)
class Machines:
    """Host names or addresses, as this machine reaches them by SSH, and whom to log in as."""

    head: str
    workers: Sequence[str]
    user: str


def machines_of(spec: Spec, head: str | None, workers: Sequence[str], user: str | None, me: str) -> Machines:
    """What is not given is what the spec says, and of the account nobody says anything it is `me`.

    Raises UsageError where nobody says where the head is.
    """
    place = head or spec.address
    if not place:
        hint = "--head HOST, or `address` in the spec"
        raise UsageError("nobody says which machine has the head; nothing was written", hint=hint)
    users = {host.user for host in spec.hosts}
    said = users.pop() if len(users) == 1 else ""
    return Machines(place, workers or [host.machine for host in spec.hosts], user or said or me)


def ray_cluster(spec: Spec, target: Target, machines: Machines, *, requirements: bool) -> Export:
    """Everything for `ray up`. `requirements` says that the spec's folder has a requirements.txt."""
    has_token = target.ray.has_token_auth
    body = {
        "cluster_name": spec.name,
        "provider": {"type": "local", "head_ip": machines.head, "worker_ips": list(machines.workers)},
        "auth": {"ssh_user": machines.user},
        "max_workers": len(machines.workers),
        "file_mounts": _mounts(spec, target),
        "rsync_exclude": ["**/.git", "**/.venv", "**/__pycache__"],
        "rsync_filter": [".gitignore"],
        "setup_commands": _setup(spec, target, requirements=requirements),
        "head_start_ray_commands": _start(spec, target, spec.head, f"--head --port={GCS_PORT} {_HEAD_OPTIONS}"),
        "worker_start_ray_commands": _start(spec, target, spec.workers, f"--address=$RAY_HEAD_IP:{GCS_PORT}"),
    }
    files = [File(CLUSTER_FILE, comment(_header(spec, machines)) + dumped(body))]
    if spec.serve.wanted:
        files.append(File(SERVE_FILE, serve_config(spec, target.serve_config)))
    files.append(File(".gitignore", IGNORED.replace("compose", "ray-cluster")))
    return Export(tuple(files), (TOKEN,) if has_token else (), tuple(_left_out(spec, target, machines)))


# The dashboard, and with it the jobs API, is reached by `ray dashboard`.
_HEAD_OPTIONS = "--dashboard-host=127.0.0.1 --autoscaling-config=~/ray_bootstrap_config.yaml"


def _header(spec: Spec, machines: Machines) -> str:
    line = ""
    if spec.serve.wanted:
        command = shlex.quote(f"{_activated(spec)} serve deploy {_folder(spec)}-serve.yaml")
        line = f"  ray exec {CLUSTER_FILE} {command}\n"
    count = f"{1 + len(machines.workers)} machines" if machines.workers else "one machine"
    return HEADER.format(name=spec.name, count=count, file=CLUSTER_FILE, serve=line)


def _folder(spec: Spec) -> str:
    """The spec's folder, on every machine."""
    return f"~/{spec.name}"


def _activated(spec: Spec) -> str:
    return f". {_folder(spec)}-ray/bin/activate &&"


def _mounts(spec: Spec, target: Target) -> dict[str, str]:
    found = {_folder(spec): target.base}
    if spec.serve.wanted:
        found[f"{_folder(spec)}-serve.yaml"] = SERVE_FILE
    if target.ray.has_token_auth:
        found[TOKEN_PLACE] = f"secrets/{TOKEN}"
    return found


def _setup(spec: Spec, target: Target, *, requirements: bool) -> list[str]:
    packages = [f"ray[default,serve]=={target.ray.version}", *(["-r"] if requirements else [])]
    install = f"{_activated(spec)} pip install --quiet {shlex.join(packages)}"
    if requirements:
        install += f" {_folder(spec)}/requirements.txt"
    return [f"python3 -m venv {_folder(spec)}-ray", install]


def _start(spec: Spec, target: Target, node: Node, options: str) -> list[str]:
    words = " ".join([options, *_options(node, target)])
    stop = f"{_activated(spec)} ray stop"
    start = f"{_activated(spec)} {_environment(spec, target, node)} && ulimit -n 65536; ray start {words}"
    return [stop, start]


def _environment(spec: Spec, target: Target, node: Node) -> str:
    env = {"RAY_USAGE_STATS_ENABLED": "0", **node.env}
    if target.ray.has_token_auth:
        env["RAY_AUTH_MODE"] = "token"
    given = " ".join(f"{name}={shlex.quote(value)}" for name, value in env.items())
    return f"export PYTHONPATH={_folder(spec)} {given}"


def _options(node: Node, target: Target) -> Iterator[str]:
    """As `ray start` takes them."""
    yield f"--num-cpus={whole_cpus(node)}"
    yield f"--object-store-memory={node.object_store}"
    if (gpus := amount_of(node)) is not None:
        yield f"--num-gpus={gpus}"
    if node.memory is not None:
        yield f"--memory={node.memory}"
    if node.resources:
        yield f"--resources={shlex.quote(json.dumps(dict(node.resources)))}"
    if node.labels and target.ray.has_labels:
        yield f"--labels={shlex.quote(','.join(f'{key}={value}' for key, value in sorted(node.labels.items())))}"


def _left_out(spec: Spec, target: Target, machines: Machines) -> Iterator[str]:
    if "count" in spec.workers.model_fields_set and spec.workers.count != len(machines.workers):
        yield f"workers.count: {spec.workers.count} are wanted, {len(machines.workers)} machines are given"
    yield from left_to_the_machine(spec)
    for host in spec.hosts:
        if host.workers != 1 or host.own().keys() - {"count"}:
            yield f"hosts: {host.called} has one node there, which offers what `workers` itself says"
    if spec.workers.groups:
        yield "workers.groups: the machines are all alike there, and offer what `workers` itself says"
    for name in wanted_databases(spec):
        yield f"databases.{name}: `ray up` starts Ray alone; run it by yourself, and write its address into `env`"
    for name in spec.services:
        yield f"services.{name}: `ray up` starts Ray alone"
    if spec.ray.tls.enabled:
        yield "ray.tls: `ray up` starts nodes that talk in clear; write RAY_USE_TLS and RAY_TLS_* into `env`"
    written: Mapping[str, str] = {
        "warm": "nodes start without the template",
        "gateway": "no request waits for an application there",
        "tls": "Serve's port speaks plain HTTP",
        "page": "there is no keeper, so there is no page",
        "alerts": "there is no keeper that tells anybody",
    }
    yield from (f"{name}: {why}" for name, why in written.items() if name in spec.model_fields_set)
    yield from handed.left_out(spec, "write them on the machines, and name them in `setup_commands`")
    if spec.ports.model_fields_set:
        yield f"ports: Serve is at {PORT}, the dashboard at 8265, the GCS at {GCS_PORT}"
    yield from serve_left_out(target.serve_config)
