"""What reaches a cluster, laid over the shell's own variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def plain_values(found: Mapping[str, Any], shell: Mapping[str, str]) -> dict[str, str]:
    """The plain values; lists such as `no_proxy` have what the shell has in its own, too."""
    values: dict[str, str] = dict(found["values"])
    for key, (first, separator) in found.get("joined", {}).items():
        words = [*first.split(separator), *shell.get(key, "").split(separator)]
        values[key] = separator.join(dict.fromkeys(filter(None, words)))
    return values
