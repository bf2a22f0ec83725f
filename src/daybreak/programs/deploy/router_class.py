"""Serve's own class of request routers, pickled once for all deployments.

With each deployment Serve pickles the class anew, a hundred kilobytes, whatever application it is of. That is Ray's
private business: where it is another Ray's, it does it as it always does.
"""

from typing import Any, List


def pickle_once() -> None:
    """From now on the configurations of this process share what the first one has pickled."""
    from ray.serve import config

    kind: Any = getattr(config, "RequestRouterConfig", None)
    default = getattr(config, "DEFAULT_REQUEST_ROUTER_PATH", None)
    pickle: Any = getattr(kind, "_serialize_request_router_cls", None)
    known = (hasattr(kind, name) for name in ("set_serialized_request_router_cls", "get_serialized_request_router_cls"))
    if not (default and pickle and all(known)) or hasattr(pickle, "once"):
        return
    pickled: List[bytes] = []

    def once(self: Any) -> None:
        own = self.request_router_class != default
        if own or not pickled:
            pickle(self)
            if not own:
                pickled.append(self.get_serialized_request_router_cls())
        else:
            self.set_serialized_request_router_cls(pickled[0])

    once.once = True  # type: ignore[attr-defined]
    kind._serialize_request_router_cls = once
    kind()
