"""What services are handed: read when a command asks, and kept in the runtime folder for what starts later by itself.

Nothing of it is stored elsewhere: the stored state has a keyed hash of each value. So a new value is a difference, and
nobody can tell from the hash what it is, or try words.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from daybreak.errors import PreflightError, Problem
from daybreak.files import PRIVATE, replacing
from daybreak.machine.secrets import ensure_secrets
from daybreak.paths import ClusterPaths
from daybreak.services.handed import EnvFileValues, Handed
from daybreak.spec.document import dotted
from daybreak.spec.handing import Values, places, read_values, used_secrets
from daybreak.spec.model import Spec
from daybreak.spec.variables import Variables
from daybreak.spec.wording import Finding

KEY = "handed-key"
DIGITS = 16
# The hash of what is not there; nothing lies below that name.
MISSING = "missing"


@dataclass(frozen=True)
class Handing:
    """What a spec's services are handed, and the files that are to be written for it, by path below the folder."""

    handed: Handed = Handed()
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)


def look(
    spec: Spec,
    base: Path,
    paths: ClusterPaths,
    asked: Mapping[str, str] | None,
    known: Handed,
    *,
    only_look: bool = False,
    strict: bool = False,
) -> Handing:
    """What is handed over now. `asked` is the environment of the command that asks for it, None where nobody does: then
    what is `known` stays, as far as it is still there.

    Raises PreflightError for what is missing, where it is `strict`; else that stays what it was.
    """
    secrets, files = used_secrets(spec), list(dict.fromkeys(one.path for place in places(spec) for one in place.files))
    if not secrets and not files:
        return Handing()
    kept = Handed() if asked is not None else _still_there(known, paths, secrets, files)
    made, wrong = Handing(), list[Finding | Problem]()
    if len(kept.secrets) + len(kept.files) < len(secrets) + len(files):
        values, wrong = read_values(spec, base, Variables(base, asked or {}))
        key = ensure_secrets(paths.secrets, [KEY], keep=not only_look)[KEY].encode()
        made = _handing(values, key)
        wrong = [one for one in wrong if isinstance(one, Problem) or not set(one.path[1:2]) & kept.secrets.keys()]
    if wrong and strict:
        raise _missing(wrong)
    gone = {name: known.secrets.get(name, MISSING) for name in secrets}
    handed = Handed(
        str(paths.handed),
        {**gone, **made.handed.secrets, **kept.secrets},
        {**made.handed.files, **kept.files},
    )
    return Handing(handed, made.files)


def _missing(wrong: Sequence[Finding | Problem]) -> PreflightError:
    told = [one if isinstance(one, Problem) else Problem(one.message, dotted(one.path), hint=one.hint) for one in wrong]
    hint = "; ".join(dict.fromkeys(one.hint for one in told if one.hint))
    return PreflightError([str(replace(one, hint=None)) for one in told], hint=hint or None)


def write(handing: Handing, folder: Path) -> None:
    """Write what is not there yet. Raises OSError."""
    if not handing.files:
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in handing.files.items():
        path = folder / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if not path.exists():
            with replacing(path, PRIVATE) as file:
                file.write(content)


def prune(folder: Path, handed: Handed) -> None:
    """Delete what nobody is handed any more."""
    used = {*handed.secrets.values(), *(each.digest for each in handed.files.values())}
    if folder.is_dir():
        for entry in folder.iterdir():
            if entry.name not in used:
                shutil.rmtree(entry, ignore_errors=True)


def _handing(values: Values, key: bytes) -> Handing:
    files: dict[str, bytes] = {}
    secrets, variables = {}, {}
    for name, content in values.secrets.items():
        secrets[name] = _digest(key, f"secret {name}", content)
        files[f"{secrets[name]}/{name}"] = content
    for path, found in values.files.items():
        digest = _digest(key, f"file {path}", json.dumps(sorted(found.items())).encode())
        variables[path] = EnvFileValues(digest, tuple(sorted(found)))
        files |= {f"{digest}/{name}": value.encode() for name, value in found.items()}
    return Handing(Handed("", secrets, variables), files)


def _digest(key: bytes, kind: str, content: bytes) -> str:
    found = hmac.new(key, kind.encode() + b"\0" + content, hashlib.sha256).hexdigest()[:DIGITS]
    return f"{kind.partition(' ')[0]}-{found}"


def _still_there(known: Handed, paths: ClusterPaths, secrets: Sequence[str], files: Sequence[str]) -> Handed:
    """What of it the runtime folder still has: after a start of the machine nothing."""
    found = {name: known.secrets[name] for name in secrets if name in known.secrets}
    found = {name: digest for name, digest in found.items() if (paths.handed / digest / name).is_file()}
    variables = {path: known.files[path] for path in files if path in known.files}
    variables = {
        path: each
        for path, each in variables.items()
        if all((paths.handed / each.digest / name).is_file() for name in each.names)
    }
    return Handed("", found, variables)
