"""What is no Python is told with its place and the line itself."""

from __future__ import annotations

from pathlib import Path

from daybreak.extras.dev.mistakes import mistakes


def lines(tmp_path: Path, text: str | bytes) -> list[str]:
    file = tmp_path / "app.py"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return [line for found in mistakes([file]) for line in found.lines(tmp_path)]


def test_the_place_and_the_line(tmp_path: Path) -> None:
    assert lines(tmp_path, "x = 1\nif x:\n    y = = 2\n") == ["app.py:3:9: invalid syntax", "    y = = 2", "        ^"]


def test_every_file_has_its_own(tmp_path: Path) -> None:
    for name in ("a.py", "b.py", "c.py"):
        (tmp_path / name).write_text("def f(:\n" if name != "b.py" else "x = 1\n")
    found = mistakes([tmp_path / "a.py", tmp_path / "b.py", tmp_path / "c.py", tmp_path / "gone.py"])
    assert [one.file.name for one in found] == ["a.py", "c.py"]


def test_what_is_no_text_is_one_as_well(tmp_path: Path) -> None:
    assert lines(tmp_path, b"x = 1\0\n")[0].startswith("app.py:1:1: ")
    assert lines(tmp_path, b"x = '\xff'\n")[0].startswith("app.py:")


def test_only_python_is_compiled(tmp_path: Path) -> None:
    (tmp_path / "daybreak.yaml").write_text("name: [")
    assert mistakes([tmp_path / "daybreak.yaml"]) == []
