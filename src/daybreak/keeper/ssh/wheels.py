"""What is installed here as wheels for a host: daybreak itself, and for one without a package index Ray and all that
both need, in the versions that are here.

They are packed from the installed files: no index is asked, and an editable installation is packed as it is now.
"""

from __future__ import annotations

import base64
import hashlib
import io
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

import daybreak
from daybreak.errors import DaybreakError
from daybreak.files import replacing

OWN = "daybreak"
OWN_TAG = "py3-none-any"
# What must be there of Ray, as `pip install` takes it.
ROOTS = {"ray": ("default", "serve"), OWN: ()}
_LEFT_OUT = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
_WHEEL = "Wheel-Version: 1.0\nGenerator: daybreak\nRoot-Is-Purelib: {pure}\n{tags}"


def own() -> tuple[str, bytes]:
    """Daybreak's wheel: its name, and what is in it; the same bytes as long as no file differs."""
    found = metadata.distribution(OWN)
    info = f"{OWN}-{found.version}.dist-info"
    folder = Path(daybreak.__file__).parent
    files = {f"{OWN}/{path.relative_to(folder)}": path for path in folder.rglob("*") if _counts(path)}
    texts = {f"{info}/{name}": found.read_text(name) or "" for name in ("METADATA", "entry_points.txt")}
    texts[f"{info}/WHEEL"] = _WHEEL.format(pure="true", tags=f"Tag: {OWN_TAG}\n")
    return f"{OWN}-{found.version}-{OWN_TAG}.whl", _packed(info, files, texts)


def needed(places: Iterable[str]) -> list[metadata.Distribution]:
    """Ray and all that it and daybreak need, but daybreak; of two versions that which is found first."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    there: dict[str, metadata.Distribution] = {}
    for found in metadata.distributions(path=[*places, *sys.path]):
        there.setdefault(canonicalize_name(found.name), found)
    wanted, seen = [(name, ("", *extras)) for name, extras in ROOTS.items()], set[tuple[str, tuple[str, ...]]]()
    while wanted:
        one = wanted.pop()
        if one in seen or one[0] not in there:
            continue
        seen.add(one)
        for text in there[one[0]].requires or ():
            asked = Requirement(text)
            if asked.marker is None or any(asked.marker.evaluate({"extra": extra}) for extra in one[1]):
                wanted.append((canonicalize_name(asked.name), ("", *sorted(asked.extras))))
    return [there[name] for name in sorted({name for name, _ in seen} - {OWN})]


def digest(found: Iterable[metadata.Distribution]) -> str:
    """Another one where any version is."""
    return hashlib.sha256("\n".join(f"{each.name} {each.version}" for each in found).encode()).hexdigest()[:16]


def tar_of(wheels: Iterable[tuple[str, bytes]], path: Path) -> None:
    """Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with replacing(path) as file, tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in wheels:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def repacked(found: metadata.Distribution) -> tuple[str, bytes]:
    """An installed distribution as the wheel that it came from: its name, and what is in it. Raises DaybreakError for
    one that cannot be packed."""
    said = found.read_text("WHEEL")
    if said is None or found.files is None or _is_editable(found):
        raise DaybreakError(f"{found.name} {found.version} is not installed here in a way that can be sent")
    tags = [line.partition(":")[2].strip() for line in said.splitlines() if line.startswith("Tag:")]
    stem = f"{found.name.replace('-', '_')}-{found.version}"
    info = next(each.parts[0] for each in found.files if each.parts[0].endswith(".dist-info"))
    commands = {entry.name for entry in found.entry_points if entry.group in ("console_scripts", "gui_scripts")}
    files: dict[str, Path] = {}
    for each in found.files:
        path, up = Path(str(found.locate_file(each))), each.parts.count("..")
        if not _counts(path) or each.name in _LEFT_OUT:
            continue
        if not up:
            files[str(each)] = path
        elif each.parts[up] != "bin":
            files["/".join((f"{info.removesuffix('.dist-info')}.data/data", *each.parts[up:]))] = path
        elif each.name not in commands:
            files[f"{info.removesuffix('.dist-info')}.data/scripts/{each.name}"] = path
    return f"{stem}-{_together(tags)}.whl", _packed(info, files, {})


def _together(tags: Sequence[str]) -> str:
    """Several tags as one: py2-none-any and py3-none-any are py2.py3-none-any."""
    columns = zip(*(tag.split("-") for tag in tags), strict=True)
    return "-".join(".".join(dict.fromkeys(column)) for column in columns)


def _is_editable(found: metadata.Distribution) -> bool:
    return '"editable": true' in (found.read_text("direct_url.json") or "")


def _counts(path: Path) -> bool:
    return path.is_file() and path.suffix != ".pyc"


def _packed(info: str, files: Mapping[str, Path], texts: Mapping[str, str]) -> bytes:
    made, record = io.BytesIO(), []
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, mode, content in _contents(files, texts):
            said = zipfile.ZipInfo(name)
            said.external_attr, said.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            archive.writestr(said, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append(f'"{name}",sha256={digest},{len(content)}\n')
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD"), "".join([*record, f"{info}/RECORD,,\n"]))
    return made.getvalue()


def _contents(files: Mapping[str, Path], texts: Mapping[str, str]) -> Iterator[tuple[str, int, bytes]]:
    for name, path in sorted(files.items()):
        if name not in texts:
            # Ray's own programs are among the files: pip keeps that they can be run.
            yield name, 0o100755 if path.stat().st_mode & 0o100 else 0o100644, path.read_bytes()
    for name, text in sorted(texts.items()):
        yield name, 0o100644, text.encode()
