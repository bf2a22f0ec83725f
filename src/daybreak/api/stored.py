"""What the databases of a cluster hold: into one file, and back from there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from daybreak import __version__
from daybreak.api.asking import Cluster, status
from daybreak.api.single import restart_service
from daybreak.errors import DaybreakError, NotRunning, PreflightError, UsageError
from daybreak.extras.backup import places, postgres, redis
from daybreak.extras.backup.archive import Archive, Writer, opened
from daybreak.extras.backup.manifest import Manifest
from daybreak.extras.backup.postgres_restore import PostgresRestore
from daybreak.extras.backup.redis_restore import RedisRestore
from daybreak.extras.backup.restore import Restore, carry_out
from daybreak.extras.backup.telling import Deadline, Tell
from daybreak.files import replacing
from daybreak.names import DATABASES, POSTGRES, REDIS
from daybreak.paths import ClusterPaths
from daybreak.states import FINE, ClusterState

# What daybreak can back up; the others have tools of their own.
HELD = (POSTGRES, REDIS)
TIMEOUT_S = 3600.0
OTHERS_HINT = "their own tools can: `mysqldump` and `neo4j-admin database dump`, in their containers"


@dataclass(frozen=True)
class Backup:
    """A backup that was made."""

    path: Path
    manifest: Manifest
    size_bytes: int


def backup(
    file: str | Path | None = None,
    *,
    name: str | None = None,
    only: Sequence[str] = (),
    timeout_s: float = TIMEOUT_S,
    tell: Tell = lambda _: None,
) -> Backup:
    """Write what the databases of a running cluster hold into a new file, mode 0600; those in `only`, or all.

    The file is there when all of it is on disk, or not at all. What cannot be backed up is in `manifest.left_out`.
    Raises NotRunning, UsageError for a file that is there already or a database that there is not, and DaybreakError.
    """
    cluster = _running(name)
    chosen = _chosen(cluster, only)
    path = _free(Path(file) if file else Path(), cluster.name)
    deadline = Deadline(timeout_s)
    try:
        with replacing(path, durable=True) as written:
            writer = Writer(written, tell)
            try:
                manifest = _written(cluster, chosen, writer, deadline)
            except BaseException:
                writer.give_up()
                raise
        _sync(path.parent)
        return Backup(path, manifest, path.stat().st_size)
    except OSError as error:
        raise DaybreakError(f"the backup cannot be written to {path}: {error.strerror or error}") from error


def _written(cluster: Cluster, chosen: Sequence[str], writer: Writer, deadline: Deadline) -> Manifest:
    paths, containers = ClusterPaths.of(cluster.name), _in_containers(cluster)
    began, servers = time.time(), {}
    if POSTGRES in chosen:
        servers[POSTGRES] = postgres.back_up(places.postgres_of(paths, containers=containers), writer, deadline)
    if REDIS in chosen:
        servers[REDIS] = redis.back_up(places.redis_address(paths), writer, deadline)
    left_out = tuple(service for service in _databases(cluster) if service not in servers)
    manifest = Manifest(
        cluster.name, began, __version__, cluster.snapshot.backend or "", servers, tuple(writer.parts), left_out
    )
    writer.finish(manifest)
    return manifest


@dataclass(frozen=True)
class Restoring:
    """A restore that can be begun: its backup is whole, and the cluster can take it."""

    cluster: str
    manifest: Manifest
    restores: Mapping[str, Restore]
    note: Callable[[str], None]

    @property
    def effects(self) -> list[str]:
        """What it will replace, in words."""
        return [line for one in self.restores.values() for line in one.effects()]

    def carry_out(self) -> None:
        """Replace it. Raises DaybreakError, whose aftermath says what the databases hold then."""
        carry_out(self.restores, self.note)


@contextlib.contextmanager
def restoring(
    file: str | Path,
    *,
    name: str | None = None,
    only: Sequence[str] = (),
    timeout_s: float = TIMEOUT_S,
    tell: Tell = lambda _: None,
    note: Callable[[str], None] = lambda _: None,
) -> Iterator[Restoring]:
    """A restore of what a backup holds, or of those in `only`, into a running cluster; nothing is changed yet.

    Raises UsageError for a file that is no whole backup, NotRunning, and PreflightError where the cluster lacks one of
    its databases.
    """
    with opened(Path(file)) as archive:
        cluster = _running(name)
        services = _restorable(archive, cluster, only)
        deadline = Deadline(timeout_s)
        archive.check(tell, [part for part in archive.manifest.parts if part.service in services])
        paths = ClusterPaths.of(cluster.name)
        with _alone(paths):
            restores = {
                service: _restore(service, cluster, paths, archive, deadline, tell, note) for service in services
            }
            yield Restoring(cluster.name, archive.manifest, restores, note)


def restore(
    file: str | Path,
    *,
    name: str | None = None,
    only: Sequence[str] = (),
    timeout_s: float = TIMEOUT_S,
    tell: Tell = lambda _: None,
    note: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """Replace what the databases of a running cluster hold by what a backup does; see `restoring`."""
    with restoring(file, name=name, only=only, timeout_s=timeout_s, tell=tell, note=note) as begun:
        begun.carry_out()
        return begun.manifest


def _restore(
    service: str,
    cluster: Cluster,
    paths: ClusterPaths,
    archive: Archive,
    deadline: Deadline,
    tell: Tell,
    note: Callable[[str], None],
) -> Restore:
    containers = _in_containers(cluster)
    if service == POSTGRES:
        return PostgresRestore(places.postgres_of(paths, containers=containers), archive, deadline, tell, note)
    folder = partial(places.redis_folder, paths, containers=containers)
    return RedisRestore(folder, archive, deadline, tell, lambda: _start_anew(REDIS, cluster.name))


def _start_anew(service: str, name: str) -> None:
    restart_service(service, name=name)


def _running(name: str | None) -> Cluster:
    """The cluster. Raises NotRunning where it is not, UsageError where it has no databases."""
    cluster = status(name)
    if cluster.state is ClusterState.STOPPED:
        raise NotRunning(cluster.name, "its databases are reached while they run")
    if not _databases(cluster):
        raise UsageError(f"{cluster.name} has no databases")
    return cluster


def _databases(cluster: Cluster) -> list[str]:
    """The databases that daybreak runs for it."""
    return [row.name for row in cluster.snapshot.services if row.name in DATABASES]


def _chosen(cluster: Cluster, only: Sequence[str]) -> list[str]:
    """What is to be backed up. Raises UsageError where that cannot be, PreflightError where one does not answer."""
    there = _databases(cluster)
    _require_known(only, there, cluster.name)
    chosen = [service for service in there if service in (only or HELD)]
    foreign = [service for service in only or there if service not in HELD]
    if foreign and (only or not chosen):
        raise UsageError(f"daybreak cannot back up {', '.join(foreign)}; nothing was written", hint=OTHERS_HINT)
    _require_ready(cluster, chosen)
    return chosen


def _restorable(archive: Archive, cluster: Cluster, only: Sequence[str]) -> list[str]:
    """What is to be restored, PostgreSQL first: it can be prepared as a whole."""
    held = [service for service in HELD if service in {part.service for part in archive.manifest.parts}]
    _require_known(only, held, f"the backup of {archive.manifest.cluster}")
    services = [service for service in held if not only or service in only]
    missing = [service for service in services if service not in _databases(cluster)]
    if missing:
        rest = [service for service in held if service not in missing]
        instead = f", or restore the rest: --only {','.join(rest)}" if rest else ""
        raise PreflightError(
            [f"the backup holds {', '.join(missing)}, and {cluster.name} has none"],
            hint=f"write it into the spec, `daybreak up`, then repeat{instead}",
        )
    _require_ready(cluster, services)
    return services


def _require_known(only: Sequence[str], there: Sequence[str], what: str) -> None:
    unknown = [service for service in only if service not in there]
    if unknown:
        raise UsageError(
            f"{what} has no database {', '.join(unknown)}; nothing was changed", hint=f"it has {', '.join(there)}"
        )


def _require_ready(cluster: Cluster, services: Sequence[str]) -> None:
    rows = [row for row in cluster.snapshot.services if row.name in services and row.state not in FINE]
    if rows:
        raise PreflightError(
            [f"{row.name} is {row.state} {row.reason}".strip() for row in rows], hint="daybreak status; daybreak logs"
        )


def _in_containers(cluster: Cluster) -> bool:
    return cluster.snapshot.backend == "docker"


def _free(wanted: Path, cluster: str) -> Path:
    """Where the backup is written. Raises UsageError for a file that is there already, and a folder that is not."""
    own = f"{cluster}-{time.strftime('%Y%m%d-%H%M%S')}.zip"
    path = (wanted / own if wanted.is_dir() else wanted).absolute()
    if path.exists() or path.is_symlink():
        raise UsageError(f"{path} is there already; nothing was written", hint="give it another name, or remove it")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}; nothing was written", hint=f"mkdir -p {path.parent}")
    return path


def _sync(folder: Path) -> None:
    """Have the file's name on disk, too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _alone(paths: ClusterPaths) -> Iterator[None]:
    """While no other restore of the cluster is under way. Raises PreflightError."""
    with open(paths.root / "restore.lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PreflightError([f"another restore of {paths.name} is under way"]) from None
        yield
