"""The host's way to pip's packages, as a configuration file for the build. It is given to it as a secret, since an
address may hold a password."""

from __future__ import annotations

import configparser
from collections.abc import Iterable, Mapping
from pathlib import Path

# Where the certificates are mounted in the build.
CERTIFICATES = "/run/secrets/ca.crt"
TAKEN = ("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "proxy", "timeout", "retries", "pre")
ADDRESSES = ("index-url", "extra-index-url", "find-links")
ALIASES = {"default-timeout": "timeout", "pypi-url": "index-url"}
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
BUNDLE_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")


def files(env: Mapping[str, str]) -> list[Path]:
    """pip's configuration files, the one that counts most last."""
    home = Path(env.get("HOME", "/root"))
    shared = env.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    found = [Path(folder, "pip/pip.conf") for folder in reversed(shared.split(":")) if folder]
    found += [Path("/etc/pip.conf"), home / ".pip/pip.conf"]
    found.append(Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf")
    if env.get("VIRTUAL_ENV"):
        found.append(Path(env["VIRTUAL_ENV"]) / "pip.conf")
    if env.get("PIP_CONFIG_FILE"):
        found.append(Path(env["PIP_CONFIG_FILE"]))
    return found


def settings(env: Mapping[str, str], paths: Iterable[Path]) -> dict[str, str]:
    """What pip would use on this host: files, then variables. Folders of this host mean nothing in a build."""
    parser = configparser.RawConfigParser()
    try:
        parser.read(paths, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        pass  # pip itself will tell about it
    found: dict[str, str] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            found |= {_key(key): value for key, value in parser.items(section)}
    found |= {_key(name[4:]): value for name, value in env.items() if name.startswith("PIP_")}
    kept = {key: _remote(found[key]) if key in ADDRESSES else found[key].strip() for key in TAKEN if key in found}
    return {key: value for key, value in kept.items() if value}


def configuration(found: Mapping[str, str], *, certificates: bool) -> str:
    """The text of a pip.conf."""
    rows = dict(found) | ({"cert": CERTIFICATES} if certificates else {})
    return "[global]\n" + "".join(f"{key} = {value}\n" for key, value in rows.items())


def bundle(env: Mapping[str, str]) -> Path | None:
    """The certificates that this host trusts."""
    candidates = [*(env.get(name, "") for name in BUNDLE_VARIABLES), *BUNDLES]
    return next((Path(path) for path in candidates if path and Path(path).is_file()), None)


def _key(name: str) -> str:
    key = name.lower().replace("_", "-")
    return ALIASES.get(key, key)


def _remote(value: str) -> str:
    return " ".join(word for word in value.split() if "://" in word and not word.startswith("file:"))
