"""What a host is given: where the head is, and what the spec says for workers. Values only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from daybreak.keeper.hosts.handed import HandedValues
from daybreak.services.build import Cluster
from daybreak.services.ray.addresses import address
from daybreak.services.ray.environment import token
from daybreak.spec.groups import LABEL

# In what a host says of its workers: of which group they are.
GROUP = "group"
# What workers on another machine have as those of the first one. Ray's own interpreter is each machine's.
ALIKE = ("workers", "warm", "health", "start_timeout")


@dataclass(frozen=True)
class Offer:
    """`gcs` is HOST:PORT of the head, `ray` and `python` are the versions that a host must have; `token` is Ray's,
    None where it knows none, and `spec` what is written for workers; `handed` are the values of their secrets.
    `authority` is the certificate by which Ray's nodes know each other, empty where they talk in clear. An app tier
    that is started anew at the same place is the same offer: raylets of the old one end by themselves there, and are
    started anew as all that crashes is."""

    cluster: str
    gcs: str
    ray: str
    python: str
    spec: Mapping[str, Any]
    token: str | None = field(default=None, repr=False)
    handed: Mapping[str, Any] = field(default_factory=dict, repr=False)
    authority: str = ""

    @classmethod
    def of(cls, cluster: Cluster, python: str) -> Offer:
        """Reads the token's file."""
        secret = token(cluster.site)
        return cls(
            cluster=cluster.spec.name,
            gcs=address(cluster.spec, cluster.site),
            ray=cluster.site.ray.version,
            python=python,
            spec=_for_workers(cluster),
            token=Path(secret.path).read_text().strip() if secret else None,
            handed=HandedValues.of(cluster).to_json(),
            authority=Path(cluster.site.ray_tls.authority).read_text() if cluster.site.ray_tls else "",
        )

    @property
    def groups(self) -> Mapping[str, Any]:
        """What is written for each group of workers, as far as there are any."""
        found: Mapping[str, Any] = self.spec.get("workers", {}).get("groups") or {}
        return found

    def workers(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """What is written for workers on a host that says this of its `own`: as those of one group, or as all are."""
        found = {key: value for key, value in self.spec.get("workers", {}).items() if key != "groups"}
        group = own.get(GROUP)
        if group is not None:
            of_group = self.groups.get(group, {})
            both = {key: {**found[key], **of_group[key]} for key in _sections(found) & _sections(of_group)}
            found = {**found, **of_group, **both}
        found |= {key: value for key, value in own.items() if key != GROUP}
        return found if group is None else {**found, "labels": {LABEL: group, **(found.get("labels") or {})}}

    @cached_property
    def serial(self) -> str:
        """Another one where anything of it is. Each host is told with each message."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Offer:
        """What another version tells beyond this is left out. Raises TypeError for what is none."""
        return cls(**{each.name: raw[each.name] for each in fields(cls) if each.name in raw})


def _sections(values: Mapping[str, Any]) -> set[str]:
    """Keys of what has names of its own, such as `env`: there both count."""
    return {key for key, value in values.items() if isinstance(value, Mapping)}


def _for_workers(cluster: Cluster) -> dict[str, Any]:
    values = cluster.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    found = {key: values[key] for key in ALIKE if key in values}
    # How many is said where they run.
    workers = dict(found.get("workers", {}))
    for group in (workers, *workers.get("groups", {}).values()):
        group.pop("count", None)
    return {**found, "workers": workers, "ray": {"version": f"=={cluster.site.ray.version}"}}
