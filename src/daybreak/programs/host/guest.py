"""What a first machine has run on a host over SSH: it looks whether this daybreak and Ray are there, makes an
environment with them where they are not, and lets the host join, or start again.

It is sent over the connection, and read from standard input by whichever Python is there: standard library alone. Then
come orders, a line of JSON each; what it says are lines of JSON behind MARK, since a login shell may print, too.
Secrets come over standard input, and are in no argument of a program.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from importlib import metadata
from typing import Any, NoReturn

MARK = "daybreak: "
MARKER, WHEELS, VENV = "made.json", "wheels", "venv"
# Of what a failed program has said.
LAST_LINES = 12
# Where a package index does not answer, wheels are sent; pip itself would try for minutes.
PIP_PATIENCE = ["--retries", "1", "--timeout", "15"]
TOKEN = "DAYBREAK_JOIN_TOKEN"  # noqa: S105
RUN = "import sys; from daybreak.cli import main; main()"


class Failed(Exception):
    """With what failed, and its last words."""


def say(**message: Any) -> None:
    print(MARK + json.dumps(message), flush=True)


def refuse(problem: str, hint: str = "") -> NoReturn:
    say(refused=problem, hint=hint)
    raise SystemExit(1)


def hear() -> dict[str, Any]:
    """The next order; the end where nobody is there any more."""
    line = sys.stdin.buffer.readline()
    if not line:
        raise SystemExit(1)
    found: dict[str, Any] = json.loads(line)
    return found


def main() -> None:
    """Carry out what the first line says."""
    order = hear()
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if minor != order["python"]:
        refuse(
            f"the cluster runs on Python {order['python']}, {sys.executable} there is {minor}",
            f"install Python {order['python']} there, or name its interpreter with `python:`",
        )
    try:
        join(interpreter(order))
    except Failed as error:
        refuse(str(error))
    except OSError as error:
        refuse(f"{error.strerror}: {error.filename}")


# --- the interpreter that has both ------------------------------------------------------------------------------------


def interpreter(order: dict[str, Any]) -> str:
    """This one where it has this daybreak and Ray, else that of an environment of daybreak's own."""
    if (version("daybreak"), version("ray")) == (order["daybreak"], order["ray"]):
        return sys.executable
    folder = os.path.join(os.path.expanduser("~"), ".local", "share", "daybreak", "hosts", order["cluster"])
    os.makedirs(folder, mode=0o700, exist_ok=True)
    python = os.path.join(folder, VENV, "bin", "python")
    wanted = {"daybreak": order["digest"], "ray": order["ray"], "python": order["python"]}
    with open(os.path.join(folder, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if made(folder) != wanted or not os.access(python, os.X_OK):
            make(folder, python, order)
            with open(os.path.join(folder, MARKER), "w") as file:
                json.dump(wanted, file)
    return python


def version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def made(folder: str) -> dict[str, Any] | None:
    """What the environment there was made of, None where none was made to the end."""
    try:
        with open(os.path.join(folder, MARKER)) as file:
            found: dict[str, Any] = json.load(file)
            return found
    except (OSError, ValueError):
        return None


def make(folder: str, python: str, order: dict[str, Any]) -> None:
    """Raises Failed and OSError."""
    if os.path.exists(os.path.join(folder, MARKER)):
        os.unlink(os.path.join(folder, MARKER))
    say(step=f"making an environment of Python {order['python']}")
    run([sys.executable, "-m", "venv", "--clear", os.path.join(folder, VENV)], "no environment can be made there")
    wheels = os.path.join(folder, WHEELS)
    shutil.rmtree(wheels, ignore_errors=True)
    os.makedirs(wheels)
    own = fetch("own", wheels)
    say(step=f"installing Ray {order['ray']}")
    pip = [python, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    try:
        run([*pip, *PIP_PATIENCE, *own, f"ray[default,serve]=={order['ray']}"], "pip")
    except Failed as error:
        say(step=f"its package index has them not ({last_line(str(error))}): they are sent from here")
        machine = [platform.system(), platform.machine()]
        if machine != order["machine"]:
            first = " ".join(order["machine"])
            refuse(f"{error}; nor can packages of {first} be sent to {' '.join(machine)}")
        run([*pip, "--no-index", "--no-deps", *own, *fetch("all", wheels)], "what was sent cannot be installed there")
    finally:
        shutil.rmtree(wheels, ignore_errors=True)


def fetch(which: str, folder: str) -> list[str]:
    """Wheels of the first machine, as a tar stream of known length; returns their paths."""
    say(need=which)
    size = hear()["bytes"]
    path = os.path.join(folder, which + ".tar")
    with open(path, "wb") as file:
        while size:
            block = sys.stdin.buffer.read(min(size, 1 << 18))
            if not block:
                raise SystemExit(1)
            file.write(block)
            size -= len(block)
    with tarfile.open(path) as archive:
        names = [os.path.basename(member.name) for member in archive.getmembers() if member.isreg()]
        for member in archive.getmembers():
            content = archive.extractfile(member)
            if content:
                with open(os.path.join(folder, os.path.basename(member.name)), "wb") as wheel:
                    shutil.copyfileobj(content, wheel)
    os.unlink(path)
    return [os.path.join(folder, name) for name in names]


def run(argv: list[str], what: str) -> None:
    """Raises Failed with its last words."""
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if line.strip()][-LAST_LINES:]
        raise Failed("\n".join([f"{what}: exit code {done.returncode}", *lines]))


def last_line(text: str) -> str:
    return text.splitlines()[-1].strip()


# --- what it is for ---------------------------------------------------------------------------------------------------


def join(python: str) -> None:
    """Let daybreak there do it: `argv` are its words, after `ready` the first machine says with which token."""
    say(ready=python)
    go = hear()
    environment = dict(os.environ)
    if go.get("token"):
        environment[TOKEN] = go["token"]
    done = subprocess.run(
        [python, "-P", "-c", RUN, *go["argv"]],
        env=environment,
        cwd=os.path.expanduser("~"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        say(done=True)
        return
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    hints = [line for line in lines if line.startswith("hint: ")]
    said = "\n".join(errors or lines[-LAST_LINES:]) or f"exit code {done.returncode}"
    refuse(said.replace("error: ", "", 1), "; ".join(hints).replace("hint: ", ""))


if __name__ == "__main__":
    main()
