"""Scripts of the user's that run once, when PostgreSQL's data is made: by a server that no port reaches. Pure.

They run as the superuser. What they have made in a database belongs to its owner afterwards: programs can use it.
"""

from __future__ import annotations

from daybreak.services.databases.roles import ADMIN, HAND_OVER

# $scripts, a path each line; $settings, a line each; $socket and $port; $database and $user; $bin has the programs.
# Where one fails its own line is told last.
RUN_SCRIPTS = r"""
run_scripts() {
  new=$1
  shift
  printf 'local all all trust\n' > "$new/daybreak-init-hba"
  own "$new/daybreak-init-hba"
  set -- "$@" "$bin/postgres" -D "$new" -c timezone=UTC
  while IFS= read -r setting; do
    [ -z "$setting" ] || set -- "$@" -c "$setting"
  done <<END
$settings
END
  "$@" -k "$socket" -p "$port" -c listen_addresses= -c hba_file="$new/daybreak-init-hba" \
    -c unix_socket_permissions=0700 > "$new.log" 2>&1 &
  server=$!
  trap 'kill -INT "$server" 2>/dev/null && wait "$server" || :' EXIT
  until "$bin/pg_isready" -q -h "$socket" -p "$port"; do
    kill -0 "$server" 2>/dev/null || {
      cat "$new.log" >&2
      echo "the server that runs the init scripts could not be started" >&2
      return 1
    }
    sleep 0.05
  done
  while IFS= read -r script; do
    echo "init: $script" >&2
    code=0
    run_one "$script" < /dev/null > "$new.said" 2>&1 || code=$?
    cat "$new.said" >&2
    [ "$code" = 0 ] || {
      why=$(grep -E 'ERROR|FATAL|[Ee]rror|not found|denied' "$new.said" | tail -n 1)
      [ -n "$why" ] || why=$(tail -n 1 "$new.said")
      rm -f "$new.said" "$new.log"
      echo "the init script $script could not run to its end (exit code $code): $why" >&2
      return 1
    }
  done <<END
$scripts
END
  as_admin template1 -XAtqc "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate
    AND (datname <> 'postgres' OR datname = '$database')" > "$new.said"
  while IFS= read -r name; do
    {
      printf "SET daybreak.application_role = '%s';\n" "$user"
      cat <<'END'
@HAND_OVER@
END
    } | as_admin "$name" -XAtq > "$new.log" 2>&1 || {
      cat "$new.log" >&2
      return 1
    }
    grep WARNING "$new.log" >&2 || :
  done < "$new.said"
  kill -INT "$server"
  wait "$server" || :
  trap - EXIT
  rm -f "$new.said" "$new.log" "$new/daybreak-init-hba"
}

as_admin() {
  place=$1
  shift
  "$bin/psql" -h "$socket" -p "$port" -U @ADMIN@ -d "$place" -v ON_ERROR_STOP=1 "$@"
}

run_one() (
  export PATH="$bin:$PATH" PGHOST="$socket" PGPORT="$port" PGUSER=@ADMIN@ PGDATABASE="$database"
  export POSTGRES_USER=@ADMIN@ POSTGRES_DB="$database"
  unset PGPASSFILE PGPASSWORD PGSERVICE PGSERVICEFILE
  case $1 in
    *.sql) psql -Xq -v ON_ERROR_STOP=1 -f "$1" ;;
    *.gz) gzip -t "$1" && gzip -dc "$1" | psql -Xq -v ON_ERROR_STOP=1 ;;
    *)
      if [ -x "$1" ]; then
        "$1"
      elif command -v bash > /dev/null; then
        bash "$1"
      else
        sh "$1"
      fi
      ;;
  esac
)
""".replace("@HAND_OVER@", HAND_OVER).replace("@ADMIN@", ADMIN)
