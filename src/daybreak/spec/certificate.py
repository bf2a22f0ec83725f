"""A certificate with its key, as files: what is wrong with them, and both in one text, as HAProxy takes them."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from daybreak.files import open_regular

# What HAProxy takes over its runtime socket at once is less than 64 KiB.
MOST_BYTES = 60_000
BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)
ENCRYPTED = b"4,ENCRYPTED"
Which = Literal["certificate", "key"]


@dataclass(frozen=True)
class Trouble:
    """Why one of the two files cannot be used."""

    which: Which
    message: str
    hint: str | None = None


@dataclass(frozen=True)
class Pair:
    """Certificate, chain and key, without what else stands in the files. `note` says why clients will refuse it."""

    text: str = field(repr=False)
    note: str = ""


def read_pair(certificate: Path, key: Path) -> tuple[Pair | None, list[Trouble]]:
    """Both files, read and found to belong together; None where there is trouble, all of which is told."""
    texts: dict[Which, bytes] = {}
    troubles: list[Trouble] = []
    places: dict[Which, Path] = {"certificate": certificate, "key": key}
    for which, path in places.items():
        try:
            texts[which] = _read(path)
        except OSError as error:
            troubles.append(Trouble(which, f"{path} cannot be read: {error.strerror or error}"))
            continue
        troubles += _of_form(which, path, texts[which])
    if not troubles:
        troubles += _together(certificate, key)
    if troubles:
        return None, troubles
    chosen = [*_blocks(texts["certificate"], b"CERTIFICATE"), _blocks(texts["key"], b"PRIVATE KEY")[0]]
    return Pair("".join(chosen), _refused(certificate)), []


def _read(path: Path) -> bytes:
    with open(open_regular(path, links=True), "rb") as file:
        text = file.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise OSError(f"it has more than {MOST_BYTES} bytes")
    return text


def _blocks(text: bytes, kind: bytes) -> list[str]:
    """The blocks of a kind, without empty lines: one would end what is sent to HAProxy."""
    found = [match.group(0) for match in BLOCK.finditer(text) if match.group(1).endswith(kind)]
    return ["".join(f"{line.strip()}\n" for line in block.decode().splitlines() if line.strip()) for block in found]


def _of_form(which: Which, path: Path, text: bytes) -> list[Trouble]:
    kind = b"CERTIFICATE" if which == "certificate" else b"PRIVATE KEY"
    found = _blocks(text, kind)
    if not found:
        what = "certificate" if which == "certificate" else "private key"
        return [Trouble(which, f"{path} holds no {what} in the form of PEM (-----BEGIN {kind.decode()}-----)")]
    if which == "key" and ("ENCRYPTED" in found[0].splitlines()[0] or ENCRYPTED in text):
        hint = f"openssl pkey -in {path} -out FILE writes one without"
        return [Trouble(which, f"{path} has a password, which nobody types when it is needed", hint)]
    return []


def _together(certificate: Path, key: Path) -> list[Trouble]:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: b"")
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).replace("_", " ").lower()
        # The second one where they are of different kinds.
        if "mismatch" in reason or "no certificate assigned" in reason:
            return [Trouble("key", f"{key} is not the key of {certificate}")]
        readable = _fields(certificate) is not None
        which: Which = "key" if readable else "certificate"
        return [Trouble(which, f"{key if readable else certificate} cannot be used: {reason}")]
    except OSError as error:
        return [Trouble("certificate", f"{certificate} cannot be read: {error.strerror or error}")]
    return []


def _refused(certificate: Path) -> str:
    """Why clients will not take a certificate at this time."""
    fields = _fields(certificate) or {}
    now = time.time()
    if (ends := fields.get("notAfter")) and ssl.cert_time_to_seconds(ends) < now:
        return f"the certificate {certificate} has expired on {ends}"
    if (begins := fields.get("notBefore")) and ssl.cert_time_to_seconds(begins) > now:
        return f"the certificate {certificate} is not valid before {begins}"
    return ""


def _fields(certificate: Path) -> Mapping[str, Any] | None:
    """What the first certificate of a file says; None where it cannot be read."""
    # The standard library has no public way to read a certificate that is not a peer's.
    decode = getattr(getattr(ssl, "_ssl", None), "_test_decode_cert", None)
    if decode is None:
        return {}
    try:
        found: Mapping[str, Any] = decode(str(certificate))
    except (OSError, ValueError):
        return None
    return found
