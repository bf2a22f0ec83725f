"""Secrets as variables of a program in a container: read from files when it starts, since an engine shows its Env."""

from __future__ import annotations

from collections.abc import Sequence

# Each file here has the name of the variable that it becomes.
SECRETS = "/run/daybreak/env"
SHELL = "/bin/sh"


def with_secrets(names: Sequence[str]) -> tuple[str, ...]:
    """The beginning of a command that sets variables from the files of secrets; none where there are none."""
    if not names:
        return ()
    reads = "".join(f'{name}="$(cat {SECRETS}/{name})" || exit 126; export {name}; ' for name in names)
    return (SHELL, "-c", f'{reads}exec "$@"', SHELL)
