"""Looking whether the machines of a cluster reach each other."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from daybreak.errors import PreflightError, SpecError
from daybreak.machine.hosts import require_address, require_head, require_private, require_ssh, require_token
from daybreak.services.site import RayInstall
from daybreak.spec.model import Spec

# Of a network for examples: no machine has it.
NOBODYS = "192.0.2.7"


def joining(port: int = 6380, **more: object) -> Spec:
    join = {"address": f"127.0.0.1:{port}", **more}
    return Spec.model_validate({"name": "a", "address": NOBODYS, "join": join})


def ray(version: str) -> RayInstall:
    return RayInstall(version, "/venv/bin/python", "/venv/bin/ray")


def test_an_address_of_another_machine() -> None:
    with pytest.raises(PreflightError, match=f"this machine has no address {NOBODYS}; nothing was changed"):
        require_address(joining())
    require_address(Spec(name="a"))


def test_a_head_that_answers_and_one_that_does_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        require_head(joining(port), patience_s=0)
    with pytest.raises(PreflightError, match=f"no head answers at 127.0.0.1:{port}: Connection refused"):
        require_head(joining(port), patience_s=0)
    require_head(Spec(name="a"))


def test_a_token_that_others_can_read(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret")
    token.chmod(0o640)
    with pytest.raises(PreflightError, match="others can read the token") as error:
        require_private(joining(token_file="token"), tmp_path)
    assert error.value.hint == f"chmod 600 {token}"
    token.chmod(0o600)
    require_private(joining(token_file="token"), tmp_path)


def test_only_a_ray_without_tokens_needs_none() -> None:
    with pytest.raises(SpecError, match=r"join.token_file: is required with Ray 2.60.0"):
        require_token(joining(), ray("2.60.0"))
    require_token(joining(), ray("2.20.0"))
    require_token(joining(token_file="token"), ray("2.60.0"))


def test_hosts_by_ssh_need_a_program_of_that_name(tmp_path: Path) -> None:
    spec = Spec.model_validate({"name": "a", "address": NOBODYS, "hosts": [{"ssh": "b"}]})
    with pytest.raises(PreflightError, match="no program of that name here"):
        require_ssh(spec, {"PATH": str(tmp_path)})
    require_ssh(Spec(name="a"), {"PATH": str(tmp_path)})
    (tmp_path / "ssh").write_text("")
    (tmp_path / "ssh").chmod(0o755)
    require_ssh(spec, {"PATH": str(tmp_path)})
