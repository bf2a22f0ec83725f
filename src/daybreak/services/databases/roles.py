"""PostgreSQL's roles, as SQL: programs get an ordinary one; the server's own superuser is for the user alone.

A superuser may run commands and read files as the server's account. So who finds a hole in an application's SQL must
not be one. Pure.
"""

from __future__ import annotations

USER = "daybreak"
ADMIN = "daybreak_admin"
# There while the data of a server whose superuser was USER is being handed over; that may take several attempts.
PENDING = "daybreak_handing_over"

# The statements end with an empty line each, as a server in single-user mode wants them (-j).
#
# What initdb made is role 10, and cannot be dropped or made ordinary: where it has the name that programs use, it gets
# another one, and an ordinary role the name, with all that was set for it and those roles that it could become.
_ROLES = """\
DO $do$
DECLARE
  found record;
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = '@USER@' AND oid = 10) THEN
    CREATE ROLE @PENDING@ SUPERUSER NOLOGIN;
    SET LOCAL SESSION AUTHORIZATION @PENDING@;
    ALTER ROLE @USER@ RENAME TO @ADMIN@;
    SET LOCAL SESSION AUTHORIZATION DEFAULT;
    CREATE ROLE @USER@ LOGIN CREATEDB;
    FOR found IN SELECT rolname FROM pg_roles
        WHERE oid >= 16384 AND NOT rolsuper AND rolname <> '@USER@' AND NOT pg_has_role(oid, 10, 'MEMBER') LOOP
      EXECUTE format('GRANT %I TO @USER@', found.rolname);
    END LOOP;
    FOR found IN SELECT r.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE m.roleid = 10 LOOP
      EXECUTE format('GRANT @USER@ TO %I', found.rolname);
      EXECUTE format('REVOKE @ADMIN@ FROM %I', found.rolname);
    END LOOP;
    FOR found IN SELECT spcname FROM pg_tablespace WHERE spcowner = 10 AND oid >= 16384 LOOP
      EXECUTE format('ALTER TABLESPACE %I OWNER TO @USER@', found.spcname);
    END LOOP;
    FOR found IN
        SELECT split_part(one, '=', 1) AS name, substr(one, strpos(one, '=') + 1) AS value, datname
        FROM pg_db_role_setting s CROSS JOIN unnest(setconfig) AS one LEFT JOIN pg_database d ON d.oid = setdatabase
        WHERE setrole = 10 LOOP
      BEGIN
        PERFORM set_config(found.name, found.value, true);
        EXECUTE format('ALTER ROLE @USER@ %s SET %s FROM CURRENT',
          'IN DATABASE ' || quote_ident(found.datname), quote_ident(found.name));
      EXCEPTION WHEN OTHERS THEN
        RAISE WARNING 'the role @USER@ has lost its setting %: %', found.name, SQLERRM;
      END;
      EXECUTE format('ALTER ROLE @ADMIN@ %s RESET %I', 'IN DATABASE ' || quote_ident(found.datname), found.name);
    END LOOP;
  END IF;
END $do$;
"""

# The application's role, daybreak.application_role, must be able to use its database. One that is the superuser's
# becomes its own. Another owner, who was the application's role before, keeps it, and has the new one for a member.
_OWN_FIRST = """\
DO $do$
DECLARE
  own name := current_setting('daybreak.application_role');
  place name := current_setting('daybreak.application_database');
  owner pg_roles%ROWTYPE;
BEGIN
  SELECT r.* INTO owner FROM pg_roles r JOIN pg_database d ON d.datdba = r.oid WHERE d.datname = place;
  IF owner.oid = 10 THEN
    EXECUTE format('ALTER DATABASE %I OWNER TO %I', place, own);
  ELSIF pg_has_role(own, owner.oid, 'MEMBER') THEN
    NULL;
  ELSIF owner.rolsuper THEN
    RAISE EXCEPTION 'the database % belongs to %, who is a superuser', place, owner.rolname;
  ELSE
    RAISE WARNING 'the database % belongs to %: the role % is a member of that from now on', place, owner.rolname, own;
    EXECUTE format('GRANT %I TO %I', owner.rolname, own);
  END IF;
END $do$;
"""

# In each database: what belongs to role 10, but for the system's own and what extensions consist of, goes to the owner
# of the database, or to the application's role where that is role 10, too. Each is committed by itself, since every one
# that is changed stays locked until then, and the locks are counted.
_HAND_OVER = """\
DO $do$
DECLARE
  found record;
  heir name;
BEGIN
  SELECT CASE datdba WHEN 10 THEN current_setting('daybreak.application_role') ELSE pg_get_userbyid(datdba) END
    INTO heir FROM pg_database WHERE datname = current_database();
  FOR found IN
      SELECT CASE WHEN type IN ('function', 'procedure', 'aggregate') THEN 'routine'
          WHEN type = 'statistics object' THEN 'statistics' ELSE type END AS type, identity
      FROM (
        SELECT 'pg_namespace'::regclass AS class, oid FROM pg_namespace WHERE nspowner = 10 AND nspname = 'public'
        UNION ALL SELECT 'pg_namespace'::regclass, oid FROM pg_namespace WHERE nspowner = 10 AND oid >= 16384
        UNION ALL SELECT 'pg_class'::regclass, oid FROM pg_class WHERE relowner = 10
          AND (relkind IN ('r', 'p', 'v', 'm', 'f') OR relkind = 'S' AND NOT EXISTS (
            SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'a'))
        UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type WHERE typowner = 10 AND typtype <> 'm'
        UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE proowner = 10
        UNION ALL SELECT 'pg_operator'::regclass, oid FROM pg_operator WHERE oprowner = 10
        UNION ALL SELECT 'pg_opclass'::regclass, oid FROM pg_opclass WHERE opcowner = 10
        UNION ALL SELECT 'pg_opfamily'::regclass, oid FROM pg_opfamily WHERE opfowner = 10
        UNION ALL SELECT 'pg_collation'::regclass, oid FROM pg_collation WHERE collowner = 10
        UNION ALL SELECT 'pg_conversion'::regclass, oid FROM pg_conversion WHERE conowner = 10
        UNION ALL SELECT 'pg_ts_dict'::regclass, oid FROM pg_ts_dict WHERE dictowner = 10
        UNION ALL SELECT 'pg_ts_config'::regclass, oid FROM pg_ts_config WHERE cfgowner = 10
        UNION ALL SELECT 'pg_statistic_ext'::regclass, oid FROM pg_statistic_ext WHERE stxowner = 10
        UNION ALL SELECT 'pg_publication'::regclass, oid FROM pg_publication WHERE pubowner = 10
        UNION ALL SELECT 'pg_foreign_server'::regclass, oid FROM pg_foreign_server WHERE srvowner = 10
        UNION ALL SELECT 'pg_largeobject'::regclass, oid FROM pg_largeobject_metadata WHERE lomowner = 10
      ) AS owned, pg_identify_object(class, oid, 0)
      WHERE (oid >= 16384 OR class IN ('pg_namespace'::regclass, 'pg_largeobject'::regclass))
        AND coalesce(schema, '') !~ '^(pg_|information_schema$)'
        AND identity !~ '^pg_(toast_)?temp_' AND NOT EXISTS (
          SELECT FROM pg_depend d WHERE d.classid = owned.class AND d.objid = owned.oid AND d.deptype IN ('e', 'i')
            AND d.refobjid <> d.objid)
  LOOP
    BEGIN
      EXECUTE format('ALTER %s %s OWNER TO %I', found.type, found.identity, heir);
    EXCEPTION WHEN OTHERS THEN
      RAISE WARNING '% % stays with @ADMIN@: %', found.type, found.identity, SQLERRM;
    END;
    COMMIT;
  END LOOP;
  FOR found IN
      SELECT n.nspname, privilege_type AS what, is_grantable, grantee,
        CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES'
          WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' END AS things
      FROM pg_default_acl CROSS JOIN aclexplode(defaclacl) LEFT JOIN pg_namespace n ON n.oid = defaclnamespace
      WHERE defaclrole = 10 AND grantee <> 10 AND defaclobjtype IN ('r', 'S', 'f', 'T', 'n')
  LOOP
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I %s GRANT %s ON %s TO %s %s',
      heir, 'IN SCHEMA ' || quote_ident(found.nspname), found.what, found.things,
      CASE found.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(found.grantee)) END,
      CASE WHEN found.is_grantable THEN 'WITH GRANT OPTION' END);
  END LOOP;
  EXECUTE format('ALTER DATABASE %I OWNER TO %I', current_database(), heir);
END $do$;
"""

# Before PostgreSQL 15 the schema `public` of a new database is the superuser's.
OWN_PUBLIC = """
DO $do$ BEGIN
  IF current_setting('server_version_num')::int < 150000
      AND EXISTS (SELECT FROM pg_namespace WHERE nspname = 'public' AND nspowner = 10) THEN
    EXECUTE format('ALTER SCHEMA public OWNER TO %I', (SELECT pg_get_userbyid(datdba) FROM pg_database
      WHERE datname = current_database()));
  END IF;
END $do$;
"""


def _named(sql: str) -> str:
    return sql.replace("@USER@", USER).replace("@ADMIN@", ADMIN).replace("@PENDING@", PENDING)


ROLES = _named(_ROLES)
HAND_OVER = _named(_HAND_OVER)
OWN_FIRST = _named(_OWN_FIRST)
