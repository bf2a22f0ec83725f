"""Whether this machine has the address that other machines are to reach it at, and reaches the head that it joins."""

from __future__ import annotations

import errno
import shutil
import socket
import stat
import time
from collections.abc import Mapping
from pathlib import Path

from daybreak.errors import PreflightError, Problem, SpecError
from daybreak.naps import naps
from daybreak.services.site import RayInstall
from daybreak.spec.model import Spec

# So long the head's machine may be just starting.
PATIENCE_S = 10.0
ATTEMPT_S = 3.0


def require_token(spec: Spec, ray: RayInstall) -> None:
    """Raise SpecError where the head of another machine will ask for a token, and none is given."""
    if spec.join and ray.knows_tokens and spec.join.token_file is None:
        why = f"is required with Ray {ray.version}, whose nodes show a token"
        hint = "copy the head's token into a file with mode 0600: `daybreak env` on its machine names it"
        raise SpecError([Problem(why, key="join.token_file", hint=hint)])


def require_private(spec: Spec, base: Path) -> None:
    """Raise PreflightError where others can read the token: who has it runs code on every machine of the cluster."""
    if spec.join is None or spec.join.token_file is None:
        return
    path = base / spec.join.token_file
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        why = f"others can read the token in {path}, and who has it runs code in the cluster"
        raise PreflightError([why], hint=f"chmod 600 {path}")


def require_address(spec: Spec) -> None:
    """Raise PreflightError where `address` is not this machine's."""
    if spec.address is None:
        return
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((spec.address, 0))
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                return  # nodes say what it is
            why = f"this machine has no address {spec.address}"
            raise PreflightError([why], hint="write one of those that `ip -4 addr` lists as address") from None


def require_ssh(spec: Spec, environment: Mapping[str, str]) -> None:
    """Raise PreflightError where hosts are to be logged into and nothing is there that does so."""
    if spec.hosts and shutil.which("ssh", path=environment.get("PATH")) is None:
        why = "the spec's `hosts` are logged into by ssh, and there is no program of that name here"
        raise PreflightError([why], hint="apt install openssh-client, or remove `hosts`")


def require_head(spec: Spec, patience_s: float = PATIENCE_S) -> None:
    """Raise PreflightError where the head that is to be joined does not answer, or not soon."""
    if spec.join is None:
        return
    reason = ""
    for _ in naps(time.monotonic() + patience_s):
        try:
            socket.create_connection(spec.join.host_and_port, ATTEMPT_S).close()
        except OSError as error:
            reason = error.strerror or str(error)
        else:
            return
    why = f"no head answers at {spec.join.address}: {reason}"
    hint = "is its cluster up, with `address` in its spec, and does a firewall let this machine through?"
    raise PreflightError([why], hint=hint)
