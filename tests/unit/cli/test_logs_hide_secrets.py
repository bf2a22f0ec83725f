"""What `logs` and the page show of a cluster's logs holds none of its secrets, nor advice that is wrong here."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.cli.app import run
from daybreak.paths import ClusterPaths
from daybreak.show.page.logs import Follower

PASSWORD = "0123456789abcdef" * 4
ADVICE = (
    "WARNING 2026-11-29 00:34:05,720 controller 7 -- host won't accept connections from HAProxy on other nodes; Set"
)
SAID = f"INFO 2026-11-29 00:34:05,721 controller 7 -- broker_url=redis://:{PASSWORD}@127.0.0.1:6379/0"


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClusterPaths:
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAYBREAK_RUNTIME", str(tmp_path / "runtime"))
    made = ClusterPaths.of("shop")
    for folder in (made.logs, made.secrets):
        folder.mkdir(parents=True)
    (made.secrets / "redis").write_text(PASSWORD)
    (made.logs / "serve.log").write_text(f"{ADVICE}\n{SAID}\n")
    return made


@pytest.mark.parametrize("options", [[], ["--json"], ["--all"]])
@pytest.mark.usefixtures("paths")
def test_logs(options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["daybreak", "logs", "-n", "shop", "serve", *options])
    assert run() == 0
    shown = capsys.readouterr().out
    assert "broker_url=redis://:********@127.0.0.1:6379/0" in shown
    assert PASSWORD not in shown
    assert ("HAProxy on other nodes" in shown) is (options == ["--all"])


def test_the_page(paths: ClusterPaths) -> None:
    (line,) = Follower(paths, "serve").last()
    assert line.text.endswith("broker_url=redis://:********@127.0.0.1:6379/0")
