"""`tests/environments`: a part of the tests in each of many surroundings, none of which may change a result."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.environment import AS_IT_IS

ROOT = Path(__file__).parents[2]
USER = "daybreak-tests"
UNIT = (
    "backends",
    "cli",
    "keeper",
    "machine",
    "programs",
    "run",
    "show/logs",
    "spec",
    "extras/doctor",
    "test_paths.py",
)
REAL = (
    "test_command.py",
    "test_node.py",
    "test_lifecycle.py::test_up_brings_everything_up",
    "test_troubles.py::test_ctrl_c_in_the_middle_of_up_leaves_nothing",
)
PART = [
    *(f"tests/unit/{name}" for name in UNIT),
    "tests/contract",
    *(f"tests/integration/{name}" for name in REAL),
]
DEAD = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Surroundings:
    """`shell` is done before the tests are started, `env` is added to their environment, `without` left out."""

    name: str
    shell: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    start: str = 'exec "$@"'
    user: str | None = None


def surroundings(folder: Path) -> list[Surroundings]:
    """All of them, the ordinary first; `folder` holds the folders that some need."""
    long, blank, bare = folder / ("long" * 20), folder / "a blank", folder / "read-only"
    for each in (long, blank, bare):
        each.mkdir()
    bare.chmod(0o555)
    (folder / "json.py").write_text("raise ImportError('a stranger was imported')\n")
    proxy = {name: DEAD for each in ("http_proxy", "https_proxy", "all_proxy") for name in (each, each.upper())}
    python = {"PYTHONPATH": str(folder), "PYTHONWARNINGS": "error", "PYTHONHASHSEED": "1", "PYTHONASYNCIODEBUG": "1"}
    ray = {
        "RAY_ADDRESS": "192.0.2.1:6379",
        "RAY_TMPDIR": str(long),
        "RAY_AUTH_TOKEN": "x",
        "RAY_API_SERVER_ADDRESS": DEAD,
    }
    own = {"DAYBREAK_HOME": str(blank), "DAYBREAK_RUNTIME": str(long), "DAYBREAK_CLUSTER_ROOT": "/nowhere"}
    made = [
        Surroundings("ordinary"),
        Surroundings("nohup", "trap '' HUP"),
        Surroundings("ignored signals", "trap '' INT QUIT PIPE CHLD USR1 TSTP TTOU"),
        Surroundings("background", start='"$@" & wait $!'),
        Surroundings("no terminal", start='exec setsid --wait "$@" </dev/null'),
        Surroundings("closed input", start='exec "$@" <&-'),
        Surroundings("umask 000", "umask 000"),
        Surroundings("umask 077", "umask 077"),
        Surroundings("long TMPDIR", env={"TMPDIR": str(long)}),
        Surroundings("TMPDIR with a blank", env={"TMPDIR": str(blank)}),
        Surroundings("dead proxy", env=proxy | {"no_proxy": "example.test"}),
        Surroundings("LANG=C", env={"LANG": "C", "LC_ALL": "C"}),
        Surroundings("another time zone", env={"TZ": "Pacific/Chatham"}),
        Surroundings("narrow, no colours", env={"COLUMNS": "40", "LINES": "5", "NO_COLOR": "1", "TERM": "dumb"}),
        Surroundings("forced colours", env={"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"}),
        Surroundings("no HOME", without=("HOME",)),
        Surroundings("read-only HOME", env={"HOME": "/proc"}),
        Surroundings("Python's variables", env=python),
        Surroundings("Ray's variables", env=ray),
        Surroundings("daybreak's variables", env=own),
        Surroundings("databases' variables", env={"PGHOST": "192.0.2.1", "PGPASSFILE": "/x", "DATABASE_URL": "x"}),
    ]
    return [*made, Surroundings("another user", user=USER)] if os.geteuid() == 0 else made


# In a mount namespace of its own the copy lies where this tree does, with this tree's environment in it, and the
# interpreter can be reached also where its folder lies in one that only root may enter.
AS_USER = """
set -e
user=$1 copy=$2 root=$3 base=$4 closed=$5; shift 5
mount --bind "$root/.venv" "$copy/.venv"
if [ -n "$closed" ]; then
  mount --bind "$base" "$copy/.python"
  mount -t tmpfs -o mode=755 none "$closed"
  mkdir -p "$base"
  mount --bind "$copy/.python" "$base"
fi
mount --rbind "$copy" "$root"
cd "$root"
exec runuser --user "$user" -- env HOME="/home/$user" "$@"
"""


@contextlib.contextmanager
def as_user(user: str) -> Iterator[list[str]]:
    """What stands before a command that a user runs, who is made for it, in a copy of the tree that belongs to it."""
    subprocess.run(["useradd", "--create-home", user], check=True)
    copy = Path(tempfile.mkdtemp(prefix="daybreak-copy-"))
    try:
        names = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True, cwd=ROOT).stdout
        for name in [*filter(None, names.split("\0")), ".venv/", ".python/"]:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            if name.endswith("/"):
                (copy / name).mkdir()
            else:
                shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
        subprocess.run(["chown", "--recursive", "--no-dereference", user, copy], check=True)
        base = (ROOT / ".venv/bin/python").resolve().parents[1]
        closed = [str(parent) for parent in reversed(base.parents) if parent.stat().st_mode & 0o005 != 0o005]
        places = [str(copy), str(ROOT), str(base), closed[0] if closed else ""]
        yield ["unshare", "--mount", "bash", "-c", AS_USER, "bash", user, *places]
    finally:
        shutil.rmtree(copy, ignore_errors=True)
        subprocess.run(["userdel", "--remove", user], check=False, capture_output=True)


def run(where: Surroundings, part: list[str], folder: Path, as_it_is: bool) -> dict[str, str]:
    """The outcome of each test by its name; empty where the tests could not be started."""
    folder.mkdir()
    folder.chmod(0o777)
    env = {name: value for name, value in os.environ.items() if name not in where.without} | dict(where.env)
    env |= {AS_IT_IS: "1"} if as_it_is else {}
    with contextlib.ExitStack() as stack:
        before = stack.enter_context(as_user(where.user)) if where.user else []
        options = ["-q", "-p", "no:cacheprovider", f"--junitxml={folder / 'found.xml'}"]
        command = [str(ROOT / ".venv/bin/python"), "-E", "-m", "pytest", *options, *part]
        started = [*before, "bash", "-c", f"{where.shell}\n{where.start}", "bash", *command]
        with (folder / "output").open("wb") as output:
            subprocess.run(started, check=False, cwd=ROOT, env=env, stdout=output, stderr=output)
    try:
        return outcomes(folder / "found.xml")
    except (OSError, ET.ParseError):
        return {}


def outcomes(file: Path) -> dict[str, str]:
    found = {}
    for case in ET.parse(file).getroot().iter("testcase"):
        told = {child.tag for child in case} & {"failure", "error", "skipped"}
        found[f"{case.get('classname')}::{case.get('name')}"] = min(told, default="passed")
    return found


def differences(ordinary: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    names = sorted({*ordinary, *found})
    return [
        f"{name}: {found.get(name, 'not run')}, ordinarily {ordinary.get(name, 'not run')}"
        for name in names
        if found.get(name) != ordinary.get(name)
    ]


def arguments(words: list[str], known: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/environments", description=__doc__)
    parser.add_argument("--list", action="store_true", help="name them, and end")
    parser.add_argument("--only", action="append", metavar="NAME", choices=known, help="these, and the ordinary")
    parser.add_argument(
        "--as-it-is", action="store_true", help="the tests leave it as it is: what does the product do?"
    )
    parser.add_argument("tests", nargs="*", help="other tests than the usual part")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    # As an exception it undoes on its way what was made: a user, a copy of the tree.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    folder = Path(tempfile.mkdtemp(prefix="daybreak-environments-"))
    folder.chmod(0o755)
    everywhere = surroundings(folder)
    given = arguments(words, [each.name for each in everywhere])
    chosen = [each for each in everywhere if not given.only or each.name in {"ordinary", *given.only}]
    if given.list:
        print("\n".join(each.name for each in chosen))
        return 0
    differs = False
    ordinary: dict[str, str] = {}
    for number, where in enumerate(chosen):
        found = run(where, given.tests or PART, folder / str(number), given.as_it_is)
        ordinary = ordinary or found
        wrong = differences(ordinary, found)
        failed = [name for name, outcome in found.items() if outcome in ("failure", "error")]
        differs |= bool(wrong or failed or not found)
        counts = f"{len(found)} tests, {len(failed)} failed, {len(wrong)} differ"
        print(f"{where.name:24} {counts} (output in {folder / str(number)})", flush=True)
        for line in wrong if number else [f"{name}: failed" for name in failed]:
            print(f"    {line}", flush=True)
    return int(differs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
