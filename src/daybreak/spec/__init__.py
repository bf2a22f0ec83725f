"""The spec: what the user wants, from `daybreak.yaml` or from options, as frozen models.

Names are loaded when they are first used: most commands need a cluster's name and no pydantic.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daybreak.spec.find import cluster_name, find_spec
    from daybreak.spec.init import write_starter
    from daybreak.spec.load import LoadedSpec, load_spec, without_file
    from daybreak.spec.model import Spec
    from daybreak.spec.quantities import parse_bytes, parse_cpus, parse_seconds
    from daybreak.spec.schema import json_schema

__all__ = [
    "LoadedSpec",
    "Spec",
    "cluster_name",
    "find_spec",
    "json_schema",
    "load_spec",
    "parse_bytes",
    "parse_cpus",
    "parse_seconds",
    "without_file",
    "write_starter",
]

_MODULES = {
    "LoadedSpec": "load",
    "Spec": "model",
    "cluster_name": "find",
    "find_spec": "find",
    "json_schema": "schema",
    "load_spec": "load",
    "parse_bytes": "quantities",
    "parse_cpus": "quantities",
    "parse_seconds": "quantities",
    "without_file": "load",
    "write_starter": "init",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
