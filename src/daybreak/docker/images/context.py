"""What the engine is sent to build from: the Dockerfile, its programs, requirements and the application's folder."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO

from daybreak.docker.images.ignore import Ignore
from daybreak.errors import DaybreakError, UsageError

PACKAGE = Path(__file__).parents[2]
RECIPE = PACKAGE / "programs" / "recipe"
PROBE = PACKAGE / "programs" / "common" / "ray_probe.py"
PROGRAMS = ("install.py", "slim.py", "elf.py", "settle.py", "health.py")
APPLICATION = "app"
REQUIREMENTS = "requirements.txt"
# A folder with a file of this name holds passwords: it stays out of every image, whatever .dockerignore says.
SECRETS_MARK = ".daybreak-secrets"
# A name below the application's folder, and where that is here.
Named = tuple[str, Path]


@dataclass(frozen=True)
class Context:
    """Where its parts come from; `folder` is the application's, None for an image without one. `secrets` are files of
    it that stay out, whatever .dockerignore says."""

    folder: Path | None
    requirements: Path | None = None
    constraints: Path | None = None
    secrets: frozenset[Path] = frozenset()

    @classmethod
    def of(cls, folder: Path, requirements: str | None = None, constraints: str | None = None) -> Context:
        """A folder with the requirements that were named, else its own. Raises UsageError where a file is missing."""
        own = folder / REQUIREMENTS
        chosen = Path(requirements) if requirements else own if own.is_file() else None
        for option, path in (("--requirements", chosen), ("--constraints", constraints)):
            if path and not Path(path).is_file():
                raise UsageError(f"{option}: there is no file {path}")
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder}")
        return cls(folder, chosen, Path(constraints) if constraints else None)

    def without(self, secrets: Iterable[Path]) -> Context:
        """The same without these files."""
        return replace(self, secrets=frozenset(path.resolve() for path in secrets))


@dataclass(frozen=True)
class Sent:
    """What the application's folder came to."""

    files: int
    bytes: int


def application_files(folder: Path) -> Iterator[Named]:
    """Every file and link of the application that belongs into the image: name below the folder, and path; sorted.

    Links within the folder stay links. What a link leads to elsewhere is packed in its place: there is nothing
    elsewhere in an image.
    """
    own = folder / ".dockerignore"
    ignore = Ignore.of(own.read_text(encoding="utf-8") if own.is_file() else "")
    yield from _below(folder, PurePosixPath(), ignore, folder, ())


def _below(top: Path, inside: PurePosixPath, ignore: Ignore, folder: Path, around: Sequence[Path]) -> Iterator[Named]:
    """The files below `top`, which is `inside` of the image. `around` are the folders elsewhere that it is in."""
    for place, folders, names in os.walk(top):
        if SECRETS_MARK in names:
            folders.clear()
            continue
        here = inside / Path(place).relative_to(top)
        links = [name for name in folders if Path(place, name).is_symlink()]
        for name in sorted([*names, *links]):
            path, source = here / name, Path(place, name)
            if ignore.leaves_out(str(path)):
                continue
            if not leads_out(source, folder):
                yield str(path), source
                continue
            target = source.resolve()
            if not target.is_dir():
                yield str(path), target
            elif not any(other.is_relative_to(target) for other in (folder.resolve(), *around)):
                yield from _below(target, path, ignore, folder, (*around, target))
        folders[:] = sorted(name for name in folders if name not in links and not ignore.skips_folder(str(here / name)))


def leads_out(path: Path, folder: Path) -> bool:
    """Is it a link that means nothing within a copy of the folder? One that leads nowhere here may stay."""
    if not path.is_symlink() or not path.exists():
        return False
    return path.readlink().is_absolute() or not path.resolve().is_relative_to(folder.resolve())


def write(context: Context, stream: IO[bytes]) -> Sent:
    """Write the context as a tar file. Raises DaybreakError where a file cannot be read."""
    files = size = 0
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, "Dockerfile", (RECIPE / "Dockerfile").read_bytes())
        for path in (*(RECIPE / name for name in PROGRAMS), PROBE):
            _add(tar, f"recipe/{path.name}", path.read_bytes())
        for name, source in ((REQUIREMENTS, context.requirements), ("constraints.txt", context.constraints)):
            if source:
                _add(tar, name, source.read_bytes())
        top = tarfile.TarInfo(APPLICATION)
        top.type, top.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(top)
        for name, path in application_files(context.folder) if context.folder else ():
            if path.resolve() in context.secrets:
                continue
            size += _add_file(tar, f"{APPLICATION}/{name}", path)
            files += 1
    return Sent(files, size)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o644
    tar.addfile(info, io.BytesIO(content))


def _add_file(tar: tarfile.TarFile, name: str, path: Path) -> int:
    """A file or a link, readable in the container whoever owns it here; sockets and the like are left out."""
    try:
        info = tar.gettarinfo(str(path), arcname=name)
        if info is None or not (info.isfile() or info.issym() or info.islnk()):
            return 0
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        if info.issym():
            tar.addfile(info)
            return 0
        # A second name of one file would be a link to a name that may be left out.
        info.type, info.linkname, info.size = tarfile.REGTYPE, "", path.stat().st_size
        info.mode = 0o755 if info.mode & stat.S_IXUSR else 0o644
        with path.open("rb") as file:
            tar.addfile(info, file)
        return info.size
    except OSError as error:
        raise DaybreakError(
            f"{path} cannot be read: {error.strerror or error}", hint="or name it in .dockerignore"
        ) from error
