"""Machines that `up` makes hosts of the cluster, reached by SSH."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field

from daybreak.names import MOST_WORKERS
from daybreak.spec.base import Model
from daybreak.spec.names import NAME_PATTERN, as_name
from daybreak.spec.quantity_types import Bytes, NodeCpus

# What the system's ssh takes as a destination; one that begins with a dash would be an option.
SSH_PATTERN = r"^[A-Za-z0-9_.\[][A-Za-z0-9_.@:%/\[\]+~-]*$"
OF_NODES = ("group", "cpus", "gpus", "memory", "resources", "labels")


class SshHost(Model):
    """One machine. What it says of its nodes is laid over what `workers` says."""

    ssh: str = Field(
        pattern=SSH_PATTERN,
        description="Where your ssh logs in: user@host, a name of ~/.ssh/config, or ssh://host:port.",
    )
    name: Annotated[str, Field(pattern=NAME_PATTERN)] | None = Field(
        default=None, description="What it is called in the cluster; if absent the host's name or address, with dashes."
    )
    workers: int = Field(default=1, ge=0, le=MOST_WORKERS, strict=True, description="How many worker nodes run there.")
    group: Annotated[str, Field(pattern=NAME_PATTERN)] | None = Field(
        default=None, description="Of which group of `workers.groups` they are; if absent as `workers` says for all."
    )
    cpus: NodeCpus | None = Field(default=None, description="CPUs of each worker; as in `workers` if absent.")
    gpus: Annotated[int, Field(ge=0, strict=True)] | tuple[Annotated[int, Field(ge=0, strict=True)], ...] | None = (
        Field(default=None, description="How many GPUs each worker has, or which; as in `workers` if absent.")
    )
    memory: Bytes | None = Field(default=None, description="Memory of each worker; as in `workers` if absent.")
    resources: dict[str, Annotated[float, Field(ge=0, strict=True)]] = Field(
        default_factory=dict, description="Custom resources of each worker, instead of those of `workers`."
    )
    labels: dict[str, str] = Field(
        default_factory=dict, description="Labels of its nodes, instead of those of `workers`."
    )
    python: str | None = Field(
        default=None,
        pattern=r"^[/~][A-Za-z0-9_./+@-]*$",
        description="Interpreter there; it is used as it is where it has both, else an environment is made with it.",
    )

    @property
    def called(self) -> str:
        """Its name in the cluster."""
        return self.name or as_name(self.machine)

    @property
    def machine(self) -> str:
        """Its name or address, as ssh reaches it."""
        return _host_of(self.ssh)

    @property
    def user(self) -> str:
        """Whom to log in as, where that is said here; else empty."""
        if self.ssh.startswith("ssh://"):
            return urlsplit(self.ssh).username or ""
        return self.ssh.rpartition("@")[0]

    def own(self) -> Mapping[str, Any]:
        """What is laid over the workers' section there, as JSON."""
        said = self.model_dump(mode="json", include=set(OF_NODES), exclude_unset=True, exclude_none=True)
        return {"count": self.workers, **said}


def _host_of(destination: str) -> str:
    if destination.startswith("ssh://"):
        return urlsplit(destination).hostname or destination
    return destination.rpartition("@")[2]
