"""What a PostgreSQL server is told: names are names, whatever stands in them."""

from __future__ import annotations

from typing import Any

import pytest

from daybreak.extras.backup import postgres_sql as sql
from daybreak.extras.backup.postgres import Postgres, warnings
from daybreak.extras.backup.programs import Place

C16: dict[str, Any] = {"datcollate": "C", "datctype": "C", "datlocprovider": "c", "daticulocale": None}
C18: dict[str, Any] = {"datcollate": "C", "datctype": "C", "datlocprovider": "b", "datlocale": "C.UTF-8"}
C14: dict[str, Any] = {"datcollate": "C", "datctype": "C"}
ENGLISH: dict[str, Any] = {"datcollate": "en_US.utf8", "datctype": "en_US.utf8", "datlocprovider": "c"}
ICU: dict[str, Any] = {"datcollate": "C", "datctype": "C", "datlocprovider": "i", "daticulocale": "de-DE"}


@pytest.mark.parametrize(
    ("row", "template", "number", "clause"),
    [
        (C18, C18, 180004, ""),
        (C14, C16, 160002, ""),
        (C16, C18, 180004, "LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'"),
        (ENGLISH, C14, 140001, "LC_COLLATE 'en_US.utf8' LC_CTYPE 'en_US.utf8'"),
        (ICU, C18, 180004, "LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' LC_COLLATE 'C' LC_CTYPE 'C'"),
        (C18, ENGLISH, 180004, "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LC_COLLATE 'C' LC_CTYPE 'C'"),
    ],
)
def test_a_database_is_sorted_as_it_was(row: Any, template: Any, number: int, clause: str) -> None:
    assert sql.locale_of(row, template, number) == clause


def test_names_and_texts_are_quoted() -> None:
    assert sql.ident('a"b') == '"a""b"'
    assert sql.literal("o'neill") == "'o''neill'"
    created = sql.create("x", "o'n", "UTF8", "")
    assert created == 'CREATE DATABASE "x" TEMPLATE template0 OWNER "o\'n" ENCODING \'UTF8\';\n'
    assert Postgres(Place(), "service=admin").conninfo("o'n\\e") == "service=admin dbname='o\\'n\\\\e'"


def test_databases_take_their_places_in_one_transaction() -> None:
    text = sql.swap([("shop", "daybreak_replaced_1"), ("daybreak_restored_1", "shop")])
    lines = text.splitlines()
    assert lines[1] == "BEGIN;"
    assert lines[-1] == "COMMIT;"
    assert [line for line in lines if "RENAME" in line] == [
        'ALTER DATABASE "shop" RENAME TO "daybreak_replaced_1";',
        'ALTER DATABASE "daybreak_restored_1" RENAME TO "shop";',
    ]


def test_nothing_is_dropped_where_nothing_is_left() -> None:
    assert sql.drop([]) == ""
    assert 'DROP DATABASE IF EXISTS "x";' in sql.drop(["x"])


def test_only_warnings_are_worth_a_word() -> None:
    said = ["psql:<stdin>:3: WARNING:  the role x has lost its setting y: no", "NOTICE:  nothing"]
    assert warnings(said) == ["the role x has lost its setting y: no"]
