"""The script that sets up PostgreSQL's data folder before the server starts, in single-user mode: nobody can connect
before it is done. Pure."""

from __future__ import annotations

from daybreak.services.databases.init_scripts import RUN_SCRIPTS
from daybreak.services.databases.roles import ADMIN, HAND_OVER, OWN_FIRST, OWN_PUBLIC, PENDING, ROLES, USER
from daybreak.services.databases.texts import RELEASE

# $1 programs' folder, $2 data folder, $3 the folder of the passwords' files, $4 locale options, $5 marker, $6 uid:gid
# that must own the data or nothing, $7 to $10 roles, databases, extensions and members (see `Setup.words`), $11 scripts
# that run when the data is made, a line each, $12 folder and $13 port of the socket for them, $14 settings for them, a
# line each; then what to put in front of a command so that it does not run as root.
# A new data folder is made under another name and renamed, complete and on disk: killed anywhere, it can be repeated.
SETUP = (
    RELEASE
    + RUN_SCRIPTS
    + r"""
set -eu
umask 077
bin=$1 data=$2 secrets=$3 locale=$4 marker=$5 owner=$6 roles=$7 databases=$8 extensions=$9
shift 9
members=$1 scripts=$2 socket=$3 port=$4 settings=$5
shift 5
first=${databases%% *}
database=${first%%:*} user=${first#*:}

own() { [ -z "$owner" ] || chown "$owner" "$@"; }

# What the database server says to the statements that come in, each ended by an empty line.
alone() {
  folder=$1 place=$2
  shift 2
  "$@" "$bin/postgres" --single -j -D "$folder" -c log_min_error_statement=panic "$place" 2>&1
}

secret_in() { sed "s/'/''/g;1q" "$1"; }

# The statements that make what is wanted, and ask what is there then.
statements() {
  cat <<'END'
@ROLES@
END
  option=CREATEDB
  for pair in $roles; do
    printf 'CREATE ROLE "%s" LOGIN %s;\n\n' "${pair%%:*}" "$option"
    printf "ALTER ROLE \"%s\" PASSWORD '%s';\n\n" "${pair%%:*}" "$(secret_in "$secrets/${pair#*:}")"
    option=
  done
  printf "ALTER ROLE \"%s\" PASSWORD '%s';\n\n" @ADMIN@ "$(secret_in "$secrets/postgres-admin")"
  for pair in $databases; do
    case ${pair%%:*} in postgres | template1) continue ;; esac
    printf 'CREATE DATABASE "%s" OWNER "%s";\n\n' "${pair%%:*}" "${pair#*:}"
  done
  printf "SET daybreak.application_database = '%s';\n\nSET daybreak.application_role = '%s';\n\n" "$database" "$user"
  cat <<'END'
@OWN_FIRST@
END
  printf "SELECT 'pending ' || datname FROM pg_database WHERE datallowconn AND NOT datistemplate
    AND EXISTS (SELECT FROM pg_roles WHERE rolname = '@PENDING@');\n\n"
  printf "SELECT 'found ' || datname FROM pg_database JOIN pg_roles ON rolname = '%s'
    WHERE datname = '%s' AND pg_roles.oid <> 10 AND pg_has_role(rolname, datdba, 'MEMBER');\n\n" "$user" "$database"
  for pair in $databases; do
    [ "$pair" = "$first" ] || printf "SELECT 'found ' || datname FROM pg_database JOIN pg_roles r ON r.oid = datdba
      WHERE datname = '%s' AND rolname = '%s' AND NOT rolsuper;\n\n" "${pair%%:*}" "${pair#*:}"
  done
  for pair in $members; do
    printf 'GRANT "%s" TO "%s";\n\n' "${pair#*:}" "${pair%%:*}"
    printf "SELECT 'found %s' WHERE pg_has_role('%s', '%s', 'MEMBER');\n\n" "$pair" "${pair%%:*}" "${pair#*:}"
  done
}

settle() {
  folder=$1
  shift
  release "$folder"
  said=$(statements | alone "$folder" template1 "$@") || :
  for pair in $databases; do
    name=${pair%%:*}
    case $said in
      *"\"found $name\""*) ;;
      *"database \"$name\" already exists"*)
        printf '%s\n' "$said" >&2
        echo "$name is there already, and is not of the role ${pair#*:}: as the superuser, for all that is in it," >&2
        echo "ALTER DATABASE $name OWNER TO ${pair#*:}, or write another name into databases.postgres.databases" >&2
        return 1
        ;;
      *) printf '%s\n' "$said" >&2; return 1 ;;
    esac
  done
  for pair in $members; do
    case $said in
      *"\"found $pair\""*) ;;
      *) printf '%s\n' "$said" >&2; return 1 ;;
    esac
  done
  printf '%s\n' "$said" | grep WARNING >&2 || :
  pending=$(printf '%s\n' "$said" | sed -n 's/^.* = "pending \(.*\)"	(typeid.*$/\1/p')
  [ -z "$pending" ] || hand_over "$folder" "$@"
  read -r major < "$folder/PG_VERSION"
  [ "$major" -ge 15 ] || for pair in $databases; do
    own_public | alone "$folder" "${pair%%:*}" "$@" > /dev/null || :
  done
  for pair in $databases; do
    extend "$folder" "${pair%%:*}" "$@"
  done
}

mark() {
  rm -f "$1"/@MARKER@*
  : > "$1/$marker"
  own "$1/$marker"
}

own_public() {
  cat <<'END'
@OWN_PUBLIC@
END
}

# The extensions of one database.
extend() {
  folder=$1 place=$2
  shift 2
  names=
  for pair in $extensions; do
    [ "${pair%%:*}" != "$place" ] || names="$names ${pair#*:}"
  done
  [ -n "$names" ] || return 0
  said=$(for name in $names; do
    printf 'CREATE EXTENSION IF NOT EXISTS "%s" CASCADE;\n\n' "$name"
    printf "SELECT 'found ' || extname FROM pg_extension WHERE extname = '%s';\n\n" "$name"
  done | alone "$folder" "$place" "$@") || :
  for name in $names; do
    case $said in
      *"\"found $name\""*) ;;
      *) printf '%s\n' "$said" >&2; return 1 ;;
    esac
  done
}

# Once, for data that was made when the superuser had the name that programs use.
hand_over() {
  echo "handing the databases over to @USER@, who is no superuser any more" >&2
  folder=$1
  shift
  printf '%s\n' "$pending" | {
    while IFS= read -r name; do
      said=$(
        {
          printf "SET daybreak.application_role = '@USER@';\n\n"
          cat <<'END'
@HAND_OVER@
END
          printf "SELECT 'now of ' || datdba FROM pg_database WHERE datname = current_database() AND datdba <> 10;\n\n"
        } | alone "$folder" "$name" "$@"
      ) || :
      printf '%s\n' "$said" | grep WARNING >&2 || :
      case $said in
        *'"now of '*) ;;
        *) printf '%s\n' "$said" >&2; exit 1 ;;
      esac
    done
  } || return 1
  printf 'DROP ROLE @PENDING@;\n\n' | alone "$folder" template1 "$@" > /dev/null || :
}

if [ -e "$data/PG_VERSION" ]; then
  settle "$data" "$@"
  mark "$data"
else
  for left in "$data".new.*; do
    release "$left" "$socket/.s.PGSQL.$port.lock"
  done
  rm -rf "$data".new.* || :
  new=$data.new.$$
  mkdir "$new"
  own "$new"
  "$@" "$bin/initdb" -D "$new" -U @ADMIN@ --pwfile="$secrets/postgres-admin" --auth=scram-sha-256 \
    --encoding=UTF8 $locale --data-checksums --no-sync
  # In single-user mode a new server gives what is made the numbers of its own things, and pg_dump leaves it out.
  [ ! -x "$bin/pg_resetwal" ] || "$@" "$bin/pg_resetwal" -o 16384 -D "$new" > /dev/null
  echo "# Not read: daybreak writes its own. Use databases.postgres.settings in the spec." > "$new/postgresql.conf"
  settle "$new" "$@"
  [ -z "$scripts" ] || run_scripts "$new" "$@"
  mark "$new"
  "$@" "$bin/initdb" --sync-only -D "$new"
  [ ! -e "$data" ] || rmdir "$data"
  mv "$new" "$data"
fi
""".replace("@ROLES@", ROLES)
    .replace("@OWN_FIRST@", OWN_FIRST)
    .replace("@HAND_OVER@", HAND_OVER)
    .replace("@PENDING@", PENDING)
    .replace("@OWN_PUBLIC@", OWN_PUBLIC)
    .replace("@ADMIN@", ADMIN)
    .replace("@USER@", USER)
    .replace("@MARKER@", "daybreak-setup-")
)
