"""What a deployment does before it knows what it is about: whoever imports this has done it."""

from . import deploy, router_class

__all__ = ["deploy"]

router_class.by_name()
