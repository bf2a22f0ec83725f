"""The script that sets up a PostgreSQL server that runs, by psql over its socket: one in a container, and one whose
roles, passwords or databases have changed. Pure.

The words of a program are seen by everybody on the machine: psql takes passwords from the environment and from files.
"""

from __future__ import annotations

from daybreak.services.databases.roles import ADMIN, HAND_OVER, OWN_FIRST, OWN_PUBLIC, PENDING, ROLES, USER

# $roles, $databases, $extensions and $members: see `Setup.words`. $SECRETS has the passwords' files; where it is empty
# no password is set. $superuser_password is the file of the superuser's; an image's needs none at the socket, and has
# none, so that no port lets it in. $hands_over is not empty where what the superuser has made goes to the owners.
FUNCTIONS = r"""
first=${databases%% *}
database=${first%%:*} user=${first#*:}

by() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }

# The command that tells a role's password.
telling() { printf 'cat "$SECRETS/%s"' "${1#*:}"; }

# The statements that make what is wanted. What is logged holds no password.
statements() {
  echo "SET log_statement = 'none'; SET log_min_error_statement = 'panic'; SET log_min_duration_statement = -1;"
  option=CREATEDB
  for pair in $roles; do
    printf "SELECT 'CREATE ROLE \"%s\" LOGIN %s'
      WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '%s') \\\\gexec\n" "${pair%%:*}" "$option" "${pair%%:*}"
    option=
    [ -z "${SECRETS:-}" ] ||
      printf "\\\\set password \`%s\`\nALTER ROLE \"%s\" PASSWORD :'password';\n" "$(telling "$pair")" "${pair%%:*}"
  done
  [ -n "${superuser_password:-}" ] || echo 'ALTER ROLE @ADMIN@ PASSWORD NULL;'
  for pair in $databases; do
    printf "SELECT 'CREATE DATABASE \"%s\" OWNER \"%s\"' WHERE NOT EXISTS (
      SELECT FROM pg_database WHERE datname = '%s') \\\\gexec\n" "${pair%%:*}" "${pair#*:}" "${pair%%:*}"
    [ "$pair" = "$first" ] || printf "DO \$do\$ BEGIN
      IF NOT EXISTS (SELECT FROM pg_database JOIN pg_roles r ON r.oid = datdba
        WHERE datname = '%s' AND rolname = '%s' AND NOT rolsuper) THEN
        RAISE EXCEPTION '%s is there already, and is not of the role %s: as the superuser, for all that is in it, '
          'ALTER DATABASE %s OWNER TO %s, or write another name into databases.postgres.databases';
      END IF; END \$do\$;\n" "${pair%%:*}" "${pair#*:}" "${pair%%:*}" "${pair#*:}" "${pair%%:*}" "${pair#*:}"
  done
  printf "SET daybreak.application_database = '%s';\nSET daybreak.application_role = '%s';\n" "$database" "$user"
  cat <<'END'
@OWN_FIRST@
END
  for pair in $members; do
    printf 'GRANT "%s" TO "%s";\n' "${pair#*:}" "${pair%%:*}"
  done
}

# What the superuser owns in a database goes to its owner.
hand_over() {
  by -U @ADMIN@ -d template1 -c "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate
    AND (datname <> 'postgres' OR datname = '$database')
    AND ('${hands_over:-}' = 'all' OR '${hands_over:-}' = 'first' AND datname = '$database'
      OR EXISTS (SELECT FROM pg_roles WHERE rolname = '@PENDING@'))" | while IFS= read -r name; do
    {
      printf "SET daybreak.application_role = '%s';\n" "$user"
      cat <<'END'
@HAND_OVER@
END
    } | by -U @ADMIN@ -d "$name" || exit 1
  done
}

set_up() {
  superuser=@ADMIN@
  by -U @ADMIN@ -d template1 -c 'SELECT' 2>/dev/null || superuser=@USER@
  by -U $superuser -d template1 <<'END' || return 1
@ROLES@
END
  statements | by -U @ADMIN@ -d template1 || return 1
  hand_over || return 1
  by -U @ADMIN@ -d template1 -c 'DROP ROLE IF EXISTS @PENDING@' || return 1
  for pair in $databases; do
    by -U @ADMIN@ -d "${pair%%:*}" <<'END' || return 1
@OWN_PUBLIC@
END
  done
  for pair in $extensions; do
    by -U @ADMIN@ -d "${pair%%:*}" -c "CREATE EXTENSION IF NOT EXISTS \"${pair#*:}\" CASCADE" || return 1
  done
}

# $marker is a file in the data folder that says what has been set up.
mark() {
  rm -f "${marker%-*}"-*
  (umask 022 && : > "$marker")
}
"""


def _filled(text: str) -> str:
    for name, sql in (("ROLES", ROLES), ("OWN_FIRST", OWN_FIRST), ("HAND_OVER", HAND_OVER), ("OWN_PUBLIC", OWN_PUBLIC)):
        text = text.replace(f"@{name}@", sql)
    return text.replace("@ADMIN@", ADMIN).replace("@PENDING@", PENDING).replace("@USER@", USER)


FUNCTIONS = _filled(FUNCTIONS)
# $1 folder of the passwords' files, $2 port, $3 to $6 the words of the setup, $7 marker.
_TOLD = r"""
export SECRETS=$1 PGPORT=$2
roles=$3 databases=$4 extensions=$5 members=$6 marker=$7
"""
# In a container, until it is ready: what is missing is set up, then it is looked at as programs will reach it, at the
# host $8. What its image or the user's scripts have made as the superuser is handed over once: $9 is `all` or `first`.
READY = (
    _TOLD
    + "host=$8\n"
    + FUNCTIONS
    + r"""
reached() {
  [ "$(PGPASSWORD=$(cat "$SECRETS/postgres") psql -h "$host" -XAtq -U "$user" -d "$database" -c 'SELECT 1')" = 1 ]
}
hands_over=$9
if [ -e "${marker%/*}/daybreak-half-made" ]; then
  echo "the scripts of databases.postgres.init have not run to their end: write them into the spec again" >&2
  exit 1
fi
for one in "${marker%-*}"-*; do
  [ ! -e "$one" ] || hands_over=
done
[ -e "$marker" ] && reached && exit 0
set_up && mark
exit 1
"""
)
# A server that runs on while what it was set up with changes. $8 is the superuser's password's file, empty in
# containers, $9 the folder of the socket, $10 that of the programs.
SETTLE = (
    _TOLD
    + r"""
superuser_password=$8
[ -z "$superuser_password" ] || export PGPASSWORD="$(cat "$superuser_password")"
[ -z "$9" ] || export PGHOST="$9"
shift 9
[ -z "$1" ] || PATH=$1:$PATH
"""
    + FUNCTIONS
    + r"""
[ ! -e "$marker" ] || exit 0
set_up && mark
"""
)
