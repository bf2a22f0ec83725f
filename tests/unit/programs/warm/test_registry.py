"""How forks have ended is kept, as Ray does not."""

from __future__ import annotations

import os
from pathlib import Path

from daybreak.programs.warm import registry


def end(registered: registry.Registry, program: str) -> int:
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", program], {})
    registered.ended(*os.waitpid(pid, 0))
    return pid


def test_ends_that_are_neither_good_nor_ordinary_are_noted(tmp_path: Path) -> None:
    registered = registry.Registry(str(tmp_path))
    end(registered, "exit 0")
    end(registered, "kill -TERM $$")
    bad, killed = end(registered, "exit 7"), end(registered, "kill -SEGV $$")
    assert (tmp_path / "ends").read_text() == f"{bad} 7\n{killed} -11\n"


def test_the_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    (tmp_path / "ends").write_text("1 1\n" * registry.MOST_BYTES_OF_ENDS)
    pid = end(registry.Registry(str(tmp_path)), "exit 3")
    assert (tmp_path / "ends").read_text() == f"{pid} 3\n"


def test_an_end_that_nobody_took_is_not_taken_for_that_of_the_next_of_its_number(tmp_path: Path) -> None:
    left = tmp_path / f"exit-{os.getpid()}"
    left.write_text("7")
    registry.Registry(str(tmp_path)).add(os.getpid(), os.getppid(), {})
    assert not left.exists()
