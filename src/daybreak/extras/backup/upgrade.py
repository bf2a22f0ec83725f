"""Stored data of PostgreSQL moves over to a newer major version: by PostgreSQL's own pg_upgrade, into a new folder,
which takes the old one's place when it is complete and on disk. The old folder is kept beside it."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daybreak.errors import DaybreakError, PreflightError
from daybreak.extras.backup.programs import Place, ProgramFailed
from daybreak.extras.backup.telling import Deadline
from daybreak.services.databases.processes import locale_options, owner_of
from daybreak.services.databases.roles import ADMIN
from daybreak.services.databases.texts import END, START
from daybreak.services.site import PostgresServer

PROGRAMS = ("initdb", "pg_upgrade", "postgres")
# Folders beside the data: what is being made, and what was replaced.
NEW, BEFORE = "upgraded", "before"
END_S = 30.0
TO_ERRORS = 'exec "$0" "$@" >&2'
AT_FDCWD, EXCHANGE = -100, 2


@dataclass(frozen=True)
class Upgrade:
    """From one server's programs to another's. `admins` is the file with the superuser's password."""

    data: Path
    old: PostgresServer
    new: PostgresServer
    admins: Path
    deadline: Deadline

    @property
    def kept(self) -> Path:
        """Where the old data is afterwards."""
        return self.data.with_name(f"{self.data.name}.{BEFORE}-{_major(self.new)}")

    def carry_out(self, tell: Callable[[str], None]) -> None:
        """Raises PreflightError and DaybreakError; the data is then as it was."""
        for server in (self.old, self.new):
            Place(folder=server.folder).require(*PROGRAMS)
        if self.kept.exists():
            raise PreflightError(
                [f"{self.kept} is there already, from an earlier upgrade"], hint=f"delete it: rm -r {self.kept}"
            )
        made = self.data.with_name(f"{self.data.name}.{NEW}")
        shutil.rmtree(made, ignore_errors=True)
        try:
            # Sockets need a short path.
            with tempfile.TemporaryDirectory(prefix="dbu-", dir="/tmp") as work:
                self._upgrade(made, Path(work), tell)
            exchange(made, self.data)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        os.replace(made, self.kept)

    def _upgrade(self, made: Path, work: Path, tell: Callable[[str], None]) -> None:
        passwords = work / "pgpass"
        passwords.touch(0o600)
        secret = self.admins.read_text().rstrip("\n").replace("\\", "\\\\").replace(":", "\\:")
        passwords.write_text(f"*:*:*:{ADMIN}:{secret}\n")
        made.mkdir(0o700)
        for path in (made, work):
            self._give_away(path)
        tell("bringing the old data to rest")
        # A server that was killed has left it as it was in the midst of something. What goes before every start sees to
        # its lock file, as root: within another namespace it would not see who is left.
        alone = (*self.old.run_as, f"{self.old.folder}/postgres", "--single", "-D", str(self.data), "template1")
        self._said(work, "postgres", "/bin/sh", "-c", START, "postgres", str(self.data), "", *alone)
        tell(f"making an empty folder of PostgreSQL {self.new.version}")
        told = ("-D", str(made), "-U", ADMIN, f"--pwfile={self.admins}", "--auth=scram-sha-256", "--encoding=UTF8")
        checksums = ("--data-checksums",)
        self._run(self.new, work, "initdb", *told, *locale_options(self.old.version), *checksums, "--no-sync")
        tell("moving the data over")
        folders = ("-b", self.old.folder, "-B", self.new.folder, "-d", str(self.data), "-D", str(made))
        try:
            self._run(self.new, work, "pg_upgrade", *folders, "-U", ADMIN, f"--socketdir={work}")
        except BaseException:
            # The servers that it has started go on without it.
            Place().output(["/bin/sh", "-c", END, "end", str(self.data), str(made)], Deadline(END_S))
            raise
        config = "# Not read: daybreak writes its own. Use databases.postgres.settings in the spec.\n"
        (made / "postgresql.conf").write_text(config)
        self._run(self.new, work, "initdb", "--sync-only", "-D", str(made))

    def _run(self, server: PostgresServer, work: Path, program: str, *words: str) -> None:
        """Run one of a server's programs as the server is run."""
        self._said(work, program, *server.run_as, f"{server.folder}/{program}", *words)

    def _said(self, work: Path, program: str, *words: str) -> None:
        """Some print their reasons as if they were results."""
        place = Place(env={"PGPASSFILE": str(work / "pgpass")}, cwd=str(work))
        try:
            place.output(["/bin/sh", "-c", TO_ERRORS, *words], self.deadline)
        except ProgramFailed as error:
            raise ProgramFailed(f"{program} failed, the data is as it was", error.lines) from error

    def _give_away(self, path: Path) -> None:
        owner = owner_of(self.new.run_as)
        if owner:
            uid, gid = map(int, owner.split(":"))
            for each in (path, *path.iterdir()):
                os.chown(each, uid, gid)


def _major(server: PostgresServer) -> int:
    return int(server.version.partition(".")[0])


def exchange(one: Path, other: Path) -> None:
    """Let two folders change places at once: where this is killed, both have their old names or their new ones.

    Raises DaybreakError where the file system cannot do that.
    """
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    code = errno.ENOSYS
    if call is not None:
        if call(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), EXCHANGE) == 0:
            return
        code = ctypes.get_errno()
    raise DaybreakError(f"{one} and {other} cannot change places: {os.strerror(code)}")
