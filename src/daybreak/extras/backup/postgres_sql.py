"""What a PostgreSQL server is asked when it is backed up, and told when it is restored, as SQL for psql. Pure.

Names and values of users stand in what is written here. So they are quoted by the server that they come from, once for
every text that they are put into, and what runs where they count names where it is: who owns a role or a database must
not be able to have a superuser run what he likes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from daybreak.services.databases.roles import OWN_FIRST

# Databases that are being restored, and those that were replaced: a number follows.
RESTORED, REPLACED = "daybreak_restored_", "daybreak_replaced_"
# A rename waits for five seconds.
CLEAR_OUT_TURNS = 120

# One line of JSON.
FACTS = f"""
SELECT json_build_object(
  'version', current_setting('server_version'),
  'number', current_setting('server_version_num')::int,
  'template', (SELECT to_jsonb(d) - 'datacl' FROM pg_database d WHERE datname = 'template0'),
  'roles', (SELECT json_agg(rolname ORDER BY rolname) FROM pg_roles),
  'left', (SELECT coalesce(json_agg(datname), '[]') FROM pg_database
    WHERE datname ~ '^({RESTORED}|{REPLACED})[0-9]+$'),
  'databases', (SELECT coalesce(json_agg(json_build_object(
      'name', datname, 'owner', pg_get_userbyid(datdba), 'encoding', pg_encoding_to_char(encoding),
      'size_bytes', pg_database_size(oid), 'row', to_jsonb(d) - 'datacl') ORDER BY datname), '[]')
    FROM pg_database d
    WHERE datallowconn AND NOT datistemplate AND datname !~ '^({RESTORED}|{REPLACED})[0-9]+$'));
"""

# The lines of a script: roles that the reading server lacks are made, with their passwords; what was set for a role,
# and which roles it may become, counts for all but the superuser.
ROLES = r"""
WITH lines AS (
  SELECT 1 AS step, rolname::text AS who, format(
    'SELECT %L WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = %L) \gexec',
    concat_ws(' ', format('CREATE ROLE %I', rolname),
      CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN NOT rolinherit THEN 'NOINHERIT' END,
      CASE WHEN rolcreaterole THEN 'CREATEROLE' END, CASE WHEN rolcreatedb THEN 'CREATEDB' END,
      CASE WHEN rolcanlogin THEN 'LOGIN' END, CASE WHEN rolreplication THEN 'REPLICATION' END,
      CASE WHEN rolbypassrls THEN 'BYPASSRLS' END, format('CONNECTION LIMIT %s', rolconnlimit),
      format('PASSWORD %L', rolpassword),
      CASE WHEN rolvaliduntil IS NOT NULL THEN format('VALID UNTIL %L', rolvaliduntil) END), rolname) AS line
  FROM pg_authid WHERE rolname !~ '^pg_' AND oid <> 10
  UNION
  SELECT 2, pg_get_userbyid(member)::text, format(
    'GRANT %I TO %I%s;', pg_get_userbyid(roleid), pg_get_userbyid(member),
    CASE WHEN to_jsonb(m) ? 'inherit_option' THEN format(' WITH ADMIN %s, INHERIT %s, SET %s',
        to_jsonb(m)->>'admin_option', to_jsonb(m)->>'inherit_option', to_jsonb(m)->>'set_option')
      WHEN admin_option THEN ' WITH ADMIN OPTION' END)
  FROM pg_auth_members m WHERE member <> 10 AND roleid <> 10 AND pg_get_userbyid(member) !~ '^pg_'
  UNION
  SELECT 3, pg_get_userbyid(setrole)::text, format('DO %L;', format(
    'BEGIN PERFORM pg_catalog.set_config(%L, %L, true); ALTER ROLE %I SET %I FROM CURRENT; '
    'EXCEPTION WHEN OTHERS THEN RAISE WARNING ''%%'', pg_catalog.concat(%L, SQLERRM); END',
    split_part(one, '=', 1), substr(one, strpos(one, '=') + 1), pg_get_userbyid(setrole), split_part(one, '=', 1),
    format('the role %s has lost its setting %s: ', pg_get_userbyid(setrole), split_part(one, '=', 1))))
  FROM pg_db_role_setting CROSS JOIN unnest(setconfig) AS one
  WHERE setdatabase = 0 AND setrole NOT IN (0, 10)
)
SELECT line FROM lines ORDER BY step, who, line;
"""

# The lines of a script for one database, under whatever name it is restored: who may do what, and what is set.
SETUP = r"""
WITH this AS (SELECT * FROM pg_database WHERE datname = current_database()), lines AS (
  SELECT 1 AS step, 'REVOKE ALL ON DATABASE %I FROM PUBLIC' AS told, NULL AS name, NULL AS value
  FROM this WHERE datacl IS NOT NULL
  UNION ALL
  SELECT 2, format('GRANT %s ON DATABASE %%I TO %s%s', privilege_type,
    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE replace(quote_ident(pg_get_userbyid(grantee)), '%', '%%') END,
    CASE WHEN is_grantable THEN ' WITH GRANT OPTION' END), NULL, NULL
  FROM this CROSS JOIN aclexplode(datacl) WHERE grantee = 0 OR grantee IN (SELECT oid FROM pg_roles)
  UNION ALL
  SELECT 3, format('ALTER DATABASE %%I CONNECTION LIMIT %s', datconnlimit), NULL, NULL
  FROM this WHERE datconnlimit <> -1
  UNION ALL
  SELECT 4, CASE setrole WHEN 0 THEN 'ALTER DATABASE %I'
      ELSE format('ALTER ROLE %s IN DATABASE %%I', replace(quote_ident(pg_get_userbyid(setrole)), '%', '%%')) END
    || format(' SET %s FROM CURRENT', replace(quote_ident(split_part(one, '=', 1)), '%', '%%')),
    split_part(one, '=', 1), substr(one, strpos(one, '=') + 1)
  FROM this JOIN pg_db_role_setting ON setdatabase = oid CROSS JOIN unnest(setconfig) AS one WHERE setrole <> 10
)
SELECT format('DO %L;', CASE WHEN name IS NULL
  THEN format('BEGIN EXECUTE pg_catalog.format(%L, pg_catalog.current_database()); END', told)
  ELSE format('BEGIN PERFORM pg_catalog.set_config(%L, %L, true); '
    'EXECUTE pg_catalog.format(%L, pg_catalog.current_database()); '
    'EXCEPTION WHEN OTHERS THEN RAISE WARNING ''%%'', pg_catalog.concat(%L, SQLERRM); END',
    name, value, told, format('a setting is lost, %s: ', name)) END)
FROM lines ORDER BY step, told, name;
"""

# The extensions that no dump has: data of an older daybreak has those of the spec with numbers of the server's own.
LOW_EXTENSIONS = """
SELECT coalesce(json_agg(json_build_array(extname, nspname)), '[]') FROM pg_extension
JOIN pg_namespace n ON n.oid = extnamespace WHERE pg_extension.oid < 16384 AND extname <> 'plpgsql';
"""

# Whether a database is the superuser's, and nobody has made anything in it.
UNTOUCHED = """
SELECT datdba = 10 AND NOT EXISTS (SELECT FROM pg_class WHERE oid >= 16384)
  AND NOT EXISTS (SELECT FROM pg_namespace WHERE oid >= 16384) AND NOT EXISTS (SELECT FROM pg_type WHERE oid >= 16384)
  AND NOT EXISTS (SELECT FROM pg_proc WHERE oid >= 16384) AND NOT EXISTS (SELECT FROM pg_extension WHERE oid >= 16384)
  AND NOT EXISTS (SELECT FROM pg_largeobject_metadata)
FROM pg_database WHERE datname = current_database();
"""


def ident(name: str) -> str:
    """A name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL takes it."""
    return "'" + text.replace("'", "''") + "'"


def create(name: str, owner: str, encoding: str, locale: str) -> str:
    """An empty database, with nothing of the server's own."""
    clauses = f"TEMPLATE template0 OWNER {ident(owner)} ENCODING {literal(encoding)} {locale}"
    return f"CREATE DATABASE {ident(name)} {clauses.strip()};\n"


def let_use(role: str, database: str) -> str:
    """The application's role may use its database, also where that comes from a cluster with another one."""
    told = (
        f"SET daybreak.application_role = {literal(role)};\nSET daybreak.application_database = {literal(database)};\n"
    )
    return told + OWN_FIRST


def extension(name: str, schema: str) -> str:
    """One that the dump of a database takes for granted."""
    made = f"CREATE SCHEMA IF NOT EXISTS {ident(schema)};\n"
    return f"{made}CREATE EXTENSION {ident(name)} SCHEMA {ident(schema)} CASCADE;\n"


def drop(names: Sequence[str]) -> str:
    """End who is in these databases, and drop them, where they are there."""
    if not names:
        return ""
    ended = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname IN ({_listed(names)});\n"
    return ended + "".join(f"DROP DATABASE IF EXISTS {ident(name)};\n" for name in names)


def swap(renamed: Sequence[tuple[str, str]]) -> str:
    """Rename databases, all or none. A database that is being renamed lets nobody new in, and waits for some seconds
    until all who are in it have gone: see `clear_out`."""
    return (
        "SET lock_timeout = '10s';\nBEGIN;\n"
        + "".join(f"ALTER DATABASE {ident(before)} RENAME TO {ident(after)};\n" for before, after in renamed)
        + "COMMIT;\n"
    )


def clear_out(names: Sequence[str], until_gone: str) -> str:
    """End whoever is in these databases, again and again, until there is no database of that name any more."""
    body = f"""BEGIN
  FOR turn IN 1..{CLEAR_OUT_TURNS} LOOP
    PERFORM pg_stat_clear_snapshot();
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ({_listed(names)});
    EXIT WHEN NOT EXISTS (SELECT FROM pg_database WHERE datname = {literal(until_gone)});
    PERFORM pg_sleep(0.05);
  END LOOP;
END"""
    return f"DO {literal(body)};\n"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(literal, names))


def locale_of(row: Mapping[str, Any], template: Mapping[str, Any], number: int) -> str:
    """How a database sorts, as CREATE DATABASE takes it; empty where a new one does so anyway. Server `number` as
    150004."""
    if _sorts(row) == _sorts(template):
        return ""
    provider, collate, ctype, locale = _sorts(row)
    clause = f"LC_COLLATE {literal(collate)} LC_CTYPE {literal(ctype)}"
    if number < 150000:
        return clause
    of_provider = {
        "c": "LOCALE_PROVIDER libc",
        "i": f"LOCALE_PROVIDER icu ICU_LOCALE {literal(locale)}",
        "b": f"LOCALE_PROVIDER builtin BUILTIN_LOCALE {literal(locale)}",
    }
    return f"{of_provider.get(provider, '')} {clause}".strip()


def sorts_as(row: Mapping[str, Any]) -> str:
    """The same for people."""
    _, collate, _, locale = _sorts(row)
    return locale or collate


def _sorts(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Provider, LC_COLLATE, LC_CTYPE and the provider's own locale; each version has columns of its own."""
    locale = row.get("datlocale") or row.get("daticulocale") or ""
    provider, collate, ctype = (row.get(f"dat{name}", "") for name in ("locprovider", "collate", "ctype"))
    return str(provider or "c"), str(collate), str(ctype), str(locale)
