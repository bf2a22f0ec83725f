"""What stands behind `--token`: a random secret, and by which certificate the first machine is known. Pure."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, field

from daybreak.errors import UsageError

SECRET_BYTES = 20
# Of the 32 of a SHA-256: enough that nobody finds another certificate with the same beginning.
FINGERPRINT_BYTES = 16
_PATTERN = re.compile(r"([a-z2-7]{32})\.([a-z2-7]{26})")


@dataclass(frozen=True)
class Token:
    """As it is typed: only lower-case letters, digits and one dot."""

    secret: str = field(repr=False)
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.secret}.{self.fingerprint}"

    @classmethod
    def made_for(cls, certificate: bytes) -> Token:
        """A new one; `certificate` is the first machine's (DER)."""
        return cls(_text(secrets.token_bytes(SECRET_BYTES)), fingerprint(certificate))

    @classmethod
    def parse(cls, text: str) -> Token:
        """Raises UsageError for what is none."""
        found = _PATTERN.fullmatch(text.strip().lower())
        if found is None:
            raise UsageError(
                "that is no token; nothing was changed", hint="copy the whole line that `daybreak invite` prints"
            )
        return cls(*found.groups())


def fingerprint(certificate: bytes) -> str:
    """The beginning of the SHA-256 of a certificate (DER)."""
    return _text(hashlib.sha256(certificate).digest()[:FINGERPRINT_BYTES])


def digest(secret: str) -> str:
    """What is stored of a secret. It is random and long: nobody finds it by trying."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _text(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()
