"""The data tier as values: nothing here looks at a file, starts a process or opens a socket."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from daybreak.errors import PreflightError, SpecError
from daybreak.services.databases.connections import connection_env, connection_files, passwords_of
from daybreak.services.databases.processes import postgres, redis
from daybreak.services.service import CommandCheck, RedisCheck, Secret, Service, Tier
from daybreak.services.site import PostgresServer, RedisServer
from daybreak.spec.model import Spec
from tests.unit.services.shop import shop

PASSWORD, REDIS_PASSWORD, ADMINS = "a1" * 32, "b2" * 32, "c3" * 32

SITE = shop(
    ports={"postgres": 20432, "redis": 20379},
    secrets={"postgres": PASSWORD, "postgres-admin": ADMINS, "redis": REDIS_PASSWORD},
    postgres=PostgresServer("/pg/bin", "18.4", "test"),
    redis=RedisServer("/bin/valkey-server", "9.1.2", "test", "valkey"),
)
# Among the words of the setup's script.
OWNER = 9


def spec(**databases: Any) -> Spec:
    return Spec.model_validate({"name": "shop", "databases": databases or {"postgres": {}, "redis": {}}})


def text_of(service: Service, name: str) -> str:
    return next(file.text for file in service.files if file.path.endswith(name))


def option(argv: tuple[str, ...], flag: str) -> str:
    return argv[argv.index(flag) + 1]


def test_postgres_is_a_data_service_that_stops_with_a_fast_shutdown() -> None:
    service = postgres(spec(), SITE)
    assert (service.name, service.tier) == ("postgres", Tier.DATA)
    assert (service.stop.signal, service.stop.main_only) == ("SIGINT", True)
    assert option(service.argv, "-D") == "/state/shop/data/postgres"
    assert option(service.argv, "-p") == "20432"
    assert option(service.argv, "-k") == SITE.runtime
    assert [claim.port for claim in service.ports] == [20432]


def test_both_are_ready_and_well_by_the_same_check() -> None:
    for service, kind in ((postgres(spec(), SITE), CommandCheck), (redis(spec(), SITE), RedisCheck)):
        assert [gate.name for gate in service.gates] == ["ready"]
        assert isinstance(service.gates[0].check, kind)
        assert service.health.check == service.gates[0].check


def test_no_password_is_on_a_command_line_or_in_a_url_or_shown() -> None:
    for service in (postgres(spec(), SITE), redis(spec(), SITE)):
        assert PASSWORD not in repr(service)
        assert REDIS_PASSWORD not in repr(service)
        for step in service.prepare:
            assert PASSWORD not in " ".join(step.argv)


def test_only_the_spec_s_own_port_goes_before_the_chosen_one() -> None:
    wanted = spec(postgres={"port": 5499}, redis={"port": 6399})
    assert option(postgres(wanted, SITE).argv, "-p") == "5499"
    assert "port 6399\n" in text_of(redis(wanted, SITE), "redis.conf")
    env = connection_env(wanted, SITE)
    assert env["PGPORT"] == "5499"
    assert ":5499/" in connection_files(wanted, SITE)["database-url"]


def test_urls_are_secrets_whose_files_hold_the_passwords() -> None:
    env, files = connection_env(spec(), SITE), connection_files(spec(), SITE)
    assert env["DATABASE_URL"] == Secret("/state/shop/secrets/database-url")
    assert env["REDIS_URL"] == Secret("/state/shop/secrets/redis-url")
    assert files["database-url"] == f"postgresql://daybreak:{PASSWORD}@127.0.0.1:20432/daybreak"
    assert files["redis-url"] == f"redis://:{REDIS_PASSWORD}@127.0.0.1:20379/0"
    assert files["pgpass"] == f"*:20432:*:daybreak:{PASSWORD}\n"
    assert env["PGPASSFILE"] == "/state/shop/secrets/pgpass"
    assert not [value for value in env.values() if PASSWORD in str(value)]


def test_a_password_with_marks_is_escaped_in_the_url() -> None:
    site = replace(SITE, secrets={**SITE.secrets, "postgres": "a/b@c", "redis": "x:y"})
    files = connection_files(spec(), site)
    assert "daybreak:a%2Fb%40c@127" in files["database-url"]
    assert ":x%3Ay@127" in files["redis-url"]


def test_a_password_with_marks_is_one_word_in_redis_conf() -> None:
    site = replace(SITE, secrets={**SITE.secrets, "redis": 'a "b\\c #d'})
    assert 'requirepass "a \\"b\\\\c #d"\n' in text_of(redis(spec(), site), "redis.conf")


def test_without_databases_there_is_nothing_to_connect_to() -> None:
    empty = Spec.model_validate({"name": "shop"})
    assert connection_env(empty, SITE) == {}
    assert connection_files(empty, SITE) == {}


def test_settings_of_the_user_go_over_ours() -> None:
    wanted = spec(
        postgres={"settings": {"Work_Mem": "17MB", "jit": False, "max_connections": 33, "log_timezone": "it's \\"}},
        redis={"settings": {"appendonly": False, "save": "900 1", "maxmemory": "1gb", "notify-keyspace-events": ""}},
    )
    config = text_of(postgres(wanted, SITE), "postgresql.conf")
    for line in ("work_mem = '17MB'", "jit = 'off'", "max_connections = '33'", "log_timezone = 'it''s \\\\'"):
        assert f"{line}\n" in config
    assert config.count("log_timezone") == 1
    config = text_of(redis(wanted, SITE), "redis.conf")
    for line in ("appendonly no", "save 900 1", "maxmemory 1gb", 'notify-keyspace-events ""', "appendfsync everysec"):
        assert f"\n{line}\n" in config
    assert config.count("\nsave ") == 1


@pytest.mark.parametrize(
    ("database", "settings", "words"),
    [
        ("postgres", {"port": 1}, "databases.postgres.port"),
        ("postgres", {"DATA_DIRECTORY": "/x"}, "DAYBREAK_HOME"),
        ("postgres", {"a b": 1}, "not the name of a setting"),
        ("postgres", {"log_line_prefix": "a\nfsync = off"}, "line break"),
        ("redis", {"requirepass": "x"}, "REDIS_URL"),
        ("redis", {"save": "1 1\nrename-command"}, "line break"),
    ],
)
def test_a_setting_that_cannot_be_is_named(database: str, settings: dict[str, Any], words: str) -> None:
    build = postgres if database == "postgres" else redis
    with pytest.raises(SpecError) as caught:
        build(spec(**{database: {"settings": settings}}), SITE)
    assert f"databases.{database}.settings." in caught.value.details()[0]
    assert words in caught.value.details()[0]


def test_every_wrong_setting_is_named_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        redis(spec(redis={"settings": {"dir": "/x", "daemonize": True}}), SITE)
    assert len(caught.value.problems) == 2


def test_another_database_or_password_is_set_up_in_the_server_that_runs() -> None:
    first = postgres(spec(), SITE)
    changes = [
        postgres(spec(postgres={"database": "other"}), SITE),
        postgres(spec(), replace(SITE, secrets={**SITE.secrets, "postgres": "new"})),
    ]
    for changed in changes:
        assert changed.fingerprint() == first.fingerprint()
        assert changed.prepare[0].creates != first.prepare[0].creates
        assert changed.settle
        assert first.settle
        assert changed.settle.text != first.settle.text
    admins = replace(SITE, secrets={**SITE.secrets, "postgres-admin": "new"})
    assert postgres(spec(), admins).fingerprint() != first.fingerprint(), "nobody else could set it"


def test_each_further_database_has_a_role_and_a_password_of_its_own() -> None:
    site = replace(SITE, secrets={**SITE.secrets, "postgres.orders": "d4" * 32, "postgres.mail": "e5" * 32})
    wanted = spec(postgres={"databases": ["orders", "mail"]})
    assert passwords_of(wanted, containers=False) == ["postgres", "postgres-admin", "postgres.orders", "postgres.mail"]
    env, files = connection_env(wanted, site), connection_files(wanted, site)
    assert env["DATABASE_URL_ORDERS"] == Secret("/state/shop/secrets/database-url.orders")
    assert files["database-url.orders"] == f"postgresql://orders:{'d4' * 32}@127.0.0.1:20432/orders"
    assert files["database-url"] == connection_files(spec(), SITE)["database-url"]
    assert files["pgpass"].splitlines() == [
        f"*:20432:*:daybreak:{PASSWORD}",
        f"*:20432:*:orders:{'d4' * 32}",
        f"*:20432:*:mail:{'e5' * 32}",
    ]
    service = postgres(wanted, site)
    assert "daybreak:daybreak orders:orders mail:mail" in service.prepare[0].argv
    assert "d4d4" not in repr(service)
    changed = replace(site, secrets={**site.secrets, "postgres.mail": "new"})
    assert service.prepare[0].creates != postgres(wanted, changed).prepare[0].creates


def test_new_postgres_sorts_by_its_own_locale_old_ones_by_bytes() -> None:
    assert "--builtin-locale=C.UTF-8" in " ".join(postgres(spec(), SITE).prepare[0].argv)
    old = replace(SITE, postgres=PostgresServer("/pg/bin", "16.2", "test"))
    assert "builtin" not in " ".join(postgres(spec(), old).prepare[0].argv)


def test_what_runs_it_without_root_stands_before_the_server_and_after_the_setup_s_values() -> None:
    way = ("unshare", "--user", "--map-user=1", "--map-group=1", "--")
    service = postgres(spec(), replace(SITE, postgres=PostgresServer("/pg/bin", "18.4", "test", way)))
    assert service.argv[6 : 6 + len(way)] == way
    assert service.argv[6 + len(way)] == "/pg/bin/postgres"
    assert service.prepare[0].argv[-len(way) :] == way
    assert service.prepare[0].argv[OWNER] == "", "seen through a namespace the files stay ours"


def test_another_account_must_own_the_data() -> None:
    way = ("setpriv", "--reuid=101", "--regid=104", "--clear-groups", "--")
    service = postgres(spec(), replace(SITE, postgres=PostgresServer("/pg/bin", "18.4", "test", way)))
    assert service.prepare[0].argv[OWNER] == "101:104"


def test_a_title_would_hide_redis_and_old_ones_do_not_know_the_setting() -> None:
    assert "set-proc-title no\n" in text_of(redis(spec(), SITE), "redis.conf")
    old = replace(SITE, redis=RedisServer("/bin/redis-server", "6.0.16", "test", "redis"))
    assert "set-proc-title" not in text_of(redis(spec(), old), "redis.conf")


def test_a_path_with_blanks_and_quotes_survives_in_redis_conf() -> None:
    site = replace(SITE, data='/state/my "shop"/data')
    assert 'dir "/state/my \\"shop\\"/data/redis"\n' in text_of(redis(spec(), site), "redis.conf")


def test_a_socket_s_path_that_is_too_long_is_told_before_anything_starts() -> None:
    for build in (postgres, redis):
        with pytest.raises(PreflightError, match="nothing was changed") as caught:
            build(spec(), replace(SITE, runtime="/tmp/" + "x" * 100))
        assert "107 bytes" in caught.value.details()[0]


def test_a_missing_server_is_told_with_what_to_install() -> None:
    for build in (postgres, redis):
        with pytest.raises(PreflightError) as caught:
            build(spec(), replace(SITE, postgres=None, redis=None))
        assert "pip install" in str(caught.value.hint)
