"""What tests find around them is the same wherever they are started; tests/conftest.py calls `settle` first."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

# What the machine needs to be used at all: programs, certificates, Docker, pip's index.
KEPT = {
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "LD_LIBRARY_PATH", "LD_PRELOAD"),
    *("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"),
    *("DAYBREAK_CHROMIUM", "DAYBREAK_COMPOSE_HOME"),
}
KEPT_PREFIXES = ("DOCKER_", "PIP_", "PYTEST_")
FIXED = {"LANG": "C.UTF-8", "TERM": "xterm", "TZ": "UTC"}
PROXIES = {each for name in ("http_proxy", "https_proxy", "no_proxy") for each in (name, name.upper())}
# With this the environment stays as it is: what differs then is the product's doing.
AS_IT_IS = "DAYBREAK_TESTS_AS_IT_IS"
# Sockets lie below it, and their paths end at 107 bytes.
LONGEST_TMPDIR = 24
# Python's own; it sets them back for the programs that it starts.
OF_PYTHON = {signal.SIGPIPE, signal.SIGXFSZ}
# What a build of an image needs where the way out leads through a proxy; nothing else is given it.
proxies: dict[str, str] = {}


def settle() -> None:
    """Give this process, and all that it starts, an environment without anybody's settings.

    `nohup` and a shell's `&` have signals ignored, and programs that are started inherit that.
    """
    proxies.update({name: value for name, value in os.environ.items() if name in PROXIES})
    if AS_IT_IS in os.environ:
        return
    if sys.flags.optimize:
        raise SystemExit("PYTHONOPTIMIZE or -O: the tests' assertions would not be made")
    _signals()
    _variables()
    _folders()
    os.umask(0o022)


def _signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - OF_PYTHON:
        if signal.getsignal(number) is signal.SIG_IGN:
            # A program gets the default in the place of a handler, and a hangup still does not end the tests.
            handler = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, _nothing if number == signal.SIGHUP else handler)


def _nothing(*_: object) -> None:
    pass


def _variables() -> None:
    for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        if folder and folder in sys.path:
            sys.path.remove(folder)
    for name in set(os.environ) - KEPT:
        if not name.startswith(KEPT_PREFIXES):
            del os.environ[name]
    os.environ.update(FIXED)
    time.tzset()


def _folders() -> None:
    given = os.environ.get("TMPDIR", "/tmp")
    if len(os.fsencode(given)) > LONGEST_TMPDIR or len(given.split()) != 1 or not os.path.isabs(given):
        os.environ["TMPDIR"] = "/tmp"
    tempfile.tempdir = None
    home = Path(os.environ.get("HOME") or "/nowhere")
    if not (home.is_dir() and os.access(home, os.W_OK)):
        os.environ["HOME"] = made = tempfile.mkdtemp(prefix="dbhome")
        atexit.register(_remove, made, os.getpid())


def _remove(folder: str, pid: int) -> None:
    """At the end of this process; a fork of it leaves the folder alone."""
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)
