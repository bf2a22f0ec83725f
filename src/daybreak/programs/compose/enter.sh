# Secrets become variables of the process that is to run, and of nobody else: `enter.sh COMMAND...`.
# DAYBREAK_SECRETS has the names of further ones.
for name in DATABASE_URL REDIS_URL MYSQL_URL NEO4J_PASSWORD ${DAYBREAK_SECRETS:-}; do
  eval "file=\${${name}_FILE:-}"
  if [ -n "$file" ]; then
    value=$(cat "$file") || {
      echo "$file cannot be read by user $(id -u): see DAYBREAK_USER in the documentation" >&2
      exit 1
    }
    export "$name=$value"
  fi
done
# An account that the image does not know has no home and no name, and Ray asks for both.
[ -w "${HOME:-/}" ] || export HOME=/tmp
export USER="${USER:-ray}"
exec "$@"
