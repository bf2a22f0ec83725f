"""The variables of a service: what daybreak hands over is left to it, what names other services is written anew, and
secrets do not stand in the spec."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from daybreak.errors import SpecError
from daybreak.extras.init_from.addresses import Place, Reach
from daybreak.extras.init_from.compose import ComposeService, Project
from daybreak.extras.init_from.draft import Draft, without_nothing
from daybreak.extras.init_from.kinds import Kind
from daybreak.extras.init_from.passwords import is_secret
from daybreak.names import POSTGRES, REDIS
from daybreak.spec.dotenv import read_variables
from daybreak.spec.names import as_name

__all__ = ["Carried", "Reach", "carried", "of_node"]

# What daybreak sets for every service and node.
OF_RAY = frozenset(("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_DASHBOARD_ADDRESS"))
OF_POSTGRES = frozenset(("PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGPASSFILE"))
_ONE_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_]\w*)[^}]*\}")
SECRETS_OF_COMPOSE = "/run/secrets/"


@dataclass
class Carried:
    """`exports` are variables that the shell makes when the service starts, `before` the lines that those need.
    `databases` are those that a variable names."""

    env: dict[str, str] = field(default_factory=dict)
    env_file: list[Any] = field(default_factory=list)
    secrets: list[Any] = field(default_factory=list)
    exports: dict[str, str] = field(default_factory=dict)
    before: dict[str, list[str]] = field(default_factory=dict)
    databases: list[str] = field(default_factory=list)

    def section(self) -> dict[str, Any]:
        return without_nothing({"env": self.env, "env_file": self.env_file, "secrets": self.secrets})

    def around(self, words: list[str], reach: Reach, held: Mapping[int, Place]) -> list[str]:
        """The command, started by a shell where something is made of variables: `held` are such words, by number."""
        places = [("", held[at]) if at in held else _in_word(word, reach) for at, word in enumerate(words)]
        if not self.exports and not any(place and place.shell for _, place in places):
            return [
                before + (place.text or "") if place else word
                for word, (before, place) in zip(words, places, strict=True)
            ]
        lines: list[str] = []
        last: tuple[str, ...] = ()
        for key, shell in self.exports.items():
            before = tuple(self.before.get(key, ()))
            lines += before if before != last else ()
            last = before or last
            lines.append(f'export {key}="{shell}"')
        if not any(place for _, place in places):
            return ["sh", "-c", _for_shell("; ".join([*lines, 'exec "$@"'])), "sh", *words]
        lines += [line for _, place in places if place for line in place.before]
        program = " ".join(_shell_word(word, *pair) for word, pair in zip(words, places, strict=True))
        return ["sh", "-c", "".join(_for_shell(f"{line}; ") for line in lines) + f"exec {program}"]


def _in_word(word: str, reach: Reach) -> tuple[str, Place | None]:
    """What stands before an address in a word of a command (`--url=`), and how that is reached."""
    name, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    return f"{name}{equals}", reach.place(value, "")


def _shell_word(word: str, before: str, place: Place | None) -> str:
    if place is None:
        return shlex.quote(word)
    return f"{before}{shlex.quote(place.text)}" if place.text is not None else f'{before}"{_for_shell(place.shell)}"'


def _for_shell(text: str) -> str:
    """As a spec writes it, so that a shell reads it."""
    return text.replace("${", "$${")


def of_node(draft: Draft, project: Project, service: ComposeService, reach: Reach) -> dict[str, Any]:
    """The variables of a node. No shell starts one, so that what must be made when it starts is told."""
    found = carried(draft, project, service, reach)
    if found.exports:
        draft.fate(service.name).notes.append(
            f"{', '.join(found.exports)}: not set on nodes; the code finds the same in {', '.join(_sources(found))}"
        )
    return found.section()


def _sources(found: Carried) -> list[str]:
    texts = " ".join([*found.exports.values(), *(line for lines in found.before.values() for line in lines)])
    return sorted(set(re.findall(r"\$\{?([A-Z][A-Z0-9_]+)", texts)))


def carried(draft: Draft, project: Project, service: ComposeService, reach: Reach) -> Carried:
    """All of a service's variables, those of its image below them."""
    found = Carried()
    values = {**service.build.environment, **service.environment}
    resolved = {key: project.words.value(text) for key, text in values.items()}
    of_files = _env_files(draft, project, service, found)
    both = {**of_files, **resolved}
    for key, text in {
        **{key: value for key, value in of_files.items() if _is_about(reach, key, both)},
        **values,
    }.items():
        place = reach.place(both[key], key) or reach.part(key, both)
        if _is_handed_over(key, both[key], place, reach):
            continue
        if place is not None and place.text is not None and is_secret(key, both[key]):
            hidden(draft, project, service, found, key, place.text)
        elif place is not None:
            _placed(found, key, place)
            _tell_password(draft, service, reach, key, both)
        elif both[key].startswith(SECRETS_OF_COMPOSE):
            _secret_file(found, key, both[key].removeprefix(SECRETS_OF_COMPOSE))
        elif is_secret(key, both[key]):
            hidden(draft, project, service, found, key, text)
        else:
            found.env[key] = text
        _tell_gone(draft, service, reach, key, both[key])
    found.databases += dict.fromkeys(
        one.database
        for one, *_ in filter(None, (reach.named(value, key) for key, value in both.items()))
        if one.kind is Kind.DATABASE and one.service.name not in reach.gone
    )
    _compose_secrets(draft, project, service, found)
    return found


def _is_about(reach: Reach, key: str, values: Mapping[str, str]) -> bool:
    return reach.named(values[key], key) is not None or reach.part(key, values) is not None


def _is_handed_over(key: str, value: str, place: Place | None, reach: Reach) -> bool:
    """Does daybreak set the same variable, with the same meaning?"""
    if key in OF_RAY:
        return value in ("auto", "") or place is not None
    if key in OF_POSTGRES:
        return POSTGRES in reach.databases
    return place is not None and place.shell == f"${key}"


def _placed(found: Carried, key: str, place: Place) -> None:
    if place.text is not None:
        found.env[key] = place.text
        return
    found.exports[key] = place.shell
    if place.before:
        found.before[key] = list(place.before)


def _tell_password(draft: Draft, service: ComposeService, reach: Reach, key: str, values: Mapping[str, str]) -> None:
    """A server without a password has one here."""
    named = reach.named(values[key], key)
    if named is None or named[0].database != REDIS or not key.endswith("HOST"):
        return
    if not any(f"{key.removesuffix('HOST')}{word}" in values for word in ("PASSWORD", "PASS")):
        draft.fate(service.name).notes.append(f"{key}: Redis asks for a password here, which is in REDIS_URL")


def hidden(draft: Draft, project: Project, service: ComposeService, found: Carried, key: str, text: str) -> None:
    """A secret: named in the spec, and read from where it is, or from a file of its own."""
    name = as_name(key)
    variable = _ONE_VARIABLE.fullmatch(text)
    if variable and project.words.lookup(variable["name"]):
        source: dict[str, str] = {"environment": variable["name"]}
    else:
        source = {"file": draft.secret_file(key, project.words.value(text))}
        draft.fate(service.name).notes.append(f"{key}: its value went into {source['file']}, mode 0600")
    known = draft.section("secrets")
    if known.setdefault(name, source) != source:
        name = as_name(f"{service.name}-{key}")
        known[name] = source
    found.secrets.append({"name": name, "env": key})


def _secret_file(found: Carried, key: str, secret: str) -> None:
    """`X_FILE: /run/secrets/NAME`: daybreak names the file in a variable of the secret's name."""
    given = f"{re.sub(r'[^A-Z0-9]', '_', secret.upper())}_FILE"
    if key != given:
        found.exports[key] = f"${given}"


def _compose_secrets(draft: Draft, project: Project, service: ComposeService, found: Carried) -> None:
    for name in service.secrets:
        about = project.secrets.get(name, {})
        if about.get("file"):
            source = {"file": str(about["file"])}
        elif about.get("environment"):
            source = {"environment": str(about["environment"])}
        else:
            draft.fate(service.name).notes.append(f"secret {name}: it is outside of the project; write it into a file")
            continue
        draft.section("secrets")[name] = source
        found.secrets.append(name)


def _env_files(draft: Draft, project: Project, service: ComposeService, found: Carried) -> dict[str, str]:
    """The files' variables, later ones on top; a file that is not there is told."""
    values: dict[str, str] = {}
    for file in service.env_files:
        try:
            values |= read_variables(project.folder / project.words.value(file.path), project.words.lookup)
        except SpecError:
            if file.required:
                draft.fate(service.name).notes.append(f"env_file {file.path}: cannot be read; not carried over")
                continue
        found.env_file.append(file.path if file.required else {"path": file.path, "required": False})
    return values


def _tell_gone(draft: Draft, service: ComposeService, reach: Reach, key: str, value: str) -> None:
    named = reach.named(value, key)
    if named and named[0].service.name in reach.gone and named[0].kind is not Kind.NOTHING:
        draft.fate(service.name).notes.append(f"{key} names {named[0].service.name}, which was left out: see to it")
