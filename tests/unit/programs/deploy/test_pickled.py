"""What a pickle says: the same whoever has written it, and nothing of it is done."""

from __future__ import annotations

import json
import pickle
import runpy
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from ray import cloudpickle

from daybreak.programs.deploy.pickled import Reader

DEFINITION = '''
import json
from ray import cloudpickle

class Sent:
    """One."""
    codes = {"one", "two", "three"}
    app = "textwrap"

    def read(self, text="two"):
        return json.loads(text), "two", lambda: self.codes

Sent.__module__ = "__main__"
sent = cloudpickle.dumps((Sent, [1, 2.5, None, b"three", {"four": Sent}]))
'''


def digest(sent: object) -> str:
    return Reader(cloudpickle.dumps(sent)).digest()


def test_other_processes_write_other_bytes_and_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "sent.py").write_text(DEFINITION)
    program = "import sys, sent; sys.stdout.buffer.write(sent.sent)"

    def written(seed: str) -> bytes:
        command = [sys.executable, "-c", program]
        environment = {"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"}
        return subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True).stdout

    # The first compiles the module, the others find it compiled.
    pickles = [written(seed) for seed in ("1", "2", "3")]
    assert len(set(pickles)) == 3
    assert len({Reader(pickled).digest() for pickled in pickles}) == 1


def test_the_same_from_another_folder_says_the_same(tmp_path: Path) -> None:
    """As a version is that is deployed again."""

    def written(folder: str, text: str) -> str:
        file = tmp_path / folder / "sent.py"
        file.parent.mkdir()
        file.write_text(DEFINITION.replace("two", text))
        return Reader(runpy.run_path(str(file), run_name="__main__")["sent"]).digest()

    assert written("one", "two") == written("other", "two") != written("third", "four")


def test_whatever_differs_is_told() -> None:
    def made(value: object) -> object:
        def read(text: str = "one") -> object:
            return value, text

        return read

    same = [digest(made(1)), digest(made(1))]
    assert same[0] == same[1]
    values: list[object] = [1, 2, "1", b"1", (1,), [1], {1}, {1: 1}, {1: 2}, None]
    assert len({digest(made(value)) for value in values}) == len(values)


def test_the_modules_are_those_that_unpickling_imports_and_not_what_is_only_called_so() -> None:
    class Sent:
        app = "json"

        def read(self) -> object:
            return textwrap.dedent(str(Path(self.app)))

    Sent.__module__ = "__main__"
    sent: Any
    for sent in (Sent, [cloudpickle.dumps(Sent)]):  # also where it is pickled within something
        reader = Reader(cloudpickle.dumps(sent))
        reader.digest()
        assert {"textwrap", "pathlib"} <= reader.modules
        assert "json" not in reader.modules
    reader = Reader(cloudpickle.dumps({"codec": json}))
    reader.digest()
    assert "json" in reader.modules


def test_nothing_of_it_is_done(tmp_path: Path) -> None:
    class Deletes:
        def __reduce__(self) -> Any:
            return Path.rmdir, (tmp_path,)

    Reader(pickle.dumps([Deletes()])).digest()
    assert tmp_path.exists()
