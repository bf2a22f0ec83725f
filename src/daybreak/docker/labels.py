"""The labels by which daybreak knows its own images, containers, networks and volumes. Every name stands here.

Which Ray an image has is known without running it: by a label that `daybreak image build` writes, and by a file in the
image. Both hold what `programs/common/ray_probe.py` says in the image's interpreter, and `python`, that interpreter's
path. An image that was built from the Dockerfile by other means has the file alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

# The cluster's name. `daybreak doctor --prune` deletes nothing without it.
CLUSTER = "daybreak.cluster"
# The cluster's state folder: two state folders may hold clusters of one name, and images hand CLUSTER on to whatever
# container is made from them. What runs belongs to a cluster by this label alone.
ROOT = "daybreak.root"
SERVICE = "daybreak.service"
TIER = "daybreak.tier"
INSTANCE = "daybreak.instance"
GENERATION = "daybreak.generation"
# The whole Handle as JSON: it is all that a later keeper needs.
HANDLE = "daybreak.handle"
# The memory limit in bytes, so that the event of a container's end can be told with it.
MEMORY = "daybreak.memory"
# What an image holds of Ray.
RAY = "dev.daybreak.ray"
# What a service of an exported compose file belongs to: not CLUSTER, since what has that is daybreak's to delete.
EXPORTED = "dev.daybreak.compose"
EXPORTED_TIER = "dev.daybreak.tier"
EXPORTED_FILES = "dev.daybreak.files"
# Compose's own.
COMPOSE = "com.docker.compose.project"
RAY_FILE = "/opt/daybreak/ray.json"
HEALTH_FILE = "/opt/daybreak/health.py"


def ray_of(labels: Mapping[str, str] | None) -> dict[str, Any] | None:
    """What the label says: `version`, `python`, `scripts`, `haproxy` and more; None where there is no valid one."""
    return parsed((labels or {}).get(RAY, ""))


def parsed(text: str | bytes) -> dict[str, Any] | None:
    """The content of the label or of the file; None where it is something else."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("python") and found.get("version") else None
