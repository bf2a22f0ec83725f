"""As whom a server can run that refuses root, or that wants its user to have a name."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

from daybreak.errors import PreflightError

# Any account with a name will do; these are nearly always there, and nothing of theirs is touched.
ACCOUNTS = ("postgres", "daemon", "nobody")
TIMEOUT_S = 5.0


def run_as(program: Path, folder: Path) -> tuple[str, ...]:
    """What to put in front of a command so that PostgreSQL accepts its user; empty where it does already.

    Two ways are tried, each by running `program --version` and writing into `folder`:

    1. A user namespace in which our own user has another number. Files stay ours, nothing needs a chown.
    2. Another account, allowed to pass closed folders (CAP_DAC_OVERRIDE), for containers in which root may not make
       namespaces. The data folder must belong to that account: the setup's script sees to it.

    Raises PreflightError where neither works.
    """
    root, named = os.geteuid() == 0, _has_name(os.geteuid())
    if not root and named:
        return ()
    account = _account()
    reasons = []
    if account:
        ways = [_namespace(account)] + ([_other_account(account)] if root else [])
        for way in ways:
            reason = _refused(way, program, folder)
            if reason is None:
                return way
            reasons.append(f"{way[0]}: {reason}")
    else:
        reasons.append("the machine has no account but root")
    who = "root" if root else f"user {os.geteuid()}, who is not in /etc/passwd"
    raise PreflightError(
        [f"PostgreSQL does not run as {who}, and could not be run otherwise ({'; '.join(reasons)})"],
        hint="run daybreak as an ordinary user; in a container: --user with an account of the image",
    )


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _account() -> pwd.struct_passwd | None:
    accounts = {account.pw_name: account for account in pwd.getpwall() if account.pw_uid not in (0, os.geteuid())}
    known = (accounts[name] for name in ACCOUNTS if name in accounts)
    return next(known, next(iter(accounts.values()), None))


def _namespace(account: pwd.struct_passwd) -> tuple[str, ...]:
    return ("unshare", "--user", f"--map-user={account.pw_uid}", f"--map-group={account.pw_gid}", "--")


def _other_account(account: pwd.struct_passwd) -> tuple[str, ...]:
    return (
        "setpriv",
        f"--reuid={account.pw_uid}",
        f"--regid={account.pw_gid}",
        "--clear-groups",
        "--inh-caps=-all,+dac_override",
        "--ambient-caps=-all,+dac_override",
        "--",
    )


def _refused(way: tuple[str, ...], program: Path, folder: Path) -> str | None:
    """Why this way does not work; None where it does."""
    script = '"$1" --version >/dev/null && test -w "$2" && test -x "$2" && test "$(id -u)" != 0'
    try:
        done = subprocess.run(
            [*way, "/bin/sh", "-c", script, "probe", str(program), str(folder)],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
        )
    except FileNotFoundError:
        return "is not installed"
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return said[-1] if said else f"{folder} cannot be written to"
