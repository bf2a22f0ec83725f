"""What Compose's own rules say of the files: its JSON schema, and the program itself where it is there."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from daybreak.extras.export.files import Export
from tests.unit.extras.export.samples import EVERYTHING, document, exported

# What `.ci/engine start` has got from Debian's packages.
HOME = Path(os.environ.get("DAYBREAK_COMPOSE_HOME", "/var/cache/daybreak-ci/compose"))
SPECS: list[dict[str, Any]] = [{}, EVERYTHING, {"workers": {"count": 0}, "dashboard": False, "prometheus": False}]


@pytest.mark.parametrize("given", SPECS)
def test_the_schema_accepts_it(given: dict[str, Any]) -> None:
    schema = HOME / "compose-spec.json"
    if not schema.exists():
        pytest.skip(f"there is no {schema} (as root, `.ci/engine start` gets it)")
    jsonschema.Draft201909Validator(json.loads(schema.read_text())).validate(document(given))


@pytest.mark.parametrize("given", SPECS)
def test_compose_reads_it(given: dict[str, Any], tmp_path: Path) -> None:
    program = HOME / "cli-plugins/docker-compose"
    if not program.exists():
        pytest.skip(f"there is no {program} (as root, `.ci/engine start` gets it)")
    _write(exported(given), tmp_path)

    def read(*words: str) -> dict[str, Any]:
        command = [str(program), *words, "config", "--format", "json"]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path, timeout=30)
        assert done.returncode == 0, done.stderr
        assert not done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    everything = read("--profile", "*")
    assert set(everything["services"]) == set(document(given)["services"])
    # A tier can be started alone.
    app = read("--profile", "app")
    assert {"head", "worker"} <= set(app["services"])
    assert "postgres" not in app["services"]
    plain = read()
    assert set(plain["services"]) == {name for name in everything["services"] if name not in ("prometheus", "grafana")}


def _write(export: Export, folder: Path) -> None:
    for file in export.files:
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / file.path).write_text(file.text)
