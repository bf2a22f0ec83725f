"""daybreak traffic: what the gateway counts, second by second."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from typing import Any

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.receipt_listener import ReceiptListener
from daybreak.keeper.control import client
from daybreak.paths import ClusterPaths
from daybreak.show.traffic import PERIOD_S, minute, plain_lines


@click.command()
@options.name
@options.as_json
def traffic(name: str | None, as_json: bool) -> None:
    """Follow the requests of each application: how many, how many failed, how long they took.

    On a terminal one table that is redrawn, elsewhere one line per application and second. --json prints one object per
    second. A restart is told with its receipt.

    \b
    Examples:
      daybreak traffic
      daybreak traffic --json | jq .all.failed
    """
    cluster = api.resolve_name(name)
    api.status(cluster)  # a killed keeper is started again
    seconds: deque[dict[str, Any]] = deque(maxlen=PERIOD_S)
    receipts = ReceiptListener()
    listen = receipts.beside(lambda _: None)
    live = sys.stdout.isatty() and not as_json
    with client.request(ClusterPaths.of(cluster), "traffic", start=False) as connection:
        for message in connection:
            known = receipts.line
            listen(message)
            if receipts.line != known and not live and not as_json:
                print(receipts.line, flush=True)
            if "past" in message:
                seconds.append(message["past"])
            if "second" in message:
                seconds.append(message["second"])
                _show(cluster, seconds, receipts.line, live=live, as_json=as_json)


def _show(cluster: str, seconds: deque[dict[str, Any]], receipt: str | None, *, live: bool, as_json: bool) -> None:
    """The newest second; on a terminal the last minute."""
    if as_json:
        print(json.dumps(seconds[-1]), flush=True)
    elif live:
        below = [f"last: {receipt}"] if receipt else []
        print(
            "\n".join(["\033[H\033[2J" + f"{cluster}: the last {PERIOD_S} s", *minute(list(seconds)), *below]),
            flush=True,
        )
    else:
        clock = time.strftime("%H:%M:%S", time.localtime(seconds[-1]["at"]))
        print("\n".join(f"{clock}  {line}" for line in plain_lines(seconds[-1])), flush=True)
