"""What workers on hosts are handed of secrets and files of variables: the first machine sends the values, and a host
has each in a file of its own (0600), from which its spec takes them as any other does."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from daybreak.services.build import Cluster
from daybreak.spec.handing import places
from daybreak.spec.model import Spec
from daybreak.spec.secrets import EnvFile, SecretUse

OF_WORKERS = ("workers", "serve")


@dataclass(frozen=True)
class HandedValues:
    """Secrets by name (base64), and variables by the path of their file as the spec has it. `uses` and `env_file` are
    of those that all nodes have, as it writes them."""

    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    uses: Sequence[Any] = ()
    env_file: Sequence[Any] = ()

    @classmethod
    def of(cls, cluster: Cluster) -> HandedValues:
        """What is handed to workers now; what is not there, as after a start of the machine, is left out."""
        handed, secrets, files = cluster.site.handed, dict[str, str](), dict[str, Mapping[str, str]]()
        for use, one in _wanted(cluster.spec):
            if use and use.name in handed.secrets:
                with contextlib.suppress(OSError):
                    content = Path(handed.as_value(use.name).path).read_bytes()
                    secrets[use.name] = base64.b64encode(content).decode()
            if one and one.path in handed.files:
                with contextlib.suppress(OSError, UnicodeDecodeError):
                    found = handed.variables([one])
                    files[one.path] = {name: Path(value.path).read_bytes().decode() for name, value in found.items()}
        uses = [use.model_dump(exclude_none=True) for use in cluster.spec.serve.secrets]
        return cls(secrets, files, uses, [one.model_dump() for one in cluster.spec.env_file])

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> HandedValues:
        """Raises TypeError for what is none."""
        return cls(**raw)


def _wanted(spec: Spec) -> Iterable[tuple[SecretUse | None, EnvFile | None]]:
    for place in places(spec):
        if not place.path or place.path[0] in OF_WORKERS:
            yield from ((use, None) for use in place.secrets)
            yield from ((None, one) for one in place.files)


# --- on the host ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OnHost:
    """What a host's own spec says: where each secret is, and what workers get. `contents` are the secrets' files,
    `variables` what files of variables set."""

    secrets: Mapping[str, Any]
    uses: tuple[Mapping[str, Any], ...]
    env: Mapping[str, str]
    contents: Mapping[str, bytes] = field(repr=False)
    variables: Mapping[str, str] = field(repr=False)


def on_host(values: HandedValues, workers: Mapping[str, Any], folder: Path) -> OnHost:
    """`workers` are such as the spec writes them; `folder` has the secrets' files. As on the first machine `env` stands
    above variables of files, and secrets above both."""
    env: Mapping[str, str] = workers.get("env") or {}
    contents: dict[str, bytes] = {}
    handed: dict[str, Mapping[str, Any]] = {}
    for use in map(SecretUse.model_validate, [*(workers.get("secrets") or ()), *values.uses]):
        if use.name in values.secrets:
            contents[use.name] = base64.b64decode(values.secrets[use.name])
            handed[use.variable] = use.model_dump(exclude_none=True)
    variables: dict[str, str] = {}
    for one in map(EnvFile.model_validate, [*values.env_file, *(workers.get("env_file") or ())]):
        variables |= values.files.get(one.path, {})
    plain = {name: value for name, value in env.items() if name not in handed}
    sources = {name: {"file": str(folder / name)} for name in contents}
    return OnHost(sources, tuple(handed.values()), plain, contents, variables)


def as_env_file(variables: Mapping[str, str]) -> str:
    """A file of variables (`spec/dotenv.py`) that reads as these."""
    return "".join(f'{name}="{value.translate(_ESCAPED)}"\n' for name, value in variables.items())


_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "$": "\\$", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
