"""How services, the cluster, its page and its deployment are, in one word each, as `status --json` prints it.

A word that only another version of daybreak knows reads as what claims the least.
"""

from __future__ import annotations

from enum import StrEnum


class ServiceState(StrEnum):
    """What a service does."""

    STOPPED = "stopped"
    WAITING = "waiting"  # for what it needs
    PREPARING = "preparing"
    STARTING = "starting"
    READY = "ready"
    COMPLETED = "completed"  # it has done its work
    SCHEDULED = "scheduled"  # its time will come
    STOPPING = "stopping"
    FAILED = "failed"
    CRASHED = "crashed"
    BACKING_OFF = "backing-off"  # crashed, and started again after a pause
    NOT_ENDED = "not-ended"  # it was told to stop, and is still there
    UNKNOWN = "unknown"  # nobody can tell now

    @classmethod
    def _missing_(cls, _: object) -> ServiceState:
        return cls.UNKNOWN


# Why a service is stopped that somebody has asked to be.
BY_YOU = "by you"
# A service that is as it should be: it runs and is ready, it has done its work, or has its time.
FINE = frozenset([ServiceState.READY, ServiceState.COMPLETED, ServiceState.SCHEDULED])
NOT_STARTED = frozenset([ServiceState.WAITING, ServiceState.PREPARING])
ON_ITS_WAY = NOT_STARTED | {ServiceState.STARTING, ServiceState.STOPPING}
BAD = frozenset([ServiceState.FAILED, ServiceState.CRASHED, ServiceState.BACKING_OFF, ServiceState.NOT_ENDED])
NOTHING_RUNS = frozenset([ServiceState.STOPPED, ServiceState.CRASHED, ServiceState.BACKING_OFF])


class Health(StrEnum):
    """How well something is, the worst first."""

    UNHEALTHY = "unhealthy"
    FAILING = "failing"
    DEGRADED = "degraded"
    HEALTHY = "healthy"
    NOT_CHECKED = ""

    @classmethod
    def _missing_(cls, _: object) -> Health:
        return cls.NOT_CHECKED


WELL = frozenset([Health.HEALTHY, Health.NOT_CHECKED])


def worst(*told: tuple[Health, str]) -> tuple[Health, str]:
    """Of several, each with its reason, the worst; of equally bad ones the first that has a reason."""
    order = list(Health)
    return min(told, key=lambda one: (order.index(one[0]), not one[1]))


class ClusterState(StrEnum):
    """What the whole cluster does."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"
    STOPPING = "stopping"

    @classmethod
    def _missing_(cls, _: object) -> ClusterState:
        return cls.DEGRADED


class HostState(StrEnum):
    """How another machine of the cluster is."""

    CONNECTING = "connecting"  # it is logged into
    PREPARING = "preparing"
    JOINING = "joining"
    READY = "ready"
    CHANGING = "changing"
    DEGRADED = "degraded"
    LEAVING = "leaving"
    LEFT = "left"  # it was let go, and comes back where somebody asks for it
    AWAY = "away"  # it cannot be logged into, or prepared
    LOST = "lost"  # nothing is heard of it any more
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, _: object) -> HostState:
        return cls.UNKNOWN


HOSTS_NOT_WELL = frozenset([HostState.DEGRADED, HostState.AWAY, HostState.LOST])
HOSTS_HEARD_OF = frozenset([HostState.READY, HostState.CHANGING, HostState.DEGRADED, HostState.LEAVING])


class PageState(StrEnum):
    """Whether the cluster's page is served."""

    OFF = "off"
    STARTING = "starting"
    LISTENING = "listening"
    FAILED = "failed"

    @classmethod
    def _missing_(cls, _: object) -> PageState:
        return cls.OFF


class Stage(StrEnum):
    """How far the deployment, or the warm template, is, in this order; its own program writes it."""

    IMPORTING = "importing"
    WAITING = "waiting"  # for the head
    CONNECTING = "connecting"
    STARTING = "starting"  # Serve itself
    SUBMITTED = "submitted"
    RUNNING = "running"
    FAILED = "failed"

    def reached(self, other: Stage) -> bool:
        """Is this `other`, or further?"""
        order = list(Stage)
        return order.index(self) >= order.index(other)
