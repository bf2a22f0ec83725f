"""The labels by which daybreak knows its own images, containers, networks and volumes. Every name stands here."""

from __future__ import annotations

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
# What an image holds of Ray; see images/label.py.
RAY = "dev.daybreak.ray"
