"""Letting requests wait in the gateway, or answering them with a page, and ending that."""

from __future__ import annotations

import base64
import mimetypes
from pathlib import Path
from typing import Any

from daybreak.api.asking import Cluster
from daybreak.api.loading import resolve_name
from daybreak.api.requests import OnMessage, request
from daybreak.errors import NotRunning, UsageError
from daybreak.files import open_regular
from daybreak.keeper.control import client
from daybreak.keeper.gateway.pause import MOST_PAGE_BYTES
from daybreak.paths import ClusterPaths

HTML = "text/html"


def pause(*, page: str | Path | None = None, name: str | None = None, on_message: OnMessage | None = None) -> Cluster:
    """Let every request wait in the gateway from now on, until `resume`; with `page`, a file, answer each with that and
    503. A restart, the keeper's end and a crash of the gateway do not end it.

    Raises UsageError or PreflightError where there is no gateway, UsageError for what is no page.
    """
    fields: dict[str, Any] = {} if page is None else {"page": _page(Path(page))}
    return _ask("pause", name, fields, on_message)


def resume(name: str | None = None, *, on_message: OnMessage | None = None) -> Cluster:
    """Let requests pass again. Without a pause nothing is done."""
    return _ask("resume", name, {}, on_message)


def _ask(op: str, name: str | None, fields: dict[str, Any], on_message: OnMessage | None) -> Cluster:
    paths = ClusterPaths.of(resolve_name(name))
    if not client.answers(paths) and not client.anything_recorded(paths):
        raise NotRunning(paths.name)
    return Cluster.from_snapshot(request(paths, op, fields, on_message)["status"])


def _page(file: Path) -> dict[str, str]:
    """The content, with its type by the file's name."""
    try:
        with open(open_regular(file, links=True), "rb") as opened:
            content = opened.read(MOST_PAGE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"the page {file} cannot be read: {error.strerror or error}") from error
    if len(content) > MOST_PAGE_BYTES:
        raise UsageError(f"the page {file} is larger than {MOST_PAGE_BYTES // 1024} KiB")
    kind, encoding = mimetypes.guess_type(file.name)
    kind = "application/octet-stream" if encoding else kind or HTML
    if kind.startswith("text/") and _is_utf_8(content):
        kind += "; charset=utf-8"
    return {"content_type": kind, "content": base64.b64encode(content).decode()}


def _is_utf_8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
