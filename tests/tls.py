"""A certificate that nobody has signed, for a name that is not this machine's."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

NAME = "shop.example"


def certificate_in(folder: Path, *, name: str = NAME, days: int = 2) -> tuple[Path, Path]:
    """Make `cert.pem` and `key.pem`; returns where they are."""
    key, certificate = folder / "key.pem", folder / "cert.pem"
    made = ["-keyout", str(key), "-out", str(certificate), "-days", str(days), "-subj", f"/CN={name}"]
    words = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", *made]
    subprocess.run(words, check=True, capture_output=True)
    return certificate, key


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's context with a certificate of its own; `key.pem` and `cert.pem` are in the folder then."""
    certificate, key = certificate_in(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
