"""When a line of a log was written, and how bad it is: formats of Ray, Serve, Python, databases, servers. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from typing import Any, NamedTuple

# A time further ahead than this was not written by a clock of this machine: it is part of somebody's text.
AHEAD_S = 120.0
DAY_S = 86400.0
# What is looked at of a line; a format that says it later says it to nobody.
LOOKED_AT = 200
MOST_JSON = 32 * 1024


class Level(IntEnum):
    """How bad a line is; numbers as in Python's `logging`."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40
    CRITICAL = 50


class Stamp(NamedTuple):
    """What a line says of itself: seconds since 1970, and its level; each None where it does not say."""

    at: float | None = None
    level: Level | None = None


_WORDS: dict[str, Level] = {
    **dict.fromkeys(("TRACE", "VERBOSE", "DEBUG", "DEBUG1", "DEBUG2", "DEBUG3", "DEBUG4", "DEBUG5"), Level.DEBUG),
    **dict.fromkeys(("INFO", "SUCC", "SUCCESS", "LOG", "NOTICE"), Level.INFO),
    **dict.fromkeys(("WARN", "WARNING"), Level.WARNING),
    **dict.fromkeys(("ERR", "ERROR", "SEVERE"), Level.ERROR),
    **dict.fromkeys(("CRITICAL", "CRIT", "FATAL", "PANIC", "ALERT", "EMERG"), Level.CRITICAL),
}
_LETTERS = {
    "D": Level.DEBUG,
    "I": Level.INFO,
    "W": Level.WARNING,
    "E": Level.ERROR,
    "C": Level.CRITICAL,
    "F": Level.CRITICAL,
}
_REDIS_MARKS = {".": Level.DEBUG, "-": Level.DEBUG, "*": Level.INFO, "#": Level.WARNING}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# PostgreSQL's further lines of a message carry a time of their own, but belong to the line before.
_FURTHER = ("DETAIL", "HINT", "CONTEXT", "STATEMENT", "QUERY", "LOCATION")
# What PostgreSQL says, as FATAL, to who comes while it starts or ends: health checks, above all.
_NOT_YET = (":  the database system is starting up", ":  the database system is shutting down")
# Keys of JSON logs, in the order in which they are believed.
_JSON_TIMES = ("timestamp_ns", "timestamp", "@timestamp", "asctime", "time", "ts")
_JSON_LEVELS = ("levelname", "level", "severity", "lvl")

_WORD = "|".join(sorted(_WORDS, key=len, reverse=True))
_DATE = r"(\d{4}-\d\d-\d\d)"
_CLOCK = r"(\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?"
_ZONE = r"(?: ?(Z|UTC|GMT|[+-]\d\d:?\d\d)(?![\d\w]))?"

_RAY = re.compile(rf"\[{_DATE} {_CLOCK} ([A-Z]) ")
_ISO = re.compile(rf"\[?{_DATE}[T ]{_CLOCK}{_ZONE}")
_SERVE = re.compile(rf"({_WORD})\s+{_DATE}[T ]{_CLOCK}{_ZONE}")
_GLOG = re.compile(rf"([DIWEFC])(\d\d)(\d\d) {_CLOCK}\s")
_ABSL = re.compile(r"([IWEF])0000 00:00:(\d{9,11}\.\d+)\s")
_REDIS = re.compile(rf"\d+:[A-Z] (\d\d) ([A-Z][a-z]{{2}}) (\d{{4}}) {_CLOCK} ([.*#-]) ")
_REDIS_SIGNAL = re.compile(r"\d+:signal-handler \((\d{9,11})\) ")
_ACCESS = re.compile(rf"\[(\d\d)/([A-Z][a-z]{{2}})/(\d{{4}})[: ]{_CLOCK}(?: ([+-]\d{{4}}))?\]")
# `INFO:module:text` of Python's logging.basicConfig, `INFO:     text` of uvicorn, `[WARNING] text` and `[error ] text`.
_PLAIN = re.compile(rf"(?:\[\s*((?i:{_WORD}))\s*\]|({_WORD}):(?=[\w.]*:|\s))")
# Between a time and a level may stand a pid in brackets, PostgreSQL's `user@database`, and up to two names followed by
# a mark.
_AFTER = re.compile(
    rf"[\s\]|:\-]*(?:\[\s*((?i:{_WORD}))\s*\]"
    rf"|(?:\[[^\]]{{0,60}}\]\s*(?:[^\s@]{{1,63}}@[^\s@]{{1,63}} )?|[\w./\-]{{1,60}}\s*[:|\-]+\s+){{0,2}}"
    rf"({_WORD}|{'|'.join(_FURTHER)})\b)"
)
# `ts=2026-11-25T10:08:34.340Z caller=main.go level=info msg="..."` of Prometheus, Grafana and others.
_LOGFMT = re.compile(rf"(?:ts|t|time|timestamp)=\"?{_DATE}[T ]{_CLOCK}{_ZONE}\"?\s")
_LOGFMT_LEVEL = re.compile(r"\b(?:level|lvl)=\"?([A-Za-z]+)\"?(?:\s|$)")
TRACEBACK = "Traceback (most recent call last):"


def stamp(text: str, near: float) -> Stamp | None:
    """What a line says of itself; None where it says nothing, and so belongs to the line before it.

    `near` is a time (seconds since 1970) not before the line was written, such as the file's last change: it tells the
    year where a format leaves it out.
    """
    if not text or text[0] in " \t":
        return None
    found = _READERS.get(text[0], _read_other)(text, near)
    if found is None or found.at is None or found.at <= near + AHEAD_S:
        return found
    return Stamp(None, found.level) if found.level else None


def level_named(word: str) -> Level | None:
    """`warn`, `WARNING`, `error` ..."""
    return _WORDS.get(word.strip().upper())


def parse_moment(text: str, now: float) -> float:
    """Seconds since 1970 of `2026-11-25`, `2026-11-25 10:08`, `10:08:30` (the last such moment); dates may have a zone.

    Raises ValueError for anything else.
    """
    written = text.strip()
    if re.fullmatch(r"\d{1,2}:\d\d(:\d\d)?", written):
        today = datetime.fromtimestamp(now).strftime("%Y-%m-%d")
        at = datetime.fromisoformat(f"{today} {written.zfill(len(written) + (written[1] == ':'))}")
        return (at - timedelta(days=1) if at.timestamp() > now else at).timestamp()
    return datetime.fromisoformat(written).timestamp()


@lru_cache(maxsize=4096)
def _epoch(date: str, clock: str, zone: str = "") -> float | None:
    try:
        return datetime.fromisoformat(f"{date} {clock}{_offset(zone)}").timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _offset(zone: str) -> str:
    if zone in ("Z", "UTC", "GMT"):
        return "+00:00"
    return f"{zone[:3]}:{zone[3:]}" if len(zone) == 5 else zone


def _at(date: str, clock: str, fraction: str | None, zone: str | None = None) -> float | None:
    whole = _epoch(date, clock, zone or "")
    return None if whole is None else whole + (float(f"0.{fraction}") if fraction else 0.0)


def _read_bracket(text: str, near: float) -> Stamp | None:
    if found := _RAY.match(text):
        return Stamp(_at(found[1], found[2], found[3]), _LETTERS.get(found[4]))
    return _read_digit(text, near) or _read_word(text, near)


def _read_digit(text: str, _near: float) -> Stamp | None:
    if found := _ISO.match(text):
        after = _AFTER.match(text, found.end(), LOOKED_AT)
        word = after and (after[1] or after[2])
        if word in _FURTHER:
            return None
        at = _at(found[1], found[2], found[3], found[4])
        level = _WORDS[word.upper()] if word else None
        if after and text.startswith(_NOT_YET, after.end()):
            level = Level.INFO
        return Stamp(at, level) if at is not None or word else None
    if found := _REDIS_SIGNAL.match(text):
        return Stamp(float(found[1]), Level.WARNING)
    if found := _REDIS.match(text):
        date = _date(found[3], found[2], found[1])
        return Stamp(_at(date, found[4], found[5]), _REDIS_MARKS[found[6]])
    return _read_access(text)


def _read_word(text: str, near: float) -> Stamp | None:
    if found := _SERVE.match(text):
        return Stamp(_at(found[2], found[3], found[4], found[5]), _WORDS[found[1]])
    if found := _ABSL.match(text):
        return Stamp(float(found[2]), _LETTERS[found[1]])
    if found := _GLOG.match(text):
        return Stamp(_this_year(found, near), _LETTERS[found[1]])
    if found := _PLAIN.match(text):
        level = _WORDS[(found[1] or found[2]).upper()]
        later = _ISO.match(text[found.end() : LOOKED_AT].lstrip())
        return Stamp(_at(later[1], later[2], later[3], later[4]) if later else None, level)
    return _read_access(text)


def _this_year(found: re.Match[str], near: float) -> float | None:
    """A date without year: the last such day."""
    year = datetime.fromtimestamp(near).year
    at = _at(f"{year}-{found[2]}-{found[3]}", found[4], found[5])
    if at is not None and at <= near + DAY_S:
        return at
    return _at(f"{year - 1}-{found[2]}-{found[3]}", found[4], found[5])


def _read_access(text: str) -> Stamp | None:
    """An HTTP server's line: `127.0.0.1 - - [25/Nov/2026:10:08:38 +0000] "GET / HTTP/1.1" 200`."""
    found = _ACCESS.search(text, 0, LOOKED_AT)
    if not found:
        return None
    return Stamp(_at(_date(found[3], found[2], found[1]), found[4], found[5], found[6]), Level.INFO)


def _read_other(text: str, _near: float) -> Stamp | None:
    return _read_access(text) if "[" in text[:LOOKED_AT] else None


def _read_t(text: str, near: float) -> Stamp | None:
    """The key of a time, or any other word."""
    found = _LOGFMT.match(text)
    if not found:
        return _read_word(text, near)
    level = _LOGFMT_LEVEL.search(text, found.end() - 1, LOOKED_AT)
    return Stamp(_at(found[1], found[2], found[3], found[4]), level_named(level[1]) if level else None)


def _read_json(text: str, _near: float) -> Stamp | None:
    if len(text) > MOST_JSON:
        return None
    try:
        fields = json.loads(text)
    except ValueError:
        return None
    times = (_json_time(fields.get(key)) for key in _JSON_TIMES)
    at = next((time for time in times if time is not None), None)
    level = _json_level(fields)
    return Stamp(at, level) if at is not None or level is not None else None


def _json_time(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        # Seconds, milliseconds, microseconds or nanoseconds since 1970: told apart by their size.
        for size in (1e18, 1e15, 1e12):
            if value >= size:
                return float(value) / (size / 1e9)
        return float(value) if value >= 1e9 else None
    found = _ISO.match(value) if isinstance(value, str) else None
    return _at(found[1], found[2], found[3], found[4]) if found else None


def _json_level(fields: Mapping[str, Any]) -> Level | None:
    for key in _JSON_LEVELS:
        value = fields.get(key)
        if isinstance(value, str) and (level := level_named(value)):
            return level
        if isinstance(value, int) and not isinstance(value, bool) and value >= Level.DEBUG:
            return Level(min(value // 10 * 10, int(Level.CRITICAL)))
    return None


def _date(year: str, month: str, day: str) -> str:
    return f"{year}-{_MONTHS.index(month) + 1:02d}-{day}" if month in _MONTHS else ""


_READERS: dict[str, Callable[[str, float], Stamp | None]] = {
    "[": _read_bracket,
    "{": _read_json,
    **dict.fromkeys("0123456789", _read_digit),
    **dict.fromkeys({word[0] for word in _WORDS} | set(_LETTERS), _read_word),
    "t": _read_t,
}


def local_iso(at: float) -> str:
    """A moment as local time with its offset, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).astimezone().isoformat(timespec="milliseconds")
