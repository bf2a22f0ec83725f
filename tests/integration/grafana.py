"""What stands in for Grafana, which no package source of CI has: it reads the real configuration, and answers."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

PROGRAM = """#!{python}
import configparser, http.server, json, sys

assert sys.argv[1] == "server", sys.argv
given = dict(word.lstrip("-").split("=", 1) for word in sys.argv[2:])
read = configparser.ConfigParser(interpolation=None)
assert read.read(given["config"])
password = open(read["security"]["admin_password"].removeprefix("$__file{{").removesuffix("}}")).read().strip()
assert len(password) >= 16


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({{"database": "ok"}}).encode()
        self.send_response(200 if self.path == "/api/health" else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


address = (read["server"]["http_addr"], int(read["server"]["http_port"]))
http.server.ThreadingHTTPServer(address, Handler).serve_forever()
"""
# What Grafana fills in before it asks: durations, and values of labels.
DURATIONS = ("interval", "window", "__interval", "__rate_interval", "__range")
VARIABLE = re.compile(r"\$\{?(\w+)(?::\w+)?\}?")


def install(folder: Path) -> str:
    """A folder like that of Grafana's package; returns the part of it that belongs on PATH."""
    program = folder / "bin" / "grafana"
    program.parent.mkdir(parents=True)
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    (folder / "conf").mkdir()
    (folder / "conf" / "defaults.ini").write_text("")
    return str(program.parent)


def queries(dashboard: dict[str, Any]) -> set[str]:
    """Every query of every panel, with all values of its variables chosen."""
    found = set()
    rest: list[Any] = [dashboard]
    while rest:
        here = rest.pop()
        if isinstance(here, dict):
            if "expr" in here:
                found.add(VARIABLE.sub(lambda name: "1m" if name[1] in DURATIONS else ".*", here["expr"]))
            rest += here.values()
        elif isinstance(here, list):
            rest += here
    return found


def provided(root: Path) -> dict[str, list[dict[str, Any]]]:
    """The dashboards that Grafana would load, by the name of their folder."""
    listed = json.loads((root / "config/grafana/dashboards/daybreak.yaml").read_text())["providers"]
    return {
        provider["folder"]: [
            json.loads(file.read_text()) for file in sorted(Path(provider["options"]["path"]).glob("*.json"))
        ]
        for provider in listed
    }
