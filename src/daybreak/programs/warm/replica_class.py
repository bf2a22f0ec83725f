"""The class that a deployment's replicas have is made once, and not with each version of the deployment.

Serve's controller makes a class of the deployment's name, which says nothing of its code, each time that the
deployment is deployed. Ray writes each one into its tables, and whoever calls a replica, controller and proxies first
of all, loads it and keeps it for good. That is Ray's private business: where it is done otherwise, it is done as it
always was.
"""

from typing import Any, Dict

from . import after_import

MODULE, CLASS, PROPERTY = "ray.serve._private.deployment_info", "DeploymentInfo", "actor_def"
# What the property is made of where it is the one that this was written for.
NAMES = frozenset(("_cached_actor_def", "actor_name"))


def prepare() -> None:
    """In a worker, which may be the controller, before its program begins."""
    after_import.call(MODULE, share)


def share(module: Any) -> None:
    """From now on deployments of one name, one after the other, have one class."""
    kind = getattr(module, CLASS, None)
    made_by = getattr(vars(kind).get(PROPERTY) if kind else None, "fget", None)
    if made_by is None or not NAMES.issubset(made_by.__code__.co_names):
        return
    made: Dict[str, Any] = {}

    def actor_def(self: Any) -> Any:
        if self._cached_actor_def is None:
            if self.actor_name not in made:
                made[self.actor_name] = made_by(self)
            self._cached_actor_def = made[self.actor_name]
        return self._cached_actor_def

    setattr(kind, PROPERTY, property(actor_def))
