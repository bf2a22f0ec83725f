"""What is copied into a container before it starts: secrets, files and folders, in one tar archive. Reads secrets."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path, PurePosixPath

from daybreak.docker.secret_env import SECRETS
from daybreak.services.service import Container, MountKind, Secret, Service

SECRET_MODE = 0o400
FOLDER_MODE = 0o755


def archive(service: Service, container: Container, instance: str) -> bytes | None:
    """The archive, to be unpacked at the container's root; None where there is nothing to copy.

    Parents are not in it: the engine makes those that are missing, mode 0755, and leaves the others as they are.
    Raises OSError where a secret cannot be read, ValueError where a mount of memory would hide what is copied.
    """
    files = [(file.path, file.text.replace("@INSTANCE@", instance).encode(), file.mode) for file in service.files]
    files += [(path, Path(secret.path).read_bytes(), SECRET_MODE) for path, secret in container.secrets.items()]
    for name, value in service.env.items():
        if isinstance(value, Secret):
            files.append((f"{SECRETS}/{name}", Path(value.path).read_text().strip().encode(), SECRET_MODE))
    if not files and not service.folders:
        return None
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for folder in service.folders:
            _add(tar, container, folder, None, FOLDER_MODE)
        for path, content, mode in files:
            _add(tar, container, path, content, mode)
    return stream.getvalue()


def _add(tar: tarfile.TarFile, container: Container, path: str, content: bytes | None, mode: int) -> None:
    """One file, or a folder where there is no content."""
    for mount in container.mounts:
        if mount.kind is MountKind.TMPFS and PurePosixPath(path).is_relative_to(mount.target):
            raise ValueError(f"{path} would be hidden by the memory mounted at {mount.target}")
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
    entry.uid = entry.gid = container.uid
    entry.mode, entry.size = mode, len(content or b"")
    tar.addfile(entry, io.BytesIO(content or b""))
