"""Bringing databases back into a PostgreSQL server: beside those that are there, which are replaced all at once when
everything has come. What fails before that leaves the server as it was, but for roles that it lacked."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from daybreak.errors import DaybreakError, UsageError
from daybreak.extras.backup import postgres_sql as sql
from daybreak.extras.backup.archive import Archive, Damaged
from daybreak.extras.backup.manifest import Kind, Part
from daybreak.extras.backup.postgres import MAINTENANCE, PROGRAMS, Database, Facts, Postgres, naming
from daybreak.extras.backup.programs import ProgramFailed
from daybreak.extras.backup.telling import Deadline, Tell, Told
from daybreak.names import POSTGRES
from daybreak.services.databases.roles import OWN_PUBLIC

# Those who are in a database have a few seconds to leave it.
ATTEMPTS = 3
TIDY_UP_S = 60.0


@dataclass
class PostgresRestore:
    """One restore: `stage`, then `commit`, then `finish`; `abandon` instead of the last two."""

    server: Postgres
    archive: Archive
    deadline: Deadline
    tell: Tell
    note: Callable[[str], None]
    facts: Facts = field(init=False)
    _wanted: dict[str, Database] = field(init=False)
    _staged: dict[str, Part] = field(init=False)
    _committing: bool = field(default=False, init=False)
    _swapped: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Raises UsageError where this server cannot read the backup, ProgramFailed where it cannot be reached."""
        self.server.place.require(*PROGRAMS)
        self.facts = self.server.facts(self.deadline)
        theirs = _major(self.archive.manifest.servers.get(POSTGRES, ""))
        if theirs > self.facts.major:
            raise UsageError(
                f"{self.archive.path} holds databases of PostgreSQL {theirs}, and the server here is "
                f"{self.facts.version}: PostgreSQL reads what older versions have written, not newer ones; nothing "
                "was changed",
                hint=f"install PostgreSQL {theirs} or newer here",
            )
        self._wanted = self._databases()
        self._staged = {f"{sql.RESTORED}{number + 1}": part for number, part in enumerate(self._dumps)}

    @property
    def _dumps(self) -> list[Part]:
        return self.archive.manifest.of(POSTGRES, Kind.DUMP)

    def _databases(self) -> dict[str, Database]:
        try:
            return {part.name: Database.from_json(part.facts) for part in self._dumps}
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged(self.archive.path, [f"its manifest cannot be read: {error}"]) from error

    def effects(self) -> list[str]:
        """What will be replaced, what comes anew, and what stays, in words."""
        there = {database.name: database for database in self.facts.databases}
        lines = []
        for part in self._dumps:
            what = f"database {part.name}"
            lines.append(f"{what}: replaced, who is in it is disconnected" if part.name in there else f"{what}: new")
        dumped = {part.name for part in self._dumps}
        lines += [f"database {name}: stays, it is not in the backup" for name in there if name not in dumped]
        return lines

    def stage(self) -> None:
        """Load everything beside what is there. Raises ProgramFailed."""
        self._drop(self.facts.left)
        for part in self.archive.manifest.of(POSTGRES, Kind.ROLES):
            self._notes(self.server.tell(MAINTENANCE, self.archive.text(part), self.deadline))
        for name, part in self._staged.items():
            with naming(part.name):
                self._load(name, part)

    def commit(self) -> None:
        """Let what was loaded take the place of what is there: all of it, or, where this fails, nothing."""
        if not self._staged:
            return
        there = self.facts.names
        self._committing = True
        renamed = []
        for number, (name, part) in enumerate(self._staged.items()):
            if part.name in there:
                renamed.append((part.name, f"{sql.REPLACED}{number + 1}"))
            renamed.append((name, part.name))
        for attempt in range(ATTEMPTS):
            try:
                with self._cleared_out([before for before, _ in renamed]):
                    self.server.tell(MAINTENANCE, sql.swap(renamed), self.deadline)
                break
            except ProgramFailed:
                if attempt == ATTEMPTS - 1:
                    raise
        self._swapped = True

    @contextlib.contextmanager
    def _cleared_out(self, names: list[str]) -> Iterator[None]:
        """End who is in these databases meanwhile: beside the renames, since those keep others from coming in."""
        text = sql.clear_out(names, next(iter(self._staged)))

        def clear_out() -> None:
            with contextlib.suppress(DaybreakError):
                self.server.tell(MAINTENANCE, text, self.deadline)

        thread = threading.Thread(target=clear_out)
        thread.start()
        try:
            yield
        finally:
            thread.join()

    def finish(self) -> None:
        """Drop what was replaced, and let programs use what has come, whoever it belonged to."""
        role, database = self.server.application
        if database in {part.name for part in self._dumps}:
            self._say(sql.let_use(role, database))
        self._drop([f"{sql.REPLACED}{number + 1}" for number in range(len(self._staged))])

    def abandon(self) -> bool:
        """Leave nothing of what was loaded, unless it has taken its place already; whether it has."""
        tidying = Deadline(TIDY_UP_S)
        if not self._swapped:
            with contextlib.suppress(DaybreakError):
                # Who was interrupted in the midst of it does not know.
                left = set(self.server.facts(tidying).left)
                self._swapped = self._committing and not left & set(self._staged)
                self.server.tell(MAINTENANCE, sql.drop(sorted(left & set(self._staged))), tidying)
        return self._swapped

    def _load(self, name: str, part: Part) -> None:
        what = f"{POSTGRES} {part.name}"
        self._create(name, self._wanted[part.name])
        low = "".join(sql.extension(*about) for about in part.facts.get("extensions", ()))
        self._notes(self.server.tell(name, low, self.deadline))
        with self.archive.open(part) as source:
            self._notes(self.server.load(name, source, self.deadline, self.tell, what))
        setup = self.archive.manifest.setup_of(part)
        told = self.archive.text(setup) if setup else ""
        self._notes(self.server.tell(name, OWN_PUBLIC + told, self.deadline))
        self.tell(Told(what, part.size_bytes, over=True))

    def _create(self, name: str, wanted: Database) -> None:
        """With the order of letters that it had, where this server knows that."""
        locale = sql.locale_of(wanted.row, self.facts.template, self.facts.number)
        if locale:
            try:
                self._say(sql.create(name, wanted.owner, wanted.encoding, locale))
                return
            except ProgramFailed as error:
                here = sql.sorts_as(self.facts.template)
                self.note(
                    f"database {wanted.name} was sorted as {sql.sorts_as(wanted.row)}, which this server does not "
                    f"have ({error.message}): from now on as {here}"
                )
        self._say(sql.create(name, wanted.owner, wanted.encoding, ""))

    def _drop(self, names: list[str] | tuple[str, ...]) -> None:
        self._say(sql.drop(names))

    def _say(self, text: str) -> None:
        self._notes(self.server.tell(MAINTENANCE, text, self.deadline))

    def _notes(self, lines: list[str]) -> None:
        for line in lines:
            self.note(line)


def _major(version: str) -> int:
    number = version.partition(".")[0].partition(" ")[0]
    return int(number) if number.isdigit() else 0
