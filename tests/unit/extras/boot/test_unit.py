"""The unit that `install` writes, as systemd reads it, and what is told to systemd."""

from __future__ import annotations

import configparser
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from daybreak.cli.install import _other_options, install
from daybreak.cli.uninstall import uninstall
from daybreak.errors import DaybreakError, PreflightError
from daybreak.extras.boot import systemd
from daybreak.extras.boot.unit import Unit
from daybreak.paths import ClusterPaths

UNIT = Unit(
    "shop", "/srv/my shop", "/opt/day break/daybreak", ["3", "--app", "a:b"], {"PATH": "/a b:/c%d"}, system=True
)


def read(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(text)
    return parser


def test_what_it_runs_and_what_systemd_would_take_for_its_own() -> None:
    service = read(UNIT.text())["Service"]
    assert service["ExecStart"] == '"/opt/day break/daybreak" up --foreground -n shop 3 --app a:b'
    assert service["ExecReload"] == '"/opt/day break/daybreak" restart -n shop'
    assert service["WorkingDirectory"] == "/srv/my shop"
    assert service["Environment"] == '"PATH=/a b:/c%%d"'
    odd = read(Unit("shop", "/x%", "/d", ["--app", "$HOME;'\"\\", ""]).text())["Service"]
    assert odd["ExecStart"] == '/d up --foreground -n shop --app "$$HOME;\'\\"\\\\" ""'
    assert odd["WorkingDirectory"] == "/x%%"


def test_roots_starts_with_the_machine_and_anybody_elses_with_their_manager() -> None:
    assert read(UNIT.text())["Install"]["WantedBy"] == "multi-user.target"
    mine = read(Unit("shop", "/srv", "/d").text())
    assert mine["Install"]["WantedBy"] == "default.target"
    assert "After" not in mine["Unit"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("system", [True, False])
def test_systemd_has_nothing_to_say_against_it(system: bool, tmp_path: Path) -> None:
    program = Path(sys.executable)
    unit = Unit("shop", str(tmp_path), str(program), ["3"], {"PATH": "/a b%d:/usr/bin"}, system=system)
    file = tmp_path / unit.name
    file.write_text(unit.text())
    whose = [] if system else ["--user"]
    done = subprocess.run(
        ["systemd-analyze", *whose, "verify", str(file)],
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    about = [line for line in done.stderr.splitlines() if unit.name in line]
    assert (done.returncode, about) == (0, []), done.stderr


# --- what is done with it ---------------------------------------------------------------------------------------------


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a systemd that writes down what it is told, and an account that is not root."""
    fake = tmp_path / "bin" / "systemctl"
    fake.parent.mkdir()
    fake.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/told\ntest ! -e {tmp_path}/refuses || {{ echo no >&2; exit 1; }}\n'
    )
    fake.chmod(0o755)
    (tmp_path / "booted").mkdir()
    monkeypatch.setattr(systemd, "BOOTED", tmp_path / "booted")
    monkeypatch.setattr(systemd, "LINGERING", tmp_path)
    monkeypatch.setattr(systemd, "is_system", lambda: False)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAYBREAK_RUNTIME", str(tmp_path / "run"))
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")
    Path("daybreak.yaml").write_text("name: shop\n")
    return tmp_path


def told(machine: Path) -> list[str]:
    return (machine / "told").read_text().splitlines()


def test_install_writes_and_enables_it_and_uninstall_undoes_that(machine: Path) -> None:
    done = CliRunner().invoke(install, ["3", "--now"], standalone_mode=False, catch_exceptions=False)
    file = machine / "config/systemd/user/daybreak-shop.service"
    assert done.stdout == f"{file}\n"
    assert "loginctl enable-linger" in done.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    service = read(file.read_text())["Service"]
    assert service["ExecStart"].endswith("/daybreak up --foreground -n shop 3")
    assert service["WorkingDirectory"] == str(machine / "shop")
    assert (
        f"\nEnvironment=DAYBREAK_HOME={machine}/home\nEnvironment=DAYBREAK_RUNTIME={machine}/run\n" in file.read_text()
    )
    assert told(machine) == ["--user daemon-reload", "--user enable --now --no-block daybreak-shop.service"]
    done = CliRunner().invoke(uninstall, [], standalone_mode=False, catch_exceptions=False)
    assert done.stdout == f"{file}\n"
    assert not file.exists()
    assert told(machine)[2:] == ["--user disable daybreak-shop.service", "--user daemon-reload"]
    done = CliRunner().invoke(uninstall, [], standalone_mode=False, catch_exceptions=False)
    assert "shop has no unit" in done.stderr


def test_print_writes_nothing_and_needs_no_systemd(machine: Path) -> None:
    (machine / "booted").rmdir()
    done = CliRunner().invoke(install, ["--print"], standalone_mode=False, catch_exceptions=False)
    assert done.stdout.startswith("# Written by `daybreak install`")
    assert not (machine / "config").exists()


def test_without_systemd_it_says_what_to_do_instead(machine: Path) -> None:
    (machine / "booted").rmdir()
    with pytest.raises(PreflightError, match=r"systemd does not run here.*nothing was changed") as caught:
        CliRunner().invoke(install, [], standalone_mode=False, catch_exceptions=False)
    assert f"@reboot cd {machine}/shop && " in str(caught.value.hint)
    assert " up -n shop;" in str(caught.value.hint)
    assert "daybreak up --foreground -n shop" in str(caught.value.hint)
    assert not (machine / "config").exists()


def test_a_systemd_that_refuses_is_told_in_its_own_words(machine: Path) -> None:
    (machine / "refuses").touch()
    with pytest.raises(DaybreakError, match="`systemctl --user daemon-reload` failed: no") as caught:
        CliRunner().invoke(install, [], standalone_mode=False, catch_exceptions=False)
    assert "machinectl shell" in str(caught.value.hint)


def test_options_that_only_a_command_had_are_told(machine: Path) -> None:
    paths = ClusterPaths.of("shop")
    paths.ensure()
    assert _other_options("shop", {"name": "shop"}) == []
    paths.wanted.write_text('{"spec": {"name": "shop", "workers": {"count": 3}}, "base": "/"}')
    assert _other_options("shop", {"name": "shop", "workers": {"count": 1}}) == ["workers"]
