"""What the template imports besides Ray's own needs is tried first: what does harm stays out, with all that imports it,
and the rest is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.faithful.programs import script
from tests.integration.faithful.template import CLEAN, template

pytestmark = pytest.mark.one_ray

SOURCES = {
    "fine": "import os; open(os.environ['SEEN'], 'a').write('fine ')",
    "with_socket": "import socket; held = socket.socketpair()",
    "with_file": "log = open(__file__)",
    "with_handler": "import signal; signal.signal(signal.SIGUSR1, print)",
    "with_memory": "import mmap; shared = mmap.mmap(-1, 4096)",
    "with_path": "import sys; sys.path.append('/added')",
    "with_libraries": "import os; os.environ['LD_LIBRARY_PATH'] = '/added'",
    "ending": "import os; os._exit(3)",
    "pack/__init__": "import os; open(os.environ['SEEN'], 'a').write('pack ')",
    "pack/engine": "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
    "pack/tools": "",
    "frame/__init__": "from frame import compat",
    "frame/compat": "try:\n    import pack.engine\nexcept Exception: pass",
    "frame/core": "",
    "lazy": "import pack",
    "using_ray": "import with_ray",
    "with_ray": "try:\n    import ray\nexcept BaseException: pass",
    "late": "import os; open(os.environ['SEEN'], 'a').write('late ')",
}
MODULES = {name.replace("/__init__", "").replace("/", ".") for name in SOURCES}
HARMLESS = {"fine", "late", "lazy", "pack", "pack.tools"}
HARMFUL = {
    "with_socket": "it holds a socket open when it is imported",
    "with_handler": "it handles signals when it is imported",
    "with_memory": "it shares memory with other processes when it is imported",
    "with_path": "it changes the process's folder, search paths or processors when it is imported",
    "with_libraries": "it changes the process's folder, search paths or processors when it is imported",
    "ending": "it ends the process when it is imported",
    "pack.engine": "it starts threads when it is imported",
    "frame": "it imports pack.engine: it starts threads when it is imported",
    "with_ray": "it imports Ray",
    "using_ray": "it imports Ray",
}


def test_what_does_harm_is_found_and_the_rest_is_imported_once_it_is_known(tmp_path: Path) -> None:
    for name, text in SOURCES.items():
        script(tmp_path, text, f"{name}.py")
    seen = tmp_path / "seen"
    names = ["frame.core", "pack.tools", "using_ray", *HARMFUL, "with_file", *HARMLESS, "late"]
    with template(*names, env=CLEAN | {"PYTHONPATH": str(tmp_path), "SEEN": str(seen)}) as made:
        first = made.order()
        assert set(first["loaded"]) & MODULES == HARMLESS
        refused = {name: why for name, why in first["failed"].items() if name in MODULES}
        assert refused.pop("with_file") == f"it holds {tmp_path}/with_file.py open when it is imported"
        assert refused == HARMFUL
        assert first["threads"] == 1
        # What was tried before it was imported is whole.
        code = "import json, sys, fine, pack.tools; print(json.dumps([fine.__name__, pack.tools.__name__]))"
        assert made.run("-c", code, env=made.env).value == ["fine", "pack.tools"]
        # The next template knows: it tries nothing, imports what is fine, and refuses the same.
        seen.unlink()
        made.end()
        made.start()
        second = made.order()
        assert sorted(seen.read_text().split()) == ["fine", "late", "pack"]
        assert set(second["loaded"]) & HARMLESS == HARMLESS
        assert {name: second["failed"][name] for name in HARMFUL} == HARMFUL
        # With other packages all is tried anew.
        made.end()
        settings = made.folder / "settings.json"
        settings.write_text(json.dumps(json.loads(settings.read_text()) | {"packages": "others"}))
        script(tmp_path, "", "with_socket.py")
        made.start()
        assert "with_socket" in made.order()["loaded"]
