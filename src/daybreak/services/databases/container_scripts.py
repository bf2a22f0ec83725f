"""Scripts of the user's that an official image runs once, when it makes a database's data. Pure.

Where one fails the image's first program ends. What it has made until then would be taken for whole at the next start:
so it is marked, and made anew.
"""

from __future__ import annotations

import posixpath

from daybreak.services.service import ConfigFile, Mount, MountKind
from daybreak.services.site import Site

INIT_FOLDER = "/docker-entrypoint-initdb.d"
# Images run scripts by their names, so they get numbers of as many digits: the user's, one of ours before them, and one
# behind.
BEFORE, FIRST, BEHIND = 1000, 1001, 9999
# In the data folder while the scripts run.
HALF_MADE = "daybreak-half-made"
# $1 the data folder, then the server's command.
ANEW = f"""
if [ -e "$1/{HALF_MADE}" ]; then
  echo "the data was not made to its end: it is made anew" >&2
  find "$1" -mindepth 1 -delete
fi
shift
exec $(command -v docker-entrypoint.sh) "$@"
"""


def mounts(site: Site, name: str) -> list[Mount]:
    """The user's, where the image looks for them."""
    return [
        Mount(MountKind.BIND, f"{INIT_FOLDER}/{FIRST + number}-{posixpath.basename(path)}", path, read_only=True)
        for number, path in enumerate(site.scripts.get(name, ()))
    ]


def command(site: Site, name: str, data: str, *argv: str) -> tuple[str, ...]:
    """The server's command, which begins anew where the scripts did not all run."""
    return ("/bin/sh", "-c", ANEW, name, data, *argv) if site.scripts.get(name) else argv


def around(site: Site, name: str, data: str, before: str = "", behind: str = "") -> tuple[ConfigFile, ...]:
    """What the image runs before the user's scripts, and behind them; nothing where there are none."""
    if not site.scripts.get(name):
        return ()
    half = f"{data}/{HALF_MADE}"
    return script(BEFORE, f": > {half}\n{before}"), script(BEHIND, f"{behind}rm -f {half}\n")


def script(number: int, text: str) -> ConfigFile:
    """One of daybreak's own."""
    return ConfigFile(f"{INIT_FOLDER}/{number}-daybreak.sh", text, 0o644, aside=True)
