"""Names and numbers that many rooms share, whichever way the arrow of imports points between them."""

from __future__ import annotations

from collections.abc import Collection

# Services, and the lane of the worker nodes.
HEAD = "head"
SERVE = "serve"
GATEWAY = "gateway"
WORKERS = "workers"
# The group of workers that are all alike, and so the first part of their names.
ONLY = "worker"
# Of the state folder: the folders of versions that are deployed again. The same name inside containers.
VERSIONS = "code"
POSTGRES = "postgres"
REDIS = "redis"
MYSQL = "mysql"
NEO4J = "neo4j"
DATABASES = (POSTGRES, REDIS, MYSQL, NEO4J)

MOST_WORKERS = 256
# At most this long what is not needed for the first response is kept waiting, whatever becomes of it.
HOLD_S = 20.0
# A command's exit code where it had to be ended, and where it could not be started: those of timeout(1) and of shells.
TIMED_OUT_CODE = 124
NOT_RUN_CODE = 127


def group_of(node: str, groups: Collection[str]) -> str:
    """The group, one of `groups`, whose node has this name; empty where it is none."""
    group, _, number = node.rpartition("-")
    return group if group in groups and number.isdecimal() and number[0] != "0" else ""
