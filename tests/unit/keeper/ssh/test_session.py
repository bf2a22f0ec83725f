"""One login: what ssh is told, what runs on the host, and how it ends. Here ssh is a program that stays on this machine
and runs what it is given as a login shell would."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daybreak import __version__
from daybreak.errors import DaybreakError
from daybreak.keeper.ssh.bringing import Attempt
from daybreak.keeper.ssh.session import Away, Refused, command_line, logged_in
from daybreak.keeper.ssh.supplies import Supplies
from daybreak.programs.host import guest
from daybreak.services.build import Cluster
from daybreak.spec.model import Spec
from daybreak.spec.ssh_hosts import SshHost
from tests.unit.services.test_serving import site

HERE = '#!/bin/sh\necho "$0 $@" >> {log}\necho a word of the login shell\nfor last; do :; done\neval "$last"\n'
MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"


def ssh(folder: Path, text: str = HERE) -> dict[str, str]:
    """The environment of a user who has such an ssh; its words are in `log`."""
    (folder / "bin").mkdir()
    program = folder / "bin" / "ssh"
    program.write_text(text.format(log=folder / "log"))
    program.chmod(0o755)
    return {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder)}


def attempt(folder: Path, environment: Mapping[str, str], order: Mapping[str, Any], **host: Any) -> list[str]:
    """Carried out; what was told."""
    told: list[str] = []
    found = site(None)
    found = replace(found, ray=replace(found.ray, version=guest.version("ray") or "0", python=sys.executable))

    async def go() -> Mapping[str, Any]:
        return order

    made = Attempt(
        SshHost.model_validate({"ssh": "me@there", "python": sys.executable, **host}),
        Cluster(Spec(name="shop"), found, ()),
        environment,
        Supplies(folder / "supplies"),
        go,
        lambda state, text: told.append(f"{state}: {text}"),
    )
    asyncio.run(made())
    return told


def test_what_is_there_already_is_used_and_the_token_is_in_no_words(tmp_path: Path) -> None:
    assert guest.version("daybreak") == __version__
    told = attempt(tmp_path, ssh(tmp_path), {"token": "a-secret", "argv": ["--version"]})
    assert told == ["connecting: logging in at me@there", "joining: joining"]
    words = (tmp_path / "log").read_text()
    assert "BatchMode=yes" in words
    assert "a-secret" not in words
    assert not (tmp_path / ".local").exists()


def test_what_daybreak_there_refuses_is_told_with_its_hint(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="'nowhere' is not HOST:PORT") as refused:
        attempt(tmp_path, ssh(tmp_path), {"token": "a.b", "argv": ["join", "nowhere"]})
    assert "invite" in str(refused.value.hint)


def test_a_host_that_cannot_be_logged_into_is_away_in_the_words_of_ssh(tmp_path: Path) -> None:
    says = "#!/bin/sh\necho 'Warning: something' >&2\necho 'Permission denied (publickey).' >&2\nexit 255\n"
    with pytest.raises(Away, match=r"^Permission denied \(publickey\).$"):
        attempt(tmp_path, ssh(tmp_path, says), {})


def test_a_host_without_that_python(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no /nowhere/python there"):
        attempt(tmp_path, ssh(tmp_path), {}, python="/nowhere/python")


def test_another_python_than_the_clusters_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with logged_in("there", sys.executable, ssh(tmp_path)) as session:
            await session.send({"python": "3.4"})
            await session.hear()

    with pytest.raises(Refused, match=f"runs on Python 3.4, .* there is {MINOR}"):
        asyncio.run(story())


def test_what_runs_there_ends_with_the_connection(tmp_path: Path) -> None:
    async def story() -> None:
        async with logged_in("there", sys.executable, ssh(tmp_path)) as session:
            running = session._process
        assert running.returncode is not None

    asyncio.run(story())


def test_nobody_is_asked_for_a_password_and_a_destination_is_no_option() -> None:
    words = command_line("-oProxyCommand=date", "python3", 1)
    assert words[words.index("--") + 1] == "-oProxyCommand=date"


def test_where_ssh_is_missing_the_host_is_away(tmp_path: Path) -> None:
    with pytest.raises(DaybreakError, match="ssh cannot be run"):
        attempt(tmp_path, {"PATH": "/nowhere"}, {})
