"""Secrets of a cluster are not shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.paths import HANDED, RUNTIME, runtime_of
from daybreak.redact import SHOWN, Redaction

PASSWORD = "0123456789abcdef" * 4


def folder(tmp_path: Path) -> Path:
    (tmp_path / "redis").write_text(PASSWORD + "\n")
    (tmp_path / "redis-url").write_text(f"redis://:{PASSWORD}@127.0.0.1:6379/0\n")
    (tmp_path / "short").write_text("error\n")
    (tmp_path / "postgres").write_text("hunter-2\n")
    (tmp_path / "inside").mkdir()
    return tmp_path


def test_a_password_is_replaced_wherever_it_stands(tmp_path: Path) -> None:
    redact = Redaction(folder(tmp_path))
    line = f"broker_url='redis://:{PASSWORD}@127.0.0.1:6379/0' {PASSWORD}"
    assert redact(line) == f"broker_url='redis://:{SHOWN}@127.0.0.1:6379/0' {SHOWN}"
    assert redact("an error of redis") == "an error of redis"
    assert redact("hunter-2 is mine") == f"{SHOWN} is mine"


def test_without_secrets_nothing_is_replaced(tmp_path: Path) -> None:
    assert Redaction(tmp_path / "none")("redis") == "redis"
    (tmp_path / "empty").touch()
    assert Redaction(tmp_path)("redis") == "redis"


def test_what_services_are_handed_is_replaced_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUNTIME, str(tmp_path / "run"))
    root = tmp_path / "state" / "shop"
    for kind, name, text in (
        ("secret-1", "key", "sword fish\n2nd: line/of@it\nab\n"),
        ("file-1", "ZONE", "production-9"),
    ):
        folder = runtime_of(root) / HANDED / kind
        folder.mkdir(parents=True)
        (folder / name).write_text(text)
    redact = Redaction(root / "secrets")
    assert (
        redact("a 'sword fish' and 2nd: line/of@it, ab in production-9")
        == f"a '{SHOWN}' and {SHOWN}, ab in production-9"
    )
