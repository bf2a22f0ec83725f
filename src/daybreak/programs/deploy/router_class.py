"""Serve's own class of request routers goes by its name.

With each deployment Serve sends the code of that class, a hundred kilobytes, whatever application it is of: it is
pickled for each deployment, and its controller and proxies keep it of every version. Every process of the cluster has
the class by its name. That is Ray's private business: where it is another Ray's, it does it as it always does. A class
of the user's own is sent as ever.
"""

from typing import Any

SERIALIZE, SET = "_serialize_request_router_cls", "set_serialized_request_router_cls"


def by_name() -> None:
    """From now on, in this process."""
    from ray import cloudpickle
    from ray.serve import config

    kind: Any = getattr(config, "RequestRouterConfig", None)
    default = getattr(config, "DEFAULT_REQUEST_ROUTER_PATH", None)
    serialize: Any = getattr(kind, SERIALIZE, None)
    module_and_attribute: Any = getattr(config, "import_module_and_attr", None)
    if not (default and serialize and module_and_attribute and hasattr(kind, SET)) or hasattr(serialize, "by_name"):
        return
    named = cloudpickle.dumps(module_and_attribute(default)[1])

    def serialize_by_name(self: Any) -> None:
        if self.request_router_class == default:
            getattr(self, SET)(named)
        else:
            serialize(self)

    serialize_by_name.by_name = True  # type: ignore[attr-defined]
    setattr(kind, SERIALIZE, serialize_by_name)
