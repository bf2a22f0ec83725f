"""The certificate that the gateway speaks TLS with: the spec's, or the Serve config's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daybreak.errors import Problem, SpecError
from daybreak.files import open_regular
from daybreak.services.edge.files import tls_file
from daybreak.spec.certificate import MOST_BYTES, read_pair
from daybreak.spec.model import Spec


@dataclass(frozen=True)
class FoundTls:
    """Certificate and key as one text, empty where there is none; `note` says what is wrong with it."""

    text: str = field(default="", repr=False)
    note: str = ""


def find_tls(spec: Spec, base: Path, config: Mapping[str, Any] | None, folder: str) -> FoundTls:
    """Read the files. Where that fails, what a gateway in `folder` has read before goes on.

    Raises SpecError where the spec's own cannot be read, and have not been.
    """
    options = (config or {}).get("http_options")
    given = options if isinstance(options, dict) else {}
    if spec.tls:
        certificate, key = base / spec.tls.certificate, base / spec.tls.key
    elif given.get("ssl_certfile") and given.get("ssl_keyfile"):
        certificate, key = base / str(given["ssl_certfile"]), base / str(given["ssl_keyfile"])
    else:
        return FoundTls()
    if not spec.tls and given.get("ssl_keyfile_password"):
        return FoundTls(note=f"{key} has a password")
    pair, troubles = read_pair(certificate, key)
    if pair:
        return FoundTls(pair.text, pair.note)
    if known := _known(Path(tls_file(folder))):
        return FoundTls(known, f"{troubles[0].message}; the gateway goes on with what it has read before")
    if spec.tls:
        raise SpecError([Problem(one.message, key=f"tls.{one.which}", hint=one.hint) for one in troubles])
    return FoundTls(note=troubles[0].message)


def _known(file: Path) -> str:
    try:
        with open(open_regular(file), "rb") as opened:
            return opened.read(MOST_BYTES).decode()
    except (OSError, ValueError):
        return ""
