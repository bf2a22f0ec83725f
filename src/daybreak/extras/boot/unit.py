"""The unit of one cluster. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

NEEDS_QUOTES = re.compile(r"[^\w@%+=:,./$-]|^$", re.ASCII)
# An end by `daybreak down` while it starts, or by a signal, is no failure; a spec that is wrong stays so.
STOPPED, WRONG = "130 143", "2 130"

_TEXT = """\
# Written by `daybreak install`; `daybreak uninstall` removes it.
[Unit]
Description=daybreak cluster {cluster}
{order}
[Service]
Type=notify
WorkingDirectory={folder}
{environment}ExecStart={start}
ExecReload={reload}
# Only the command is told to end: it stops the cluster in order. What it leaves, where it is killed itself, goes on,
# and the next one takes it over.
KillMode=process
Restart=on-failure
RestartSec=10
RestartPreventExitStatus={wrong}
SuccessExitStatus={stopped}
# What hangs, the command or the keeper behind it, is ended and begun anew; the services go on.
WatchdogSec=120
# Each service has deadlines of its own.
TimeoutStartSec=infinity
TimeoutStopSec=300
# A replica that takes too much memory is for Serve to replace.
OOMPolicy=continue
TasksMax=infinity

[Install]
WantedBy={target}
"""
_ORDER = "Wants=network-online.target\nAfter=network-online.target docker.service\n"


@dataclass(frozen=True)
class Unit:
    """What starts with the machine: `program` is the command's path, `options` those of `daybreak up`. A `system` unit
    starts as root, any other one with its account's manager."""

    cluster: str
    folder: str
    program: str
    options: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    system: bool = False

    @property
    def name(self) -> str:
        return unit_name(self.cluster)

    @property
    def start(self) -> list[str]:
        """The command that stays as long as the cluster is to run."""
        return [self.program, "up", "--foreground", "-n", self.cluster, *self.options]

    def text(self) -> str:
        """The file."""
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        return _TEXT.format(
            cluster=self.cluster,
            folder=_literally(self.folder),
            order=_ORDER if self.system else "",
            environment="".join(f"Environment={_quoted(_literally(each))}\n" for each in variables),
            start=_command(self.start),
            reload=_command([self.program, "restart", "-n", self.cluster]),
            target="multi-user.target" if self.system else "default.target",
            wrong=WRONG,
            stopped=STOPPED,
        )


def unit_name(cluster: str) -> str:
    return f"daybreak-{cluster}.service"


def _command(words: Sequence[str]) -> str:
    # A dollar would be a variable there.
    return " ".join(_quoted(_literally(word).replace("$", "$$")) for word in words)


def _literally(text: str) -> str:
    """Without what systemd puts something else for."""
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    if not NEEDS_QUOTES.search(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
