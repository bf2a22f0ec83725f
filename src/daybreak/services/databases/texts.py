"""What the databases are given to read: PostgreSQL's two shell scripts, and the config files of both. Pure."""

from __future__ import annotations

from collections.abc import Mapping

Setting = str | int | float | bool
Settings = Mapping[str, Setting | tuple[str, ...]]

HEADER = "# Written at every start; what you change here is lost. Use databases.{}.settings in the spec.\n"

HBA = """\
local  all          all                scram-sha-256
host   all          all  127.0.0.1/32  scram-sha-256
local  replication  all                scram-sha-256
"""

# PostgreSQL's processes leave its session and overwrite their environment, so after a postmaster was killed nobody but
# this script can find the ones still busy with a query; while one lives, PostgreSQL refuses to start. They are known by
# their working folder. A lock file that names a zombie or a stranger (pids come again after a boot) is removed; one
# whose process is a server of this folder, or might be, is left for PostgreSQL to judge.
_RELEASE = r"""
is_postgres() {
  { read -r _ name state _ < "/proc/$1/stat"; } 2>/dev/null || return 1
  [ "$name" = "(postgres)" ] && [ "$state" != Z ]
}
release() {
  lock=$1/postmaster.pid
  [ -d /proc/self ] && [ -e "$lock" ] || return 0
  pid=
  read -r pid < "$lock" || :
  pid=${pid#-}
  if is_postgres "$pid" && { [ "/proc/$pid/cwd" -ef "$1" ] || ! [ -e "/proc/$pid/cwd" ]; }; then
    return 0
  fi
  tries=0
  while [ "$tries" -lt 500 ]; do
    left=
    for entry in /proc/[0-9]*; do
      if [ "$entry/cwd" -ef "$1" ] && is_postgres "${entry#/proc/}"; then
        left=yes
        kill -KILL "${entry#/proc/}" 2>/dev/null || :
      fi
    done
    [ -n "$left" ] || break
    [ "$tries" -gt 0 ] || echo "ending processes of a server that was killed" >&2
    tries=$((tries + 1))
    sleep 0.01
  done
  rm -f "$lock"
}
"""

# $1 data folder; then the whole command of the server.
START = (
    _RELEASE
    + r"""
release "$1"
shift
exec "$@"
"""
)

# $1 programs' folder, $2 data folder, $3 user, $4 database, $5 password's file, $6 locale options, $7 marker,
# $8 uid:gid that must own the data or nothing; then what to put in front of a command so that it does not run as root.
# A new data folder is made under another name and renamed, complete and on disk: killed anywhere, it can be repeated.
SETUP = (
    _RELEASE
    + r"""
set -eu
umask 077
bin=$1 data=$2 user=$3 database=$4 password=$5 locale=$6 marker=$7 owner=$8
shift 8

own() { [ -z "$owner" ] || chown "$owner" "$@"; }

settle() {
  folder=$1
  shift
  release "$folder"
  secret=
  read -r secret < "$password" || [ -n "$secret" ]
  create="CREATE DATABASE \"$database\";"
  case $database in postgres | template1) create= ;; esac
  said=$(
    {
      [ -z "$create" ] || printf '%s\n' "$create"
      printf "ALTER ROLE \"%s\" PASSWORD '%s';\n" "$user" "$secret"
      printf "SELECT 'found ' || datname FROM pg_database WHERE datname = '%s';\n" "$database"
    } | "$@" "$bin/postgres" --single -D "$folder" -c log_min_error_statement=panic template1 2>&1
  ) || :
  case $said in
    *"\"found $database\""*) ;;
    *) printf '%s\n' "$said" >&2; return 1 ;;
  esac
  rm -f "$folder"/daybreak-setup-*
  : > "$folder/$marker"
  own "$folder/$marker"
}

if [ -e "$data/PG_VERSION" ]; then
  settle "$data" "$@"
else
  rm -rf "$data".new.* || :
  new=$data.new.$$
  mkdir "$new"
  own "$new"
  "$@" "$bin/initdb" -D "$new" -U "$user" --pwfile="$password" --auth=scram-sha-256 \
    --encoding=UTF8 $locale --data-checksums --no-sync
  echo "# Not read: daybreak writes its own. Use databases.postgres.settings in the spec." > "$new/postgresql.conf"
  settle "$new" "$@"
  "$@" "$bin/initdb" --sync-only -D "$new"
  [ ! -e "$data" ] || rmdir "$data"
  mv "$new" "$data"
fi
"""
)


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
        "requirepass": password,
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
