"""Writing an export into a folder: what is the user's stays, secrets stay, all that is in the way is told."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from daybreak.docker.images.context import SECRETS_MARK
from daybreak.errors import ExportRefused, UsageError
from daybreak.extras.export.files import Export, File
from daybreak.files import replacing

MANIFEST = ".daybreak-export.json"
SECRETS = "secrets"
# Not worth a refusal: the folder of secrets has one of its own.
YIELDS = ".gitignore"
PRIVATE = 0o600
TOKEN_BYTES = 32


@dataclass(frozen=True)
class Written:
    """Paths below the folder: `files` were written, `kept` are secrets that were there, `left` is the user's own."""

    files: tuple[str, ...]
    kept: tuple[str, ...]
    left: tuple[str, ...]


class Folder:
    """The folder that is exported to. `owner` are the numbers that the secrets get, None for the caller's own.

    `ending` is what a secret's file has behind the secret.
    """

    def __init__(self, path: Path, owner: tuple[int, int] | None, ending: str = "\n") -> None:
        self.path = path
        self._owner = owner
        self._ending = ending

    def check(self, export: Export, *, force: bool) -> None:
        """Raise ExportRefused where something is in the way."""
        problems = self._places(export)
        changed = [] if problems or force else self._not_ours(export)
        if problems or changed:
            hint = "choose another folder, or overwrite with --force" if not problems else "choose another folder"
            raise ExportRefused(str(self.path), [*problems, *changed], hint=hint)

    def passwords(self, names: tuple[str, ...]) -> dict[str, str]:
        """Those that are there, and new ones. Nothing is written yet. Raises ExportRefused for those not usable."""
        found, problems = {}, []
        for name in names:
            place = self.path / SECRETS / name
            try:
                found[name] = place.read_text(encoding="utf-8").strip() if place.exists() else ""
            except (OSError, UnicodeDecodeError) as error:
                problems.append(f"{SECRETS}/{name} cannot be read: {getattr(error, 'strerror', error)}")
                continue
            if place.exists() and not found[name]:
                problems.append(f"{SECRETS}/{name} is empty")
            found[name] = found[name] or secrets.token_hex(TOKEN_BYTES)
        if problems:
            raise ExportRefused(str(self.path), problems, hint="delete it to get a new one")
        return found

    def write(self, export: Export, passwords: Mapping[str, str], made: Mapping[str, str]) -> Written:
        """Write everything; `made` are secrets that follow from the passwords. Raises UsageError where it cannot."""
        try:
            kept = self._write_secrets(passwords, made)
            left = self._left(export)
            files = [file for file in export.files if file.path not in left]
            for file in files:
                self._replace(self.path / file.path, file.text, file.mode)
            self._replace(self.path / MANIFEST, _manifest(files), 0o644)
        except OSError as error:
            raise UsageError(f"cannot write to {self.path}: {error.strerror or error}") from error
        new = [f"{SECRETS}/{name}" for name in (*passwords, *made)]
        written = [file.path for file in files] + [path for path in new if path not in kept]
        return Written(tuple(written), tuple(kept), tuple(left))

    def _places(self, export: Export) -> list[str]:
        """What has the place of a folder or a file, and is neither."""
        folders = {Path(SECRETS)}
        for file in export.files:
            folders.update(parent for parent in Path(file.path).parents if parent != Path())
        problems = [f"{self.path} is not a folder"] if self.path.exists() and not self.path.is_dir() else []
        for folder in sorted(folders):
            there = self.path / folder
            if there.is_symlink() or (there.exists() and not there.is_dir()):
                problems.append(f"{folder} is not a folder")
        problems += [f"{file.path} is a folder" for file in export.files if (self.path / file.path).is_dir()]
        return problems

    def _not_ours(self, export: Export) -> list[str]:
        """Files that an export did not write, or that were changed since."""
        known, problems = self._known(), []
        for file in export.files:
            if file.path == YIELDS or self._unchanged(file, known):
                continue
            changed = file.path in known
            problems.append(
                f"{file.path} {'was changed since the last export' if changed else 'exists, and is not from an export'}"
            )
        return problems

    def _left(self, export: Export) -> list[str]:
        known = self._known()
        return [file.path for file in export.files if file.path == YIELDS and not self._unchanged(file, known)]

    def _unchanged(self, file: File, known: Mapping[str, str]) -> bool:
        """Whether nothing is lost when the file is written."""
        there = self.path / file.path
        if not os.path.lexists(there):
            return True
        try:
            found = there.read_bytes()
        except OSError:
            return False
        return not there.is_symlink() and (found == file.text.encode() or known.get(file.path) == _digest(found))

    def _known(self) -> dict[str, str]:
        """What the last export wrote: digests by path. Empty where there was none."""
        try:
            found = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))["files"]
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return dict(found) if isinstance(found, dict) else {}

    def _write_secrets(self, passwords: Mapping[str, str], made: Mapping[str, str]) -> list[str]:
        """The paths of those that were kept as they are."""
        folder = self.path / SECRETS
        self.path.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
        self._replace(folder / ".gitignore", "*\n", PRIVATE)
        self._replace(folder / SECRETS_MARK, "`daybreak image build` leaves this folder out of images.\n", PRIVATE)
        kept = []
        for name, value in {**passwords, **made}.items():
            place, text = folder / name, value + self._ending
            if place.is_file() and not place.is_symlink() and place.read_text(encoding="utf-8").strip() == value:
                kept.append(f"{SECRETS}/{name}")
                place.chmod(PRIVATE)
                self._give(place)
            else:
                self._replace(place, text, PRIVATE)
                self._give(place)
        return kept

    def _give(self, place: Path) -> None:
        """Root writes for the account of the containers."""
        if self._owner and (place.stat().st_uid, place.stat().st_gid) != self._owner:
            os.chown(place, *self._owner)

    def _replace(self, place: Path, text: str, mode: int) -> None:
        """The old file or the new one, never a part; a link is replaced, not followed."""
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.parent != self.path and place.parent.name != SECRETS:
            place.parent.chmod(stat.S_IMODE(place.parent.stat().st_mode) | 0o055)
        with replacing(place, mode) as file:
            file.write(text.encode())


def _manifest(files: list[File]) -> str:
    digests = {file.path: _digest(file.text.encode()) for file in files}
    note = "Written by `daybreak export`: by this the next export knows which files are as it left them."
    return json.dumps({"note": note, "files": digests}, indent=1) + "\n"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
