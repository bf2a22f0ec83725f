"""How a Redis server is started, and how it takes over a snapshot that `daybreak restore` has put into its folder: by
the script that starts it, so that it happens as a whole, whenever anything of it is killed. Pure.
"""

from __future__ import annotations

from daybreak.services.databases.texts import Settings

# In the data folder: what the next start is to read, and what was stored before.
SNAPSHOT = "restore.rdb"
BEFORE = "before-restore"

# $1 the data folder, $2 the file that the server reads, then all names under which it stores. A server that writes an
# append-only file reads nothing else, and takes a snapshot in its place: such a file may begin with one.
_TAKE_OVER = r"""
take_over() (
  cd "$1" 2>/dev/null && [ -e @SNAPSHOT@ ] || exit 0
  read=$2
  shift 2
  mkdir -p @BEFORE@
  for name; do
    [ -e "$name" ] || continue
    rm -rf "@BEFORE@/$name"
    mv "$name" @BEFORE@/ || exit 1
  done
  mv @SNAPSHOT@ "$read"
)
""".replace("@SNAPSHOT@", SNAPSHOT).replace("@BEFORE@", BEFORE)

# As for `take_over`, with three names; then the whole command of the server.
AS_A_PROCESS = (
    _TAKE_OVER
    + r"""
take_over "$1" "$2" "$3" "$4" "$5" || exit 1
shift 5
exec "$@"
"""
)

# The password comes through a pipe: it is in no configuration file of the container, and no argument.
# $1 the rest of the configuration, $2 password's file; then as for `take_over`.
IN_A_CONTAINER = (
    _TAKE_OVER
    + r"""
password=$(sed 's/[\\"]/\\&/g' "$2")
config=$1
shift 2
take_over "$@" || exit 1
exec $(command -v docker-entrypoint.sh) redis-server - <<END
include $config
requirepass "$password"
END
"""
)


def stored_names(settings: Settings) -> tuple[str, str, str, str]:
    """What `take_over` is told of a server with these settings, behind its folder."""
    snapshot = _name(settings, "dbfilename", "dump.rdb")
    log = _name(settings, "appendfilename", "appendonly.aof")
    logs = _name(settings, "appenddirname", "appendonlydir")
    appends = str(settings.get("appendonly")).lower() in ("true", "yes")
    return (log if appends else snapshot, snapshot, log, logs)


def _name(settings: Settings, key: str, usual: str) -> str:
    return str(settings.get(key) or usual).strip("\"'")
