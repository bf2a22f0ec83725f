"""What images hold: which Ray, and whom their programs run as. What had to be looked up is kept by the image's id."""

from __future__ import annotations

import inspect
import io
import tarfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from daybreak.docker import labels
from daybreak.docker.api import EngineClient, is_gone
from daybreak.errors import EngineError, PreflightError, Problem, SpecError
from daybreak.files import Book
from daybreak.programs.common import ray_probe
from daybreak.services.site import Image, RayInstall
from daybreak.spec.model import RayExpectation

FILE = ".images.json"
BUILD = "daybreak image build"
PROBE_S = 120.0
# Some images call it python, some python3.
PROBE = 'exec "$(command -v python || command -v python3)" -I -c "$1"'
PROBE_END = "print(json.dumps({**probe(), 'python': sys.executable}))\n"


class Images:
    """The images of one engine, each asked for once; made anew for each look. `folder` keeps what is known of them."""

    def __init__(self, engine: EngineClient, folder: Path) -> None:
        self._engine = engine
        self._book = Book(folder / FILE, "what is known of images", lock=folder / f"{FILE}.lock")
        self._inspected: dict[str, dict[str, Any]] = {}

    def find(self, name: str) -> Image:
        """An image. Raises PreflightError where the engine does not have it."""
        raw = self._inspect(name)
        uid = self._known(raw["Id"], "uid", lambda: self._uid(raw))
        variables = dict(entry.partition("=")[::2] for entry in raw["Config"].get("Env") or ())
        return Image(name, raw["Id"], int(uid), variables)

    def ray(self, name: str, expectation: RayExpectation) -> RayInstall:
        """The Ray in an image. Raises PreflightError where there is none or a part is missing, SpecError for another
        version than the spec expects."""
        raw = self._inspect(name)
        found = labels.ray_of(raw["Config"].get("Labels")) or self._known(raw["Id"], "ray", lambda: self._look(raw))
        if not found:
            raise PreflightError([f"the image {name} has no Ray"], hint=f"{BUILD}, or name another one: docker.image")
        if found.get("missing"):
            parts = ", ".join(found["missing"])
            raise PreflightError([f"Ray {found['version']} in the image {name} lacks {parts}"], hint=BUILD)
        check_version(expectation, str(found["version"]), name)
        return RayInstall(
            str(found["version"]),
            str(found["python"]),
            f"{found['scripts']}/ray",
            bool(found.get("socket_names")),
            tuple(found.get("vendored", ())),
            str(found.get("packages", "")),
            str(found.get("haproxy", "")),
            bool(found.get("surges")),
            # An image that an older daybreak has made does not say: the deployment finds out.
            bool(found.get("code_folders", True)),
        )

    def _inspect(self, name: str) -> dict[str, Any]:
        if name not in self._inspected:
            try:
                self._inspected[name] = self._engine.images.inspect(name)
            except EngineError as error:
                if not is_gone(error):
                    raise
                raise missing(name) from None
        return self._inspected[name]

    def _known(self, identity: str, key: str, look: Any) -> Any:
        """What is kept about an image, else what `look` finds."""
        about = self._book.read().get(identity, {})
        if key in about:
            return about[key]
        found = look()
        # What cannot be kept is looked up again.
        with suppress(PreflightError), self._book.changing() as book:
            book.setdefault(identity, {})[key] = found
        return found

    def _uid(self, raw: Mapping[str, Any]) -> int:
        """The number of the account that the image names."""
        user = str(raw["Config"].get("User") or "0").partition(":")[0]
        if user.isdigit():
            return int(user)
        container = self._engine.containers.create({"Image": raw["Id"], "Cmd": ["true"]}, "")
        try:
            accounts = _file_of(self._engine.containers.read(container, "/etc/passwd")).decode(errors="replace")
        finally:
            self._engine.containers.remove(container)
        rows = [line.split(":") for line in accounts.splitlines()]
        return next((int(row[2]) for row in rows if row[0] == user and len(row) > 2), 0)

    def _look(self, raw: Mapping[str, Any]) -> dict[str, Any] | None:
        """Ray in an image without our label: what its file says, else what its interpreter does."""
        source = inspect.getsource(ray_probe).partition("if __name__")[0] + PROBE_END
        command = ["/bin/sh", "-c", PROBE, "probe", source]
        config = {"Image": raw["Id"], "Entrypoint": command, "Cmd": [], "HostConfig": {"NetworkMode": "none"}}
        container = self._engine.containers.create(config, "")
        try:
            try:
                return labels.parsed(_file_of(self._engine.containers.read(container, labels.RAY_FILE)))
            except EngineError as error:
                if not is_gone(error):
                    raise
            self._engine.containers.start(container)
            self._engine.containers.wait(container, PROBE_S)
            lines = self._engine.containers.output(container).splitlines()
            return labels.parsed(lines[-1]) if lines else None
        finally:
            self._engine.containers.remove(container)


def missing(name: str) -> PreflightError:
    """What to say where the engine does not have an image."""
    hint = BUILD if name.startswith("daybreak/") else f"docker pull {name}"
    return PreflightError([f"there is no image {name}"], hint=hint)


def check_version(expectation: RayExpectation, version: str, image: str) -> None:
    """Raise SpecError for another Ray than the spec expects."""
    if expectation.version is None:
        return
    from packaging.specifiers import SpecifierSet

    if not SpecifierSet(expectation.version).contains(version, prereleases=True):
        message = f"{expectation.version} is expected, but the image {image} has Ray {version}"
        hint = f"{BUILD} --ray-version ..., or change ray.version"
        raise SpecError([Problem(message, key="ray.version", hint=hint)])


def _file_of(archive: bytes) -> bytes:
    """The one file in a tar archive."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            if file := tar.extractfile(member):
                return file.read()
    return b""
