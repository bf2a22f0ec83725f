"""`alerts` in a spec: what is no address is told without repeating it, since it is often a secret."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from daybreak.errors import Problem
from daybreak.spec.load import LoadedSpec

Load = Callable[..., LoadedSpec]
Problems = Callable[..., tuple[Problem, ...]]


@pytest.mark.parametrize(
    "url", ["s3cr3t", "ftp://h/s3cr3t", "https://", "https://h:99999/s3cr3t", "https://h/s3c r3t", "https://h/s3cr3t-ü"]
)
def test_what_is_no_url_is_told_and_not_repeated(problems: Problems, url: str, tmp_path: Path) -> None:
    (found,) = problems(f"alerts: {{webhook: '{url}'}}")
    assert (found.line, found.key) == (1, "alerts.webhook")
    assert found.message.startswith("must be a URL")
    assert "s3c" not in str(found)
    (tmp_path / "shop" / "hook").write_text(url)
    (found,) = problems("alerts: {webhook_file: hook}")
    assert found.key == "alerts.webhook_file"
    assert "hook holds no URL" in found.message
    assert "s3c" not in str(found)


def test_a_file_that_is_not_there_two_addresses_and_a_command_that_is_no_list(problems: Problems) -> None:
    (found,) = problems("alerts: {webhook_file: absent}")
    assert "absent cannot be read: No such file" in found.message
    (found,) = problems("alerts: {webhook_file: hook, webhook: https://h/x}")
    assert found.message == "give either webhook or webhook_file, not both"
    (found,) = problems("alerts: {command: mail me}")
    assert (found.message, found.hint) == ("give a list", "write [mail, me]")


def test_what_is_one_is_taken(load: Load, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "hook").write_text("https://hooks.example.com/T/B\n")
    spec = load("alerts: {webhook_file: hook, command: [./tell.sh], after: 1m}").spec
    assert (spec.alerts.after, spec.alerts.command, spec.alerts.timeout) == (60.0, ("./tell.sh",), 10.0)
    assert load("alerts:").spec.alerts.webhook is None
