"""What the databases are given to read: PostgreSQL's two shell scripts, and the config files of both. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from daybreak.services.databases.roles import ADMIN, HAND_OVER, PENDING, ROLES

Setting = str | int | float | bool
Settings = Mapping[str, Setting | tuple[str, ...]]

HEADER = "# Written at every start; what you change here is lost. Use databases.{}.settings in the spec.\n"

HBA = f"""\
local  all          all                scram-sha-256
host   all          {ADMIN}  127.0.0.1/32  reject
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

# $1 programs' folder, $2 data folder, $3 superuser, $4 its password's file, $5 the user that programs are, $6 its
# password's file, $7 database, $8 its extensions, $9 locale options, $10 marker, $11 uid:gid that must own the data or
# nothing; then what to put in front of a command so that it does not run as root.
# A new data folder is made under another name and renamed, complete and on disk: killed anywhere, it can be repeated.
SETUP = (
    _RELEASE
    + r"""
set -eu
umask 077
bin=$1 data=$2 admin=$3 admins=$4 user=$5 password=$6 database=$7 extensions=$8 locale=$9
shift 9
marker=$1 owner=$2
shift 2

own() { [ -z "$owner" ] || chown "$owner" "$@"; }

# What the database server says to the statements that come in, each ended by an empty line.
alone() {
  folder=$1 place=$2
  shift 2
  "$@" "$bin/postgres" --single -j -D "$folder" -c log_min_error_statement=panic "$place" 2>&1
}

secret_in() { sed "s/'/''/g;1q" "$1"; }

settle() {
  folder=$1
  shift
  release "$folder"
  create="CREATE DATABASE \"$database\" OWNER \"$user\";"
  case $database in postgres | template1) create= ;; esac
  said=$(
    {
      cat <<'END'
@ROLES@
END
      [ -z "$create" ] || printf '%s\n\n' "$create"
      printf "ALTER ROLE \"%s\" PASSWORD '%s';\n\n" "$user" "$(secret_in "$password")"
      printf "ALTER ROLE \"%s\" PASSWORD '%s';\n\n" "$admin" "$(secret_in "$admins")"
      printf "SELECT 'pending ' || datname FROM pg_database WHERE datallowconn AND NOT datistemplate
        AND EXISTS (SELECT FROM pg_roles WHERE rolname = '@PENDING@');\n\n"
      printf "SELECT 'found ' || datname FROM pg_database WHERE datname = '%s'
        AND EXISTS (SELECT FROM pg_roles WHERE rolname = '%s' AND oid <> 10);\n\n" "$database" "$user"
    } | alone "$folder" template1 "$@"
  ) || :
  case $said in
    *"\"found $database\""*) ;;
    *) printf '%s\n' "$said" >&2; return 1 ;;
  esac
  printf '%s\n' "$said" | grep WARNING >&2 || :
  pending=$(printf '%s\n' "$said" | sed -n 's/^.* = "pending \(.*\)"	(typeid.*$/\1/p')
  [ -z "$pending" ] || hand_over "$folder" "$@"
  [ -z "$extensions" ] || extend "$folder" "$@"
  rm -f "$folder"/daybreak-setup-*
  : > "$folder/$marker"
  own "$folder/$marker"
}

extend() {
  folder=$1
  shift
  said=$(for name in $extensions; do
    printf 'CREATE EXTENSION IF NOT EXISTS "%s" CASCADE;\n\n' "$name"
    printf "SELECT 'found ' || extname FROM pg_extension WHERE extname = '%s';\n\n" "$name"
  done | alone "$folder" "$database" "$@") || :
  for name in $extensions; do
    case $said in
      *"\"found $name\""*) ;;
      *) printf '%s\n' "$said" >&2; return 1 ;;
    esac
  done
}

# Once, for data that was made when the superuser had the name that programs use.
hand_over() {
  echo "handing the databases over to $user, who is no superuser any more" >&2
  folder=$1
  shift
  printf '%s\n' "$pending" | {
    while IFS= read -r name; do
      said=$(
        {
          cat <<'END'
@HAND_OVER@
END
          printf "SELECT 'now of ' || datdba::regrole FROM pg_database WHERE datname = current_database();\n\n"
        } | alone "$folder" "$name" "$@"
      ) || :
      printf '%s\n' "$said" | grep WARNING >&2 || :
      case $said in
        *"\"now of $user\""*) ;;
        *) printf '%s\n' "$said" >&2; exit 1 ;;
      esac
    done
  } || return 1
  printf 'DROP ROLE @PENDING@;\n\n' | alone "$folder" template1 "$@" > /dev/null || :
}

if [ -e "$data/PG_VERSION" ]; then
  settle "$data" "$@"
else
  rm -rf "$data".new.* || :
  new=$data.new.$$
  mkdir "$new"
  own "$new"
  "$@" "$bin/initdb" -D "$new" -U "$admin" --pwfile="$admins" --auth=scram-sha-256 \
    --encoding=UTF8 $locale --data-checksums --no-sync
  echo "# Not read: daybreak writes its own. Use databases.postgres.settings in the spec." > "$new/postgresql.conf"
  settle "$new" "$@"
  "$@" "$bin/initdb" --sync-only -D "$new"
  [ ! -e "$data" ] || rmdir "$data"
  mv "$new" "$data"
fi
""".replace("@ROLES@", ROLES)
    .replace("@HAND_OVER@", HAND_OVER)
    .replace("@PENDING@", PENDING)
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
