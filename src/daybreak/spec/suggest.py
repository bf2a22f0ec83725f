"""What somebody may have meant: known keys and names near to the one they wrote."""

from __future__ import annotations

import difflib
import types
from collections.abc import Collection
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from daybreak.spec.document import KeyPath
from daybreak.spec.model import Spec

# Words of other programs (Kubernetes, Compose, Ray) for keys of ours. The first that exists in the place is meant.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "address": ("listen",),
    "app": ("import", "applications"),
    "apps": ("applications",),
    "bind": ("listen",),
    "cluster_name": ("name",),
    "cmd": ("command",),
    "config_file": ("config",),
    "cpu": ("cpus",),
    "database": ("databases",),
    "db": ("databases",),
    "depends_on": ("needs",),
    "environment": ("env",),
    "gpu": ("gpus",),
    "grace": ("stop_grace",),
    "health_check": ("check", "health"),
    "healthcheck": ("check", "health"),
    "host": ("listen",),
    "import_path": ("import",),
    "mem": ("memory",),
    "module": ("import",),
    "num_cpus": ("cpus",),
    "num_gpus": ("gpus",),
    "num_workers": ("count", "workers"),
    "object_store_memory": ("object_store",),
    "port": ("ports", "serve", "tcp"),
    "postgresql": ("postgres",),
    "replicas": ("count",),
    "client_server": ("client",),
    "ray_client": ("client",),
    "token": ("auth",),
    "restart_policy": ("restart",),
    "route_prefix": ("route",),
    "run": ("command",),
    "size": ("count",),
    "stop_timeout": ("stop_grace",),
    "timeout": ("start_timeout",),
    "valkey": ("redis",),
    "workdir": ("cwd",),
    "worker": ("workers",),
    "working_dir": ("cwd",),
}


def field_at(path: KeyPath) -> FieldInfo | None:
    """The model field that a path leads to; None where the path ends in a mapping's entry or nowhere."""
    if not path:
        return None
    parent = model_at(path[:-1])
    return _fields(parent).get(str(path[-1])) if parent else None


def model_at(path: KeyPath) -> type[BaseModel] | None:
    """The model that a path leads to; None where it leads to something else or nowhere."""
    found = annotation_at(path)
    if get_origin(found) is tuple:  # one may stand for a list of it
        found = _bare(get_args(found)[0])
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def annotation_at(path: KeyPath) -> Any:
    """The type a path leads to, without its `None` and `Annotated`; None where it leads nowhere."""
    current: Any = Spec
    for part in path:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = _fields(current).get(str(part))
            current = _bare(field.annotation) if field else None
        elif get_origin(current) in (dict, tuple):
            # dict[K, V] and tuple[V, ...]
            current = _bare(get_args(current)[1 if get_origin(current) is dict else 0])
        else:
            return None
    return current


def is_section(path: KeyPath) -> bool:
    """Whether a mapping or a list belongs at `path`, and may be left out."""
    field = field_at(path)
    if field is None or field.is_required():
        return False
    return model_at(path) is not None or get_origin(annotation_at(path)) in (dict, tuple)


def known_keys(path: KeyPath) -> list[str]:
    """The keys that may be written at `path`, in the models' order."""
    model = model_at(path)
    return list(_fields(model)) if model else []


def for_key(path: KeyPath) -> str | None:
    """A hint for an unknown key: the one that was probably meant, else all that are known there."""
    *parents, last = path
    place, key = tuple(parents), str(last).lower().replace("-", "_")
    known, words = known_keys(place), SYNONYMS.get(key, ())
    # A key may belong one level deeper, such as `count` beside `workers`.
    sections = {section: known_keys((*place, section)) for section in known}
    meant = [
        *(word for word in words if word in known),
        *(f"{section}.{key}" for section, keys in sections.items() if key in keys),
        *_close(key, known),
        *(f"{section}.{word}" for section, keys in sections.items() for word in words if word in keys),
    ]
    if meant:
        return did_you_mean(meant[0])
    return f"known keys: {', '.join(known)}" if known else None


def for_name(name: str, known: Collection[str], thinkable: Collection[str] = ()) -> str | None:
    """A hint for an unknown name: the nearest, be it known or only thinkable, else all that are known."""
    close = _close(name, [*known, *thinkable])
    if close:
        return did_you_mean(close[0])
    return f"known: {', '.join(known)}" if known else None


def did_you_mean(word: str) -> str:
    return f"did you mean '{word}'?"


def _close(word: str, known: Collection[str]) -> list[str]:
    return difflib.get_close_matches(word, known, n=1, cutoff=0.6)


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The model's fields by the key that people write."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _bare(annotation: Any) -> Any:
    """The annotation without `| None` and `Annotated`; a real union stays as it is."""
    if get_origin(annotation) in (Union, types.UnionType):
        others = [kind for kind in get_args(annotation) if kind is not type(None)]
        return _bare(others[0]) if len(others) == 1 else annotation
    return _bare(annotation.__origin__) if hasattr(annotation, "__metadata__") else annotation
