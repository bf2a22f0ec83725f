"""What is wrong with the databases of a spec although each of its values is valid: files, names, and what only one of
the backends can do."""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from daybreak.spec.databases import REDIS_NUMBERS, password_files
from daybreak.spec.document import KeyPath
from daybreak.spec.model import Spec
from daybreak.spec.password import read_password
from daybreak.spec.scripts import ENDINGS, scripts
from daybreak.spec.wording import Finding

SOCKET_INSIDE = "needs processes: with backend: docker the socket is inside the container, where nobody is asked anyway"
DATA_SCRIPTS = ("postgres", "mysql")


def databases(spec: Spec, base: Path, unsure: Collection[KeyPath]) -> Iterator[Finding]:
    """Files are read, relative to the folder `base`."""
    for key, file in password_files(spec.databases):
        yield from _password(key, base / file)
    for name in DATA_SCRIPTS:
        wanted = getattr(spec.databases, name)
        for index, entry in enumerate(wanted.init if wanted else ()):
            path: KeyPath = ("databases", name, "init", index)
            yield from _scripts(path, base / entry) or (_closed(path, base / entry) if spec.in_containers else ())
    yield from _numbers(spec)
    if spec.in_containers and spec.databases.postgres and spec.databases.postgres.trust_socket:
        yield Finding(("databases", "postgres", "trust_socket"), SOCKET_INSIDE, "remove it", at_key=True)
    del unsure


def _password(path: KeyPath, file: Path) -> Iterator[Finding]:
    try:
        read_password(file)
    except OSError as error:
        yield Finding(path, f"{file} cannot be read: {error.strerror or error}", "write the password into that file")
    except ValueError as error:
        yield Finding(path, str(error))


def _scripts(path: KeyPath, place: Path) -> list[Finding]:
    """A folder may hold other files; one that is named must be a script."""
    kinds = ", ".join(f"*{ending}" for ending in ENDINGS)
    if not place.exists():
        return [Finding(path, f"no such folder or file: {place}")]
    if place.is_dir() and not scripts(place):
        return [Finding(path, f"{place} holds none of {kinds}")]
    if not place.is_dir() and not place.name.endswith(ENDINGS):
        return [Finding(path, f"{place} is none of {kinds}")]
    if any("\n" in str(script) for script in scripts(place)):
        return [Finding(path, f"a path in {place} holds a line break")]
    return []


def _closed(path: KeyPath, place: Path) -> list[Finding]:
    """Scripts that the account of a server in its container cannot read."""
    closed = [str(script) for script in scripts(place) if not script.stat().st_mode & stat.S_IROTH]
    hint = f"chmod a+r {' '.join(closed)}"
    return [Finding(path, "is not readable for the server's account in its container", hint)] if closed else []


def _numbers(spec: Spec) -> Iterator[Finding]:
    """Redis has as many logical databases as its settings say."""
    redis = spec.databases.redis
    if redis is None:
        return
    count = next((value for key, value in redis.settings.items() if key.lower() == "databases"), REDIS_NUMBERS)
    for name, number in redis.databases.items():
        if str(count).isdigit() and number >= int(count):
            message = f"there is no database {number}: Redis has {count}, numbered from 0"
            yield Finding(("databases", "redis", "databases", name), message, "write settings: {databases: 32}")
