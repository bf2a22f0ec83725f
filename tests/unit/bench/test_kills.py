"""Which operation is killed and when, and what counts as left."""

from __future__ import annotations

import socket
from itertools import islice
from pathlib import Path

from bench.killing.kills import MOST_SHARE, SUBJECTS, Victim, kills
from bench.killing.leftovers import Noted


def test_the_same_seed_gives_the_same_rounds_and_each_pair_as_often() -> None:
    count = len(SUBJECTS) * len(Victim)
    first = list(islice(kills(7), 2 * count))
    assert first == list(islice(kills(7), 2 * count))
    assert first != list(islice(kills(8), 2 * count))
    assert len({(kill.subject.name, kill.victim) for kill in first[:count]}) == count
    assert all(0 <= kill.share <= MOST_SHARE for kill in first)
    assert {kill.subject.name for kill in islice(kills(7, ("down",)), 9)} == {"down"}


def test_sockets_and_folders_are_left_but_the_last_logs_of_a_node_are_not(tmp_path: Path) -> None:
    home, runtime = tmp_path / "home", tmp_path / "r"
    node, noted = runtime / "killed" / "head", Noted(home, runtime)
    (node / "session_1" / "logs").mkdir(parents=True)
    (node / "session_latest").symlink_to("session_1")
    noted.note()
    assert noted.left() == []
    (node / "session_1" / "sockets").mkdir()
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(node / "session_1" / "sockets" / "a"))
    assert len(noted.left()) == 2
