"""Many logs as one."""

from __future__ import annotations

from pathlib import Path

from daybreak.show.logs.entry import Entry, Source
from daybreak.show.logs.history import History
from daybreak.show.logs.merged import merged
from daybreak.show.logs.selection import Once, Parting, Selection, misleads
from daybreak.show.logs.stamps import Level


def put(folder: Path, service: str, name: str, *seconds: int) -> Source:
    path = folder / name
    path.write_text("".join(f"2026-11-25 10:00:{second:02d} INFO {second}\n" for second in seconds))
    return Source(service, name, path)


def shown(sources: list[Source], lines: int | None) -> list[str]:
    histories = [History(source, Selection(lines)) for source in sources]
    return [f"{entry.source.label} {entry.text.split()[-1]}" for entry in merged(histories, lines, Once())]


def test_by_time_and_at_most_so_many_lines_of_a_service(tmp_path: Path) -> None:
    sources = [
        put(tmp_path, "head", "head", 1, 5, 9),
        put(tmp_path, "serve", "replica", 2, 4, 6),
        put(tmp_path, "serve", "stderr", 2, 4, 6, 7),
    ]
    assert shown(sources, None) == [*("head 1", "replica 2", "replica 4", "head 5", "replica 6", "stderr 7", "head 9")]
    assert shown(sources, 2) == ["head 5", "replica 6", "stderr 7", "head 9"]
    assert shown(sources, 0) == []
    assert shown([], 5) == []


def test_what_a_raylet_says_while_it_is_stopped_is_left_out(tmp_path: Path) -> None:
    asked: list[tuple[str, float]] = []

    def was_asked(service: str, at: float) -> bool:
        asked.append((service, at))
        return service == "head"

    def entry(service: str, name: str, text: str) -> Entry:
        return Entry(
            7.0, Level.ERROR, Source(service, f"{service}/{name}", tmp_path / name), [text, "- for this reason"]
        )

    parting = Parting(was_asked)
    blamed = "[... E 1 2] (raylet) The raylet exited immediately because one Ray agent failed, agent_name = x"
    assert not parting.is_news(entry("head", "raylet.err", blamed))
    assert parting.is_news(entry("worker-1", "raylet.err", blamed)), "it has crashed"
    assert asked == [("head", 7.0), ("worker-1", 7.0)]
    assert parting.is_news(entry("head", "raylet.err", "[... C 1 2] (raylet) Check failed"))
    assert parting.is_news(entry("head", "raylet.out", blamed))
    assert len(asked) == 2


def test_advice_of_ray_s_that_would_be_wrong_here_is_known(tmp_path: Path) -> None:
    def said(service: str, text: str) -> Entry:
        return Entry(7.0, Level.WARNING, Source(service, f"{service}/controller", tmp_path / "controller.log"), [text])

    advice = (
        "WARNING 2026-11-29 00:34:05,720 controller 7 -- HTTPOptions.host='127.0.0.1' won't accept connections from "
        "HAProxy on other nodes; cross-node routing will fail with connection refused. Set host to '0.0.0.0' or omit it"
    )
    assert misleads(said("serve", advice))
    assert not misleads(said("serve", "WARNING 2026-11-29 00:34:05,720 controller 7 -- a replica is slow"))
    assert not misleads(said("api", advice))
