"""Machines that can be logged into: an sshd on each, and a key that opens it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from bench.commands import Commands, RunFailed
from bench.machines.network import ENV, Far

SSHD, SSH, KEYGEN = "/usr/sbin/sshd", shutil.which("ssh"), shutil.which("ssh-keygen")
# sshd wants it, whether or not it uses it.
PRIVILEGES = Path("/run/sshd")
LISTENS_S = 10.0
SERVER = """\
Port 22
ListenAddress {address}
HostKey {keys}/host_key
AuthorizedKeysFile {authorized}
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
SetEnv {environment}
"""
USER = "Host *\n  UserKnownHostsFile {keys}/known_hosts\n  IdentityFile {keys}/user_key\n  IdentitiesOnly yes\n"


def unavailable() -> str | None:
    """Why nobody can log in anywhere here."""
    missing = [path for path in (SSHD, SSH or "ssh", KEYGEN or "ssh-keygen") if not os.path.exists(path)]
    return f"{', '.join(missing)} not installed" if missing else None


def let_in(commands: Commands, machines: Sequence[Far]) -> tuple[str, ...]:
    """Start sshd everywhere; returns what stands before a command of somebody who may log in. Raises RunFailed."""
    keys = commands.folder / "keys"
    keys.mkdir(mode=0o700)
    PRIVILEGES.mkdir(mode=0o755, exist_ok=True)
    for name in ("host_key", "user_key"):
        subprocess.run([str(KEYGEN), "-q", "-t", "ed25519", "-N", "", "-f", str(keys / name)], check=True)
    host_key = " ".join((keys / "host_key.pub").read_text().split()[:2])
    (keys / "known_hosts").write_text("".join(f"{far.address} {host_key}\n" for far in machines))
    for far in machines:
        words = " ".join(f'"{name}={value}"' for name, value in far.variables.items())
        config = keys / f"sshd-{far.number}"
        config.write_text(
            SERVER.format(address=far.address, keys=keys, authorized=keys / "user_key.pub", environment=words)
        )
        commands.start(*far.words(SSHD, "-D", "-e", "-f", str(config)))
    for far in machines:
        _wait(far)
    (keys / "ssh_config").write_text(USER.format(keys=keys))
    (keys / "ssh").write_text(f'#!/bin/sh\nexec {SSH} -F {keys}/ssh_config "$@"\n')
    (keys / "ssh").chmod(0o755)
    return (ENV, f"PATH={keys}:{os.environ['PATH']}")


def _wait(far: Far) -> None:
    until = time.monotonic() + LISTENS_S
    while time.monotonic() < until:
        try:
            socket.create_connection((far.address, 22), 1.0).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RunFailed(f"no sshd listens at {far.address}")
