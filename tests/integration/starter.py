"""The starter application, which counts visits in PostgreSQL, with a spec and both databases, and how to visit it."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from tests.integration.conftest import Sandbox

STARTER = Path(__file__).parents[2] / "src" / "daybreak" / "spec" / "starter" / "app.py"
DATABASES = ("postgres", "redis")


def starter_spec(workers: int) -> str:
    return f"""
workers: {{count: {workers}}}
serve:
  applications: [{{import: "app:main"}}]
  health: /health
databases: {{postgres: {{}}, redis: {{}}}}
"""


def visits(sandbox: Sandbox) -> int:
    """How many rows there are."""
    return int(sandbox.get("/visits")["visits"])


def visit(sandbox: Sandbox) -> int:
    """Write a row; returns how many there are."""
    request = urllib.request.Request(f"{sandbox.url}/visits", method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return int(json.load(answer)["visits"])
