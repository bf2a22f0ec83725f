"""What the databases are given to read: the script that starts PostgreSQL, and the config files of both. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from daybreak.services.databases.roles import ADMIN

Setting = str | int | float | bool
Settings = Mapping[str, Setting | tuple[str, ...]]

HEADER = "# Written at every start; what you change here is lost. Use databases.{}.settings in the spec.\n"

# PostgreSQL's processes leave its session and overwrite their environment, so after a postmaster was killed nobody but
# this script can find the ones still busy with a query; while one lives, PostgreSQL refuses to start. They are known by
# their working folder. A lock file is removed that names a zombie, a stranger (pids come again after a boot) or nobody:
# a server killed between making it and writing it leaves it empty, and none would ever start beside it. One whose
# process is a server of this folder, or might be, is left for PostgreSQL to judge.
# `release`: $1 data folder, $2 its socket's lock file, or nothing.
RELEASE = r"""
is_postgres() {
  { read -r _ name state _ < "/proc/$1/stat"; } 2>/dev/null || return 1
  [ "$name" = "(postgres)" ] && [ "$state" != Z ]
}
end_servers() {
  tries=0
  while :; do
    left=
    for entry in /proc/[0-9]*; do
      if [ "$entry/cwd" -ef "$1" ] && is_postgres "${entry#/proc/}"; then
        left=yes
        kill -KILL "${entry#/proc/}" 2>/dev/null || :
      fi
    done
    [ -n "$left" ] || return 0
    [ "$tries" -lt 500 ] || return 1
    [ "$tries" -gt 0 ] || echo "ending processes of a server that was killed" >&2
    tries=$((tries + 1))
    sleep 0.01
  done
}
release() {
  [ -d /proc/self ] || return 0
  stale=
  for lock in "$1/postmaster.pid" ${2:+"$2"}; do
    [ -e "$lock" ] || continue
    pid=
    read -r pid < "$lock" || :
    pid=${pid#-}
    if is_postgres "$pid" && { [ "/proc/$pid/cwd" -ef "$1" ] || ! [ -e "/proc/$pid/cwd" ]; }; then
      return 0
    fi
    stale=yes
  done
  [ -n "$stale" ] || return 0
  end_servers "$1" || return 0
  rm -f "$1/postmaster.pid" ${2:+"$2"}
}
"""

# $1 and $2 as for `release`; then the whole command of the server.
START = (
    RELEASE
    + r"""
release "$1" "$2"
shift 2
exec "$@"
"""
)

# Ends the servers of all folders given.
END = (
    RELEASE
    + r"""
for folder; do end_servers "$folder"; done
"""
)


def hba_text(*, trust_socket: bool) -> str:
    """Who may come in: the superuser over the socket alone, with its password."""
    return f"""\
local  all          {ADMIN}  scram-sha-256
local  all          all  {"trust" if trust_socket else "scram-sha-256"}
host   all          {ADMIN}  127.0.0.1/32  reject
host   all          all  127.0.0.1/32  scram-sha-256
local  replication  all                scram-sha-256
"""


def postgres_settings(hba: str) -> Settings:
    return {
        "listen_addresses": "127.0.0.1",
        "hba_file": hba,
        "unix_socket_permissions": "0700",
        "password_encryption": "scram-sha-256",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_destination": "stderr",
        "logging_collector": False,
        "log_line_prefix": "%m [%p] %q%u@%d ",
    }


def postgres_text(settings: Settings) -> str:
    lines = []
    for key, value in settings.items():
        text = ("on" if value else "off") if isinstance(value, bool) else str(value)
        lines.append("{} = '{}'\n".format(key, text.replace("\\", "\\\\").replace("'", "''")))
    return "".join(lines)


def redis_settings(port: int, data: str, socket: str, password: str, *, titles: bool) -> Settings:
    """Only directives that Redis 6, Redis 7 and Valkey understand alike; several values are several lines.

    `titles` is whether the server knows `set-proc-title` (Redis 6.2): a title would overwrite the environment, by
    which daybreak finds its processes again.
    """
    return {
        "bind": "127.0.0.1",
        "protected-mode": True,
        "port": port,
        "unixsocket": _quoted(socket),
        "unixsocketperm": 700,
        "requirepass": _quoted(password),
        "dir": _quoted(data),
        "appendonly": True,
        "appendfsync": "everysec",
        "save": ("3600 1", "300 100", "60 10000"),
        "daemonize": False,
        "logfile": "",
        "loglevel": "notice",
        **({"set-proc-title": False} if titles else {}),
    }


def redis_text(settings: Settings) -> str:
    """redis.conf. A user's text is written as it is, so that `save: 900 1` means what it means there."""
    lines = []
    for key, value in settings.items():
        for part in value if isinstance(value, tuple) else (value,):
            text = ("yes" if part else "no") if isinstance(part, bool) else str(part)
            lines.append(f"{key} {text or _quoted('')}\n")
    return "".join(lines)


def _quoted(text: str) -> str:
    return '"{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"'))
