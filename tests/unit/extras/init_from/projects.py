"""The Compose projects beside this file, each copied to where it may be written."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from daybreak.extras.init_from.bring import Brought, bring

FOLDER = Path(__file__).with_name("compose")
FILES = sorted(path.name for path in FOLDER.glob("*-*.yaml"))
# What stands in them and is for nobody's eyes.
PASSWORDS = (
    "hunter2-hunter2",
    "sk_live_0123456789",
    "secret-of-rabbit",
    "secret-of-redis",
    "svc-password-1",
    "root-root-root",
    "graph-graph",
    "pw-pw-pw-pw-pw",
    "app-password-1",
    "the-password-of-db",
    "from-dot-env-0001",
    "token-0001",
)


def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "project"))


def brought(name: str, backend: str = "process") -> Brought:
    return bring(FOLDER / name, name=None, backend=backend)


def spec_of(found: Brought) -> dict[str, Any]:
    """As it is written, variables and all."""
    spec: dict[str, Any] = yaml.safe_load(found.text)
    return spec


def bring_text(tmp_path: Path, text: str, backend: str = "process") -> tuple[dict[str, Any], Brought]:
    (tmp_path / "compose.yaml").write_text(text)
    found = bring(tmp_path / "compose.yaml", name=None, backend=backend)
    return spec_of(found), found
