"""docs/migrating.md: every daybreak.yaml that it shows loads, and the first is what the command writes."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from daybreak.extras.init_from.bring import bring
from daybreak.spec import load_spec
from tests.unit.extras.init_from.projects import spec_of

PAGE = Path(__file__).parents[4] / "docs" / "migrating.md"


def blocks() -> list[tuple[str, str]]:
    """The page's indented blocks: the file that the first line names, and the text."""
    found: list[tuple[str, str]] = []
    lines: list[str] = []
    for line in [*PAGE.read_text().splitlines(), "end"]:
        if line.startswith("    ") or (lines and not line):
            lines.append(line)
        elif lines:
            text = textwrap.dedent("\n".join(lines)).strip() + "\n"
            found.append((text.partition("\n")[0].removeprefix("# "), text))
            lines = []
    return found


SPECS = [text for name, text in blocks() if name == "daybreak.yaml"]


def test_there_is_one_for_each_way() -> None:
    assert [name for name, _ in blocks()] == [
        *("compose.yaml", "daybreak.yaml"),
        *("start.sh", "daybreak.yaml"),
        *("raycluster.yaml", "daybreak.yaml"),
    ]


@pytest.mark.parametrize("text", SPECS)
def test_every_spec_loads(text: str, tmp_path: Path) -> None:
    (tmp_path / "api").mkdir()
    (tmp_path / "initdb").mkdir()
    (tmp_path / "initdb" / "1.sql").write_text("select 1;")
    secrets = tmp_path / ".daybreak" / "brought"
    secrets.mkdir(parents=True)
    for name in ("db-password", "stripe-api-key"):
        (secrets / name).write_text("not-for-everybody\n")
    (tmp_path / "daybreak.yaml").write_text(text)
    load_spec(tmp_path / "daybreak.yaml")


def test_the_first_is_what_the_command_writes(tmp_path: Path) -> None:
    (tmp_path / "shop" / "api").mkdir(parents=True)
    (tmp_path / "shop" / "initdb").mkdir()
    (tmp_path / "shop" / "initdb" / "1.sql").write_text("select 1;")
    file = tmp_path / "shop" / "compose.yaml"
    file.write_text(dict(blocks())["compose.yaml"])
    found = bring(file, name=None, backend="process")
    shown: dict[str, Any] = yaml.safe_load(SPECS[0])
    assert spec_of(found) == shown
    assert "not-for-everybody" not in found.text
    assert "sk_live" not in found.text


def test_the_manifest_is_yaml() -> None:
    assert yaml.safe_load(dict(blocks())["raycluster.yaml"])["kind"] == "RayService"
