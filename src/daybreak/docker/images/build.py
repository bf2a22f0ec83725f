"""Building an image: send the context, build, note which Ray it has."""

from __future__ import annotations

import datetime
import io
import json
import os
import secrets
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daybreak.docker import labels
from daybreak.docker.docker_cli import Client
from daybreak.docker.images import context, pip
from daybreak.docker.images.choice import Choice
from daybreak.docker.images.context import Context
from daybreak.docker.images.steps import Steps
from daybreak.errors import BuildFailed, DaybreakError

OnLine = Callable[[str], None]
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@dataclass(frozen=True)
class Built:
    """The image; `ray` is what its label says, `unchanged` and `made` count the Dockerfile's steps."""

    tag: str
    id: str
    bytes: int
    ray: Mapping[str, Any]
    choice: Choice
    unchanged: int
    made: int
    took_s: float


def build(client: Client, sent: Context, choice: Choice, *, tag: str, cluster: str, on_line: OnLine) -> Built:
    """Build the image and give it its label; `on_line` is told every step. Raises BuildFailed."""
    began = time.monotonic()
    steps = Steps()
    # The name under which the first build is known to the second, which adds the label and nothing else.
    draft = f"daybreak-draft:{secrets.token_hex(6)}"

    def show(line: str) -> None:
        if step := steps.feed(line):
            on_line(step.line())

    with tempfile.TemporaryDirectory(prefix="daybreak-build-") as folder, tempfile.TemporaryFile() as stream:
        size = context.write(sent, stream)
        on_line(f"the application: {size.files} files, {size.bytes:,} bytes")
        stream.seek(0)
        if client.build([*arguments(choice, Path(folder), os.environ), "--tag", draft], stream, show):
            raise failure(steps, choice)
    try:
        ray = facts(client, draft)
        _label(client, draft, {labels.RAY: json.dumps(ray), labels.CLUSTER: cluster, **_dated()}, tag)
    finally:
        _forget(client, draft)
    found = client.inspect(tag)
    made = sum(not step.cached for step in steps.ended)
    return Built(tag, found["Id"], found["Size"], ray, choice, len(steps.ended) - made, made, time.monotonic() - began)


def arguments(choice: Choice, folder: Path, env: Mapping[str, str]) -> list[str]:
    """Options of `docker build`; writes the secrets into `folder`, which only this account may read.

    The host's network and certificates are used, because its index may be reachable from nowhere else.
    """
    certificates = pip.bundle(env)
    configuration = folder / "pip.conf"
    configuration.touch(mode=0o600)
    found = pip.settings(env, pip.files(env))
    configuration.write_text(pip.configuration(found, certificates=certificates is not None))
    words = ["--network", "host", "--secret", f"id=pip,src={configuration}"]
    if certificates:
        words += ["--secret", f"id=ca,src={certificates}"]
    given = {"BASE": choice.base, "RUNTIME": choice.runtime} | ({"RAY_VERSION": choice.ray} if choice.ray else {})
    for name, value in given.items():
        words += ["--build-arg", f"{name}={value}"]
    # Without a value: the command takes it from its environment, and these stand in no image's history.
    for name in PROXIES:
        words += ["--build-arg", name] if env.get(name) else []
    return words


def facts(client: Client, image: str) -> dict[str, Any]:
    """Which Ray an image has, read from its file; no container is started. Raises DaybreakError where it has none."""
    with _created(client, image) as container:
        copied = client.ask_bytes("cp", f"{container}:{labels.RAY_FILE}", "-")
    with tarfile.open(fileobj=io.BytesIO(copied)) as tar:
        member = tar.extractfile(Path(labels.RAY_FILE).name)
        found = labels.parsed(member.read() if member else b"")
    if found is None:
        raise DaybreakError(f"{labels.RAY_FILE} in {image} does not say which Ray it has")
    return found


def failure(steps: Steps, choice: Choice) -> BuildFailed:
    """What the build's last lines say, and what helps."""
    text = "\n".join(steps.tail)
    hint = None
    if "No matching distribution" in text or "ResolutionImpossible" in text:
        hint = "see requirements.txt: which of its versions exist, and go with this Ray and this Python?"
    elif "pull access denied" in text or "failed to resolve" in text or "failed to do request" in text:
        hint = (
            f"neither this machine nor a registry has {choice.base} or {choice.runtime}; name others: --base, --runtime"
        )
    return BuildFailed("the image could not be built", tail=list(steps.tail)[-12:], hint=hint)


@contextmanager
def _created(client: Client, image: str) -> Iterator[str]:
    container = client.ask("create", image)
    try:
        yield container
    finally:
        client.ask("rm", container)


def _label(client: Client, image: str, given: Mapping[str, str], tag: str) -> None:
    """An image of the same layers with labels."""
    words = [word for name, value in given.items() for word in ("--label", f"{name}={value}")]
    steps = Steps()

    def show(line: str) -> None:
        steps.feed(line)

    with tempfile.TemporaryFile() as stream:
        stream.write(f"FROM {image}\n".encode())
        stream.seek(0)
        if client.build([*words, "--tag", tag], stream, show):
            raise BuildFailed("the image could not be labelled", tail=list(steps.tail))


def _dated() -> dict[str, str]:
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    return {"org.opencontainers.image.created": now.isoformat()}


def _forget(client: Client, draft: str) -> None:
    try:
        client.ask("image", "rm", draft)
    except DaybreakError:
        pass  # a name that is left over harms nobody
