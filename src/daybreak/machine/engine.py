"""What a Docker engine offers to one cluster: images, a network of its own, addresses, and folders that nodes see."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from daybreak.docker import labels
from daybreak.docker.api import EngineClient
from daybreak.errors import PreflightError
from daybreak.files import write_private
from daybreak.machine import images, subnets
from daybreak.machine.machine import machine
from daybreak.paths import ClusterPaths
from daybreak.services.databases.connections import wanted_databases
from daybreak.services.ray.addresses import node_names
from daybreak.services.ray.containers import is_apart
from daybreak.services.service import Network
from daybreak.services.site import Engine, Image, RayInstall
from daybreak.services.slots import Slot
from daybreak.services.watching.processes import GRAFANA, PROMETHEUS
from daybreak.spec.groups import by_group
from daybreak.spec.model import Spec

LEARNED = "learned.json"
# Where the recipe of `daybreak image build` puts the application.
CODE = "/app"


@dataclass(frozen=True)
class Found:
    """The engine's facts, Ray in its image, and what the cluster's containers have now: ports and services."""

    engine: Engine
    ray: RayInstall
    own_ports: frozenset[int]
    running: frozenset[str]


def ray_image(spec: Spec) -> str:
    """The image with Ray."""
    return spec.docker.image or f"daybreak/{spec.name}:latest"


def wanted_images(spec: Spec) -> dict[str, str]:
    """Every image that the spec needs, by service; the nodes' under `head`."""
    found = {"head": ray_image(spec)}
    found |= {name: getattr(spec.databases, name).image for name in wanted_databases(spec)}
    return found | {name: service.image for name, service in spec.services.items() if service.image}


def watching_images(spec: Spec) -> dict[str, str]:
    """The images of what watches the cluster: it comes up without them."""
    found = {PROMETHEUS: spec.prometheus.image} if spec.prometheus.enabled else {}
    return found | ({GRAFANA: spec.grafana.image} if found and spec.grafana.enabled else {})


def survey_engine(
    spec: Spec, base: Path, paths: ClusterPaths, client: EngineClient, *, slot: Slot = Slot.A, only_look: bool = False
) -> Found:
    """Look around for an app tier in this slot; with `only_look` no network is promised to the cluster, and no folder
    made (what is found out about images is kept all the same: it is no cluster's).

    Raises PreflightError where the engine cannot carry the cluster, or lacks an image.
    """
    require_native(client)
    known = images.Images(client, paths.root.parent)
    found = _images(spec, known) | _present(watching_images(spec), known)
    image = found.pop("head")
    ray = known.ray(image.name, spec.ray)
    prefix = prefix_of(paths)
    network, fixed = _network(spec, paths, client, prefix, keep=not only_look)
    as_root = os.geteuid() == 0
    if spec.docker.mount_code and as_root:
        require_readable(base, image.uid)
    if not only_look:
        make_folders(paths, [f"{node}{slot.suffix}" for node in node_names(spec)], shared=as_root)
    engine = Engine(
        prefix=prefix,
        image=image,
        network=network,
        addresses=fixed,
        images=found,
        # What nodes write belongs to whoever owns the cluster; only root can delete what is another's.
        user="" if as_root else f"{os.geteuid()}:{os.getegid()}",
        uid=image.uid if as_root else os.geteuid(),
        code=CODE,
        python=sys.executable,
        memory_bytes=machine().memory_total_bytes,
        groups=tuple(by_group(spec.workers)),
    )
    rows = client.containers.list([f"{labels.ROOT}={paths.root}"])
    return Found(engine, ray, own_ports(rows), frozenset(row["Labels"].get(labels.SERVICE, "") for row in rows))


def prefix_of(paths: ClusterPaths) -> str:
    """What the names of a cluster's network and volumes begin with. Two state folders may have clusters of one name."""
    usual = paths.root == state_root_default() / paths.name
    return f"daybreak-{paths.name}" if usual else f"daybreak-{paths.name}-{paths.runtime.name}"


def state_root_default() -> Path:
    """The folder of all clusters where DAYBREAK_HOME does not move it."""
    import platformdirs

    return Path(platformdirs.user_state_dir("daybreak"))


def own_ports(rows: Iterable[Mapping[str, Any]]) -> frozenset[int]:
    """The ports of this machine that the cluster's containers hold: an engine's process listens there, not ours."""
    return frozenset(int(port["PublicPort"]) for row in rows for port in row.get("Ports") or () if "PublicPort" in port)


def require_native(client: EngineClient) -> None:
    """Raise PreflightError where this machine cannot reach containers at their addresses, or see their files."""
    info = client.info()
    options = " ".join(info.get("SecurityOptions") or ())
    if "rootless" in options or "Desktop" in str(info.get("OperatingSystem")):
        raise PreflightError(
            ["containers of this engine cannot be reached from this machine at their own addresses"],
            hint="use an engine that runs on this machine as root (Docker Engine for Linux), or backend: process",
        )


def require_readable(folder: Path, uid: int) -> None:
    """Raise PreflightError where the account of the image cannot enter the application's folder. Those above do not
    matter: it is mounted."""
    found = folder.stat()
    for_all = stat.S_IROTH | stat.S_IXOTH
    if uid not in (0, found.st_uid) and found.st_mode & for_all != for_all:
        raise PreflightError(
            [f"docker.mount_code: the folder {folder} is not readable for user {uid}, who runs Ray in the image"],
            hint=f"chmod -R a+rX {folder}",
        )


def make_folders(paths: ClusterPaths, nodes: Iterable[str], *, shared: bool) -> None:
    """The folder of each node, which its container sees at the same path, with what templates have learned.

    `shared`: the container's account is another one. Nobody else gets past the folder above.
    """
    for node in nodes:
        folder = paths.ray_temp(node)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o777 if shared else 0o700)
        if paths.learned.is_file():
            # A container may have put a link there, which is replaced, or a folder: then its template begins anew.
            with contextlib.suppress(OSError):
                write_private(folder / LEARNED, paths.learned.read_text(), 0o644)


def _images(spec: Spec, known: images.Images) -> dict[str, Image]:
    """By service. Raises PreflightError with every one that is not there."""
    found: dict[str, Image] = {}
    problems: list[str] = []
    hint = None
    for service, name in wanted_images(spec).items():
        try:
            found[service] = known.find(name)
        except PreflightError as error:
            problems += error.problems
            hint = hint or error.hint
    if problems:
        raise PreflightError(problems, hint=hint)
    return found


def _present(names: dict[str, str], known: images.Images) -> dict[str, Image]:
    """Those that are there."""
    found = {}
    for service, name in names.items():
        with contextlib.suppress(PreflightError):
            found[service] = known.find(name)
    return found


def _network(
    spec: Spec, paths: ClusterPaths, client: EngineClient, name: str, *, keep: bool
) -> tuple[Network | None, dict[str, str]]:
    """The cluster's network and the fixed addresses in it, by service; none where nodes share the machine's."""
    if spec.docker.network != "bridge":
        return None, {}
    chosen = _subnet(paths, client, name, keep=keep)
    apart = [service for service, about in spec.services.items() if is_apart(about)]
    return Network(name, str(chosen)), subnets.addresses(paths.root, chosen, apart, keep=keep)


def _subnet(paths: ClusterPaths, client: EngineClient, name: str, *, keep: bool) -> IPv4Network:
    """The cluster's network; that of the engine where it has one of this name."""
    own: IPv4Network | None = None
    taken: list[IPv4Network] = []
    for row in client.networks.list():
        parts = [
            IPv4Network(config["Subnet"]) for config in (row.get("IPAM") or {}).get("Config") or () if _is_v4(config)
        ]
        if row["Name"] == name and parts:
            own = parts[0]
        elif row["Name"] != name:
            taken += parts
    if own is None:
        taken += subnets.routes()
    return subnets.subnet(paths.root, taken, own, keep=keep)


def _is_v4(config: dict[str, Any]) -> bool:
    return ":" not in str(config.get("Subnet", ":"))
