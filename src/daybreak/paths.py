"""Where everything of a cluster lives. Paths only; `ensure` creates the folders."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from daybreak.errors import PreflightError


def state_root() -> Path:
    """The folder of all clusters: `$DAYBREAK_HOME`, else the XDG state folder."""
    home = os.environ.get("DAYBREAK_HOME")
    if home:
        return Path(home).expanduser().resolve()
    import platformdirs

    return Path(platformdirs.user_state_dir("daybreak"))


def runtime_root() -> Path:
    """A short folder for sockets and Ray's temporary files: Unix socket paths end at 107 bytes."""
    override = os.environ.get("DAYBREAK_RUNTIME")
    return Path(override) if override else Path("/tmp") / f"daybreak-{os.getuid()}"


@dataclass(frozen=True)
class ClusterPaths:
    """The files of one cluster, below `root` (kept) and `runtime` (short-lived)."""

    name: str
    root: Path
    runtime: Path

    @classmethod
    def of(cls, name: str) -> ClusterPaths:
        root = state_root() / name
        digest = hashlib.sha256(str(root).encode()).hexdigest()[:8]
        return cls(name=name, root=root, runtime=runtime_root() / digest)

    @property
    def socket(self) -> Path:
        return self.runtime / "keeper.sock"

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
    def owner(self) -> Path:
        """The folder that the cluster belongs to (JSON, 0600)."""
        return self.root / "owner.json"

    @property
    def environment(self) -> Path:
        """The environment of the command that last started the app tier (JSON, 0600); gone with the cluster's end."""
        return self.runtime / "environment.json"

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
        return self.root / "secrets"

    @property
    def timeline(self) -> Path:
        return self.root / "timeline.db"

    @property
    def sweep(self) -> Path:
        """The last `perf sweep` (JSON, 0600)."""
        return self.root / "sweep.json"

    @property
    def warm(self) -> Path:
        """The warm template's socket and files."""
        return self.runtime / "warm"

    @property
    def forks(self) -> Path:
        """One file for each process that the template has forked."""
        return self.warm / "forks"

    @property
    def learned(self) -> Path:
        """What the application has been seen to import."""
        return self.root / "warm" / "learned.json"

    def ray_temp(self, node: str) -> Path:
        """Ray's `--temp-dir` of one node; each needs its own."""
        return self.runtime / node

    def ensure(self) -> None:
        """Create the folders with mode 0700 and prove that they can be written to.

        Raises PreflightError where the state folder is read-only, full, or owned by somebody else.
        """
        try:
            for folder in (self.root, self.records, self.logs, self.data, self.secrets):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
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
        for folder in (self.runtime.parent, self.runtime):
            _private_folder(folder)


def _private_folder(folder: Path) -> None:
    """Make `folder` a real folder of ours with mode 0700: /tmp is shared, and somebody may have been there first."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise PreflightError(
                [f"{folder} exists and is not a folder of yours"],
                hint="choose another place for sockets with DAYBREAK_RUNTIME=/short/path",
            )
        folder.chmod(0o700)
    except OSError as error:
        raise PreflightError(
            [f"the folder {folder} cannot be used: {error.strerror or error}"],
            hint="choose another place for sockets with DAYBREAK_RUNTIME=/short/path",
        ) from error
