"""A host that can be logged into: a real sshd of its own there, with its own keys, and a user of another host whose
agent has the only key that opens it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.machines.login import SERVER

from tests.helpers import until
from tests.hosts.machines import Host

SSHD, SSH = "/usr/sbin/sshd", shutil.which("ssh")
# sshd wants it, whether or not it uses it.
PRIVILEGES = Path("/run/sshd")
# What a user has in ~/.ssh, which is root's own here: it is not touched.
OWN_CONFIG = "Host *\n  UserKnownHostsFile {folder}/known_hosts\n  IdentityFile none\n  StrictHostKeyChecking yes\n"


def unavailable() -> str:
    """Why there can be no such host here; empty where there can."""
    missing = [
        name for name, path in (("openssh-server", SSHD), ("openssh-client", SSH)) if not os.path.exists(path or "")
    ]
    return f"{' and '.join(missing)} not installed" if missing else ""


@contextlib.contextmanager
def lets_in(host: Host, folder: Path) -> Iterator[None]:
    """As long as its sshd runs; what is started over it has the host's folders."""
    folder.mkdir()
    PRIVILEGES.mkdir(mode=0o755, exist_ok=True)
    for name in ("host_key", "user_key"):
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
    shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
    key = (folder / "host_key.pub").read_text().split()
    (folder / "known_hosts").write_text(f"{host.address} {key[0]} {key[1]}\n")
    theirs = {key: host.cluster.environment()[key] for key in ("HOME", "DAYBREAK_HOME", "DAYBREAK_RUNTIME")}
    words = " ".join(f'"{name}={value}"' for name, value in theirs.items())
    own = {"address": host.address, "environment": words}
    (folder / "sshd_config").write_text(SERVER.format(keys=folder, authorized=folder / "authorized_keys", **own))
    with _running([*host.cluster.inside, SSHD, "-D", "-e", "-f", str(folder / "sshd_config")]):
        until(lambda: _listens(host), what="sshd listens")
        yield


@contextlib.contextmanager
def user(folder: Path) -> Iterator[Mapping[str, str]]:
    """Environment of somebody who may log in there: an agent, and a configuration of ssh."""
    bin_folder, agent = folder / "bin", folder / "agent"
    bin_folder.mkdir()
    (folder / "ssh_config").write_text(OWN_CONFIG.format(folder=folder))
    (bin_folder / "ssh").write_text(f'#!/bin/sh\nexec {SSH} -F {folder}/ssh_config "$@"\n')
    (bin_folder / "ssh").chmod(0o755)
    with _running(["ssh-agent", "-D", "-a", str(agent)]):
        environment = {"SSH_AUTH_SOCK": str(agent), "PATH": f"{bin_folder}:{os.environ['PATH']}"}
        until(agent.is_socket, what="the agent listens")
        _run("ssh-add", "-q", str(folder / "user_key"), **environment)
        # Nothing but the agent has it from now on.
        (folder / "user_key").unlink()
        yield environment


def _listens(host: Host) -> bool:
    with host.inside(), socket.create_connection((host.address, 22), 5.0):
        return True


def _run(*argv: str, **environment: str) -> None:
    done = subprocess.run(
        argv, env={**os.environ, **environment}, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, f"{argv}: {done.stderr}"


@contextlib.contextmanager
def _running(argv: list[str]) -> Iterator[None]:
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)
