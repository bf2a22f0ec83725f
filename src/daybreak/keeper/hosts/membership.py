"""What a host knows of the cluster that it has joined: a folder (0700) in its state folder, as long as it is in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from daybreak.files import PRIVATE, read_book, replacing, write_private
from daybreak.keeper.hosts.handed import HandedValues, OnHost, as_env_file, on_host
from daybreak.keeper.hosts.offer import Offer
from daybreak.keeper.hosts.wire import Place
from daybreak.paths import ClusterPaths

FOLDER, FACTS, CODE = "joined", "joined.json", "app"
CERTIFICATE, KEY, TOKEN, HANDED, AUTHORITY = "own.pem", "own.key", "ray-token", "handed", "authority.pem"
VARIABLES = "variables.env"


@dataclass(frozen=True)
class Membership:
    """`name` is this host's there, `address` its own for the other nodes; `own` is what was said when it joined, laid
    over the offer's spec. `code` is the digest of what it has of the application's."""

    name: str
    address: str
    place: Place
    offer: Offer
    own: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""

    def with_offer(self, offer: Offer) -> Membership:
        return replace(self, offer=offer)

    def with_own(self, own: Mapping[str, Any]) -> Membership:
        return replace(self, own=dict(own))

    def with_code(self, code: str) -> Membership:
        return replace(self, code=code)


class JoinedFolder:
    """The files of it."""

    def __init__(self, paths: ClusterPaths) -> None:
        self._folder, self._secrets = paths.root / FOLDER, paths.secrets
        self.code, self.cluster = paths.root / CODE, paths.name

    @property
    def authority(self) -> Path:
        """The certificate by which Ray's nodes know each other, where they talk by TLS."""
        return self._folder / AUTHORITY

    @property
    def handed(self) -> Path:
        """Of the secrets that its workers get each has a file here."""
        return self._folder / HANDED

    @property
    def variables(self) -> Path:
        """What files of variables set for its workers, as one of them."""
        return self._folder / VARIABLES

    @property
    def own(self) -> tuple[Path, Path]:
        """Certificate and key."""
        return self._folder / CERTIFICATE, self._folder / KEY

    @property
    def token(self) -> Path:
        return self._folder / TOKEN

    def load(self) -> Membership | None:
        """None where this machine has joined nothing."""
        read = read_book(self._folder / FACTS)
        try:
            return Membership(**{**read, "place": Place(**read["place"]), "offer": Offer.from_json(read["offer"])})
        except (KeyError, TypeError):
            return None

    def save_identity(self, certificate: str, key: str) -> None:
        """Raises OSError."""
        write_private(self._folder / KEY, key, durable=True)
        write_private(self._folder / CERTIFICATE, certificate, durable=True)

    def write_files(self, membership: Membership) -> None:
        """What its nodes read when they start: Ray's token, secrets, certificates. Raises OSError."""
        self.code.mkdir(mode=0o700, parents=True, exist_ok=True)
        offer, handed = membership.offer, _handed(membership, self)
        write_private(self.token, offer.token or "")
        if offer.authority:
            write_private(self.authority, offer.authority)
        write_private(self.variables, as_env_file(handed.variables))
        self.handed.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, content in handed.contents.items():
            with replacing(self.handed / name, PRIVATE) as file:
                file.write(content)

    def save(self, membership: Membership) -> None:
        """With those files, and without secrets that nobody gets any more; raises OSError."""
        self.write_files(membership)
        values = asdict(membership)
        write_private(self._folder / FACTS, json.dumps(values, indent=1) + "\n", durable=True)
        wanted = _handed(membership, self).contents
        for path in self.handed.iterdir():
            if path.name not in wanted:
                path.unlink(missing_ok=True)

    def forget(self) -> None:
        """It is no member any more: its key opens nothing, and the code and Ray's token are the cluster's."""
        (self._secrets / TOKEN).unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.rmtree(self.code, ignore_errors=True)


def worker_spec(membership: Membership, folder: JoinedFolder) -> dict[str, Any]:
    """The spec of this host's own cluster, as it would be written: workers that join the head of another machine."""
    offer = membership.offer
    join: dict[str, Any] = {"address": offer.gcs}
    if offer.token:
        join["token_file"] = str(folder.token)
    workers, handed = offer.workers(membership.own), _handed(membership, folder)
    python, ray = workers.pop("python", None), dict(offer.spec.get("ray", {}))
    if python:
        ray["python"] = python
    if offer.authority:
        certificate, key = map(str, folder.own)
        ray["tls"] = {"certificate": certificate, "key": key, "authority": str(folder.authority)}
    return {
        **offer.spec,
        "name": offer.cluster,
        "address": membership.address,
        "join": join,
        "page": False,
        "secrets": dict(handed.secrets),
        "workers": {
            **workers,
            "env": dict(handed.env),
            "env_file": [str(folder.variables)] if handed.variables else [],
            "secrets": list(handed.uses),
        },
        "ray": ray,
    }


def _handed(membership: Membership, folder: JoinedFolder) -> OnHost:
    """What its workers get of secrets and files of variables."""
    offer = membership.offer
    return on_host(HandedValues.from_json(offer.handed), offer.workers(membership.own), folder.handed)
