"""Secrets of a cluster are not shown."""

from __future__ import annotations

from pathlib import Path

from daybreak.redact import SHOWN, Redaction

PASSWORD = "0123456789abcdef" * 4


def folder(tmp_path: Path) -> Path:
    (tmp_path / "redis").write_text(PASSWORD + "\n")
    (tmp_path / "redis-url").write_text(f"redis://:{PASSWORD}@127.0.0.1:6379/0\n")
    (tmp_path / "short").write_text("error\n")
    (tmp_path / "inside").mkdir()
    return tmp_path


def test_a_password_is_replaced_wherever_it_stands(tmp_path: Path) -> None:
    redact = Redaction(folder(tmp_path))
    line = f"broker_url='redis://:{PASSWORD}@127.0.0.1:6379/0' {PASSWORD}"
    assert redact(line) == f"broker_url='redis://:{SHOWN}@127.0.0.1:6379/0' {SHOWN}"
    assert redact("an error of redis") == "an error of redis"


def test_without_secrets_nothing_is_replaced(tmp_path: Path) -> None:
    assert Redaction(tmp_path / "none")("redis") == "redis"
    (tmp_path / "empty").touch()
    assert Redaction(tmp_path)("redis") == "redis"
