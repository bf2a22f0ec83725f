"""`daybreak dev`: what a save comes to, and what is left when it ends."""

from __future__ import annotations

import json
import os
import pty
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from click.testing import CliRunner, Result

from daybreak import api
from daybreak.cli.app import app
from daybreak.cli.dev import beside, keys, preparing
from daybreak.cli.dev import session as sessions
from daybreak.cli.dev.script import Script
from daybreak.errors import DaybreakError, Interrupted, UsageError
from daybreak.extras.dev.ignoring import ignoring
from daybreak.extras.dev.replaced import BOOK
from daybreak.extras.dev.tree import Tree
from daybreak.paths import ClusterPaths
from daybreak.states import ClusterState
from daybreak.timeline.event import Event, Kind
from daybreak.timeline.receipt import Receipt
from tests.helpers import DEADLINE_S, until

SPEC = "name: shop\nprometheus: false\nserve: {applications: [{import: 'app:main'}]}\n"
GOOD, BAD = "main = 1\n", "main = (\n"
# A step of a story gives what is told next: a save, a key, what a thread ends with, or what tells it by itself.
Story = Callable[[Path], Any]


class Keeper:
    """Stands in for the cluster: what was asked of it, and what comes of the next `up`."""

    def __init__(self, state: ClusterState = ClusterState.STOPPED, workers: int = 0) -> None:
        self.state, self.workers = state, workers
        self.asked: list[tuple[Any, ...]] = []
        self.errors: list[DaybreakError] = []
        self.starts: tuple[str, ...] = ("serve",)
        self.came: Callable[[], Any] = lambda: None
        self.receipt: Receipt | None = Receipt(requests=40, slowest_ms=38)

    def status(self, _: str | None = None) -> api.Cluster:
        raw = {"name": "shop", "state": self.state, "workers": self.workers, "urls": {}, "services": []}
        raw |= {"page": {"state": "off", "url": None, "reason": ""}, "absent": {}, "notes": [], "traffic": None}
        return api.Cluster("shop", self.state, self.workers, raw=raw, receipt=self.receipt)

    def up(self, spec: Any, *, workers: int | None, changed_only: bool, on_message: api.OnMessage) -> api.Cluster:
        assert changed_only
        self.asked.append(("up", workers, spec.spec.head.cpus))
        if self.errors:
            raise self.errors.pop()
        events = [(Kind.STARTING, name) for name in self.starts]
        events += [(Kind.READY, name) for name in self.starts]
        for kind, service in events:
            on_message({"event": Event(kind, 0.0, 0.0, service).to_json()})
        self.state = ClusterState.READY
        self.came()
        return self.status()

    def restart(self, _: Any, *, name: str, on_message: api.OnMessage) -> api.Cluster:
        self.asked.append(("restart", name))
        return self.status()

    def down(self, name: str, *, on_message: api.OnMessage) -> dict[str, Any]:
        self.asked.append(("down", name))
        return {}


@pytest.fixture(name="dev")
def _dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`dev` in a folder of its own; the stories' steps are what it is told, one after another."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "home"))
    (tmp_path / "daybreak.yaml").write_text(SPEC)
    (tmp_path / "app.py").write_text(GOOD)

    def dev(keeper: Keeper, *story: Story, options: Sequence[str] = ()) -> Result:
        drawn: list[sessions.Session] = []

        def draw(session: sessions.Session) -> None:
            drawn.append(session)

        def told(session: sessions.Session) -> None:
            until(lambda: drawn, what="it has begun")
            for step in story:
                found, before = step(tmp_path), len(drawn)
                if callable(found):
                    found(session._told.put)
                elif isinstance(found, BaseException):
                    session._told.put(sessions.Broken(found))
                elif found is not None:
                    session._told.put(found)
                    until(partial(_more, drawn, before), what="it is done")
            session._told.put(sessions.Pressed("q"))

        monkeypatch.setattr(sessions.Session, "_watch", told)
        monkeypatch.setattr(sessions.Session, "_draw", draw)
        monkeypatch.setattr(beside, "follow_logs", lambda *_: None)
        monkeypatch.setattr(beside, "follow_traffic", lambda *_: None)
        for name in ("status", "up", "restart", "down"):
            monkeypatch.setattr(api, name, getattr(keeper, name))
        return CliRunner().invoke(app, ["dev", *options])

    return dev


def _more(drawn: Sequence[object], before: int) -> bool:
    return len(drawn) > before


def saved(text: str, name: str = "app.py") -> Story:
    def save(folder: Path) -> Sequence[Path]:
        (folder / name).write_text(text)
        return [folder.resolve() / name]

    return save


def test_a_save_is_answered_and_what_dev_started_is_taken_down(dev: Callable[..., Result]) -> None:
    keeper = Keeper()
    done = dev(keeper, saved("main = 2\n"))
    assert done.exit_code == 0
    assert "app.py: answered by new code after " in done.stdout
    assert "shop is stopped" in done.stdout
    # Its nodes have room for the replicas of several saves.
    assert keeper.asked == [("up", None, 4.0), ("up", None, 4.0), ("down", "shop")]


def test_a_save_during_the_first_start_is_told_when_watching_begins(tmp_path: Path) -> None:
    code = tmp_path / "app.py"
    code.write_text(GOOD)
    tree = Tree(tmp_path, frozenset(), ignoring(tmp_path, ()))
    session = sessions.Session(ClusterPaths.of("shop"), tree, Mock(), Mock(), Mock())
    session.listen()
    code.write_text("main = 22\n")
    watching = threading.Thread(target=session._watch)
    watching.start()
    try:
        assert session._told.get(timeout=DEADLINE_S) == [code]
    finally:
        session._stop.set()
        watching.join(DEADLINE_S)


def test_what_was_replaced_is_told_and_so_is_that_nothing_was(
    dev: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAYBREAK_RUNTIME", str(tmp_path / "run"))
    book = ClusterPaths.of("shop").runtime / BOOK

    def deployed(**versions: str) -> Story:
        def save(folder: Path) -> Sequence[Path]:
            monkeypatch.setattr(
                keeper, "came", lambda: book.write_text(json.dumps({"versions": {"default": versions}}))
            )
            return [folder.resolve() / "app.py"]

        return save

    keeper = Keeper()
    book.parent.mkdir(parents=True)
    keeper.came = lambda: book.write_text(json.dumps({"versions": {"default": {"App": "1", "Prices": "1"}}}))
    done = dev(keeper, deployed(App="1", Prices="2"), deployed(App="1", Prices="2"), options=["--json"])
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one.get("replaced") for one in told if one["event"] == "reloaded"] == [["Prices"]]
    assert [one["files"] for one in told if one["event"] == "nothing"] == [["app.py"]]


def test_in_containers_it_is_said_that_a_breakpoint_gets_no_prompt(dev: Callable[..., Result], tmp_path: Path) -> None:
    told = "a breakpoint() gets no prompt here: the cluster is in containers"
    assert told not in dev(Keeper()).stdout
    (tmp_path / "daybreak.yaml").write_text(f"backend: docker\n{SPEC}")
    assert told in dev(Keeper()).stdout


def test_a_cluster_that_ran_before_is_joined_as_it_is_and_left(dev: Callable[..., Result]) -> None:
    keeper = Keeper(ClusterState.READY, workers=3)
    done = dev(keeper, saved("main = 2\n"))
    assert keeper.asked == [("up", 3, None), ("up", 3, None)]
    assert "shop goes on: it ran before" in done.stdout


def test_a_syntax_error_starts_nothing_and_is_shown_with_its_line(dev: Callable[..., Result]) -> None:
    keeper = Keeper()
    done = dev(keeper, saved(BAD))
    assert [what for what, *_ in keeper.asked] == ["up", "down"]
    assert "1 syntax error; the version before goes on" in done.stdout
    assert "app.py:1:8: '(' was never closed" in done.stdout


def test_with_another_interpreter_nothing_is_compiled_here(dev: Callable[..., Result], tmp_path: Path) -> None:
    keeper = Keeper()
    (tmp_path / "daybreak.yaml").write_text(f"{SPEC}ray: {{python: /usr/bin/python3}}\n")
    assert "syntax" not in dev(keeper, saved(BAD)).stdout
    assert [what for what, *_ in keeper.asked] == ["up", "up", "down"]


def test_what_fails_is_shown_and_the_next_save_is_tried(dev: Callable[..., Result]) -> None:
    keeper = Keeper()

    def fails(_: Path) -> None:
        keeper.errors = [DaybreakError("app:main cannot be imported")]

    done = dev(keeper, fails, saved("main = 2\n"), saved("main = 3\n"))
    assert "app:main cannot be imported" in done.stderr
    assert done.stdout.count("answered by new code") == 1


def test_a_first_start_that_fails_is_tried_again_by_the_next_save(dev: Callable[..., Result]) -> None:
    keeper = Keeper()
    keeper.errors = [DaybreakError("app:main cannot be imported")]
    done = dev(keeper, saved("main = 2\n"))
    assert "nothing is up yet: the next save tries again" in done.stdout
    assert "answered by new code" in done.stdout


def test_a_file_that_nothing_imports_changes_nothing(dev: Callable[..., Result]) -> None:
    keeper = Keeper()

    def nothing(_: Path) -> None:
        keeper.starts = ()

    assert "notes.py: nothing had to be replaced" in dev(keeper, nothing, saved("x = 1\n", "notes.py")).stdout


def test_what_is_wrong_is_so_until_its_files_are_as_they_were(dev: Callable[..., Result]) -> None:
    keeper = Keeper()

    def nothing(_: Path) -> None:
        keeper.starts = ()

    wrong, other = saved(BAD), saved("x = 1\n", "notes.py")
    done = dev(keeper, nothing, wrong, other, saved(GOOD), other).stdout
    assert "notes.py: nothing to replace; app.py is not what serves" in done
    assert "app.py: nothing is wrong any more, and nothing had to be replaced" in done
    assert done.count("notes.py: nothing had to be replaced") == 1


def test_saves_that_come_during_a_reload_are_answered_by_one_more(dev: Callable[..., Result]) -> None:
    class Slow(Keeper):
        def up(self, spec: Any, **given: Any) -> api.Cluster:
            if len(self.asked) == 1:
                begun.set()
                go_on.wait()
            return super().up(spec, **given)

    begun, go_on = threading.Event(), threading.Event()

    def four(folder: Path) -> Callable[[Callable[[Any], None]], None]:
        def tell(put: Callable[[Any], None]) -> None:
            put(saved("main = 2\n")(folder))
            begun.wait()
            for name in ("a.py", "b.py", "c.py"):
                put(saved("x = 1\n", name)(folder))
            go_on.set()

        return tell

    keeper = Slow()
    assert "a.py, b.py, c.py: answered by new code" in dev(keeper, four).stdout
    assert [what for what, *_ in keeper.asked] == ["up", "up", "up", "down"]


def test_keys_restart(dev: Callable[..., Result]) -> None:
    keeper = Keeper()
    dev(keeper, lambda _: sessions.Pressed("r"))
    assert ("restart", "shop") in keeper.asked


def test_other_packages_begin_the_template_and_the_applications_anew(dev: Callable[..., Result]) -> None:
    keeper = Keeper()
    done = dev(keeper, lambda _: sessions.Installed(["numpy-2.1", "-six-1"]))
    assert [what for what, *_ in keeper.asked] == ["up", "up", "restart", "down"]
    assert "installed: numpy-2.1, -six-1; the template is new, and the applications run with it" in done.stdout


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("backend: docker\n", "--debug: the cluster is in containers"),
        ("warm: false\n", "--debug: the warm template is off"),
        ("", "--debug: debugpy is not installed for"),
    ],
)
def test_where_no_debugger_could_be_let_in_nothing_is_started(
    dev: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, why: str
) -> None:
    monkeypatch.setattr(preparing, "_has_debugpy", lambda _: False)
    (tmp_path / "daybreak.yaml").write_text(SPEC + spec)
    keeper = Keeper()
    done = dev(keeper, options=["--debug"])
    assert isinstance(done.exception, UsageError)
    assert why in done.exception.message
    assert keeper.asked == []


def test_a_cluster_that_ran_before_lets_no_debugger_in(
    dev: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "_has_debugpy", lambda _: True)
    keeper = Keeper(ClusterState.READY)
    assert "shop runs already" in str(dev(keeper, options=["--debug"]).exception)
    assert keeper.asked == []


def test_what_watches_never_ends_unseen(dev: Callable[..., Result]) -> None:
    keeper = Keeper()
    done = dev(keeper, lambda _: DaybreakError("the folder is gone"))
    assert done.exit_code == 1
    assert isinstance(done.exception, DaybreakError)
    assert keeper.asked[-1] == ("down", "shop")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Interrupted("interrupted")])
def test_an_interrupt_is_the_ordinary_end(dev: Callable[..., Result], error: BaseException) -> None:
    keeper = Keeper()
    assert dev(keeper, lambda _: error).exit_code == 0
    assert keeper.asked[-1] == ("down", "shop")


def test_as_json_each_thing_is_an_object(dev: Callable[..., Result]) -> None:
    done = dev(Keeper(), saved("main = 2\n"), saved(BAD), options=["--json"])
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["event"] for one in found] == ["started", "opened", "reloaded", "mistakes", "stopped"]
    assert found[2]["files"] == ["app.py"]
    assert found[2]["receipt"]["requests"] == 40
    assert found[2]["answered_after_s"] >= 0


def test_without_an_application_nothing_is_started(dev: Callable[..., Result], tmp_path: Path) -> None:
    keeper = Keeper()
    (tmp_path / "daybreak.yaml").write_text("name: shop\n")
    done = dev(keeper)
    assert done.exit_code != 0
    assert "there is no application to reload" in str(done.exception)
    assert keeper.asked == []


def test_a_program_runs_again_with_each_save_and_without_an_application_nothing_else_does(
    dev: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(Script, "again", lambda _: ran.append("run"))
    (tmp_path / "daybreak.yaml").write_text("name: shop\nprometheus: false\n")
    keeper = Keeper()
    keeper.starts = ()
    dev(keeper, saved("x = 1\n"), saved(BAD), lambda _: sessions.Pressed("r"), options=["--", "python", "job.py"])
    assert len(ran) == 3
    assert [what for what, *_ in keeper.asked] == ["up", "down"]


def test_keys_are_read_from_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    pressed: list[str] = []
    master, terminal = pty.openpty()
    with os.fdopen(terminal) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp())
        keyboard = keys.Keyboard(pressed.append)
        with keyboard.read():
            os.write(master, b"Rq")
            until(lambda: pressed == ["r", "q"], what="both keys")
            with keyboard.lent():
                os.write(master, b"a whole line\n")
                assert stdin.readline() == "a whole line\n"
            os.write(master, b"l")
            until(lambda: pressed == ["r", "q", "l"], what="a key after it")
        monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp() + 1)
        assert not keys.Keyboard(pressed.append).there
    os.close(master)
