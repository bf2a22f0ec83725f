"""Where everything of a cluster lives. Paths only; `ensure` creates the folders."""

from __future__ import annotations

import hashlib
import os
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path

from daybreak.errors import PreflightError, UsageError
from daybreak.names import VERSIONS

HOME, RUNTIME = "DAYBREAK_HOME", "DAYBREAK_RUNTIME"
SHORTER = f"choose another place for sockets with {RUNTIME}=/short/path"
ELSEWHERE = f"choose another state folder with {HOME}=/path"
# Kernels hold the path of a Unix socket in 108 bytes, the last one being zero.
LONGEST_SOCKET_PATH = 107


SECRETS, HANDED = "secrets", "handed"
# What the folders of secrets begin with, beside those of files of variables.
OF_SECRETS = "secret-"


def state_root() -> Path:
    """The folder of all clusters: `$DAYBREAK_HOME`, else the XDG state folder. Raises UsageError for a relative one."""
    if home := _given(HOME):
        return home.resolve()
    _given("XDG_STATE_HOME")
    import platformdirs

    return Path(platformdirs.user_state_dir("daybreak"))


def runtime_root() -> Path:
    """A short folder for sockets and Ray's temporary files. Raises UsageError for a relative one."""
    return _given(RUNTIME) or _own_runtime()


def _own_runtime() -> Path:
    return Path("/tmp") / f"daybreak-{os.getuid()}"


def _given(variable: str) -> Path | None:
    """The folder that a variable names; a relative one would be another one for each command, and for the keeper."""
    value = os.environ.get(variable)
    if not value:
        return None
    path = Path(os.path.expanduser(value))
    if not path.is_absolute():
        raise UsageError(
            f"{variable}={value} is a relative path, which means another folder wherever a command is typed; "
            "nothing was changed",
            hint=f"export {variable}={shlex.quote(os.path.abspath(path))}",
        )
    return Path(os.path.normpath(path))


def runtime_of(root: Path) -> Path:
    """The runtime folder of the cluster with that state folder."""
    return runtime_root() / hashlib.sha256(str(root).encode()).hexdigest()[:8]


def short(folder: str) -> str:
    """A folder as people write it: with ~ for their home."""
    home = os.path.expanduser("~")
    return f"~{folder[len(home) :]}" if home != "/" and f"{folder}/".startswith(f"{home}/") else folder


class _Kept:
    """What outlives the cluster, below the state folder `root`."""

    root: Path

    @property
    def lock(self) -> Path:
        return self.root / "keeper.lock"

    @property
    def keeper_log(self) -> Path:
        return self.logs / "keeper.log"

    @property
    def wanted(self) -> Path:
        """The spec and goal last applied (JSON, 0600)."""
        return self.root / "wanted.json"

    @property
    def pause(self) -> Path:
        """There while requests wait because somebody has asked for it (JSON, 0600)."""
        return self.root / "pause.json"

    @property
    def alerts(self) -> Path:
        """What is wrong and was told, and what is still to be told (JSON, 0600)."""
        return self.root / "alerts.json"

    @property
    def owner(self) -> Path:
        """The folder that the cluster belongs to (JSON, 0600)."""
        return self.root / "owner.json"

    @property
    def records(self) -> Path:
        """One JSON file per service: what is needed to find its processes again."""
        return self.root / "services"

    @property
    def containers(self) -> Path:
        """There while a keeper may find containers of the cluster."""
        return self.root / "containers"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def output(self) -> Path:
        """One file per container: how far its output was copied to its log."""
        return self.root / "output"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def secrets(self) -> Path:
        return self.root / SECRETS

    @property
    def timeline(self) -> Path:
        return self.root / "timeline.db"

    @property
    def sweep(self) -> Path:
        """The last `perf sweep` (JSON, 0600)."""
        return self.root / "sweep.json"

    @property
    def learned(self) -> Path:
        """What the application has been seen to import."""
        return self.root / "warm" / "learned.json"


class _Machines:
    """Of other machines."""

    root: Path

    @property
    def hosts_book(self) -> Path:
        """Invitations, and the machines that have joined (JSON, 0600)."""
        return self.root / "hosts" / "hosts.json"


class _Versions:
    """What was deployed, below the state folder `root`."""

    root: Path

    @property
    def versions(self) -> Path:
        """What was deployed with success, each version in a file (JSON, 0600), and the files that they have."""
        return self.root / "versions"

    @property
    def code(self) -> Path:
        """The folders of versions that are deployed again, and for each slot a link to the one in use."""
        return self.root / VERSIONS


class _ShortLived:
    """Sockets and what goes with the cluster's end, below `runtime`."""

    runtime: Path

    @property
    def socket(self) -> Path:
        return self.runtime / "keeper.sock"

    @property
    def breakpoints(self) -> Path:
        """Where `dev` listens for programs that stop."""
        return self.runtime / "dev.sock"

    @property
    def environment(self) -> Path:
        """The environment of the command that last started the app tier (JSON, 0600); gone with the cluster's end."""
        return self.runtime / "environment.json"

    @property
    def handed(self) -> Path:
        """What services are handed of the user's secrets and files of variables; gone with the cluster's end."""
        return self.runtime / HANDED

    @property
    def warm(self) -> Path:
        """The warm template's socket and files."""
        return self.runtime / "warm"

    @property
    def forks(self) -> Path:
        """One file for each process that the template has forked."""
        return self.warm / "forks"

    def ray_temp(self, node: str) -> Path:
        """Ray's `--temp-dir` of one node; each needs its own."""
        return self.runtime / node


@dataclass(frozen=True)
class ClusterPaths(_Kept, _Machines, _Versions, _ShortLived):
    """The files of one cluster."""

    name: str
    root: Path
    runtime: Path

    @classmethod
    def of(cls, name: str) -> ClusterPaths:
        root = state_root() / name
        return cls(name=name, root=root, runtime=runtime_of(root))

    def ensure(self) -> None:
        """Create the folders with mode 0700 and prove that they can be written to.

        Raises PreflightError where the state folder is read-only, full, or owned by somebody else, and where that for
        sockets cannot be used; no folder of others is changed.
        """
        try:
            for folder in (self.root, self.records, self.logs, self.data, self.secrets):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                _require_ours(folder)
            # A name of its own: a command and the keeper that it starts look at the same moment.
            probe = self.root / f".probe-{os.getpid()}"
            try:
                probe.write_bytes(b"x" * 4096)
            finally:
                probe.unlink(missing_ok=True)
        except OSError as error:
            raise PreflightError(
                [f"the state folder {self.root} cannot be written to: {error.strerror or error}"],
                hint="free some space or make it writable, or choose another place with DAYBREAK_HOME=/path",
            ) from error
        if len(str(self.socket).encode()) > LONGEST_SOCKET_PATH:
            raise PreflightError(
                [f"the keeper's socket has a path longer than {LONGEST_SOCKET_PATH} bytes: {self.socket}"], hint=SHORTER
            )
        if self.runtime.parent == _own_runtime():
            _private_folder(self.runtime.parent)
        else:
            _shared_folder(self.runtime.parent)
        _private_folder(self.runtime)


def _require_ours(folder: Path) -> None:
    """Who else could write there would decide what is run. In a shared $DAYBREAK_HOME others may have been first."""
    found = folder.stat()
    if found.st_uid != os.geteuid():
        raise PreflightError([f"{folder} belongs to user {found.st_uid}, not to you"], hint=ELSEWHERE)
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PreflightError(
            [f"others may write into {folder}, and could have code of theirs run as you"],
            hint=f"see what is in there; then: chmod go-w {folder}",
        )


def _shared_folder(folder: Path) -> None:
    """Make `folder` where it is not there; one that is, such as /tmp, is left as it is: it may be others' as well."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = folder.lstat().st_mode
    except OSError as error:
        raise _unusable(folder, error) from error
    if not stat.S_ISDIR(mode):
        raise PreflightError([f"{folder} is a link, and may lead elsewhere tomorrow"], hint=SHORTER)
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise PreflightError(
            [f"anybody may delete and replace what is in {folder}"], hint=f"chmod +t {folder}, or {SHORTER}"
        )


def _private_folder(folder: Path) -> None:
    """Make `folder` a real folder of ours with mode 0700: /tmp is shared, and somebody may have been there first."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise PreflightError([f"{folder} exists and is not a folder of yours"], hint=SHORTER)
        folder.chmod(0o700)
    except OSError as error:
        raise _unusable(folder, error) from error


def _unusable(folder: Path, error: OSError) -> PreflightError:
    return PreflightError([f"the folder {folder} cannot be used: {error.strerror or error}"], hint=SHORTER)
