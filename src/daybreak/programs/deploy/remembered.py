"""Which applications daybreak has deployed on a head: these alone are its own to delete."""

import json
from typing import Any, Dict, Iterable, Optional, Set

from ..common.whole_file import write_json


class Deployed:
    """A file with their names and routes, true for one head. A route is None where only the application knows it.

    `by_config` tells the applications of a Serve config: Ray itself ends those that the next config leaves out.
    `versions` are those of their deployments that Serve was told of last, by application and name, and `proven` those
    that ran last (see `unchanged.py`).
    `proxy_options` is how Serve was told to be reached, None where nobody knows. `follows`: its replicas look for their
    code where `code_folder.py` says.
    """

    def __init__(self, path: str, head: str) -> None:
        self._path = path
        self._head = head
        self._known: Dict[str, Dict[str, Any]] = {}
        self.proxy_options: Optional[Dict[str, Any]] = None
        self.follows = False
        self.versions: Dict[str, Dict[str, str]] = {}
        self.proven: Dict[str, Dict[str, str]] = {}
        try:
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
            if found["head"] == head:
                self._known = dict(found["applications"])
                self.proxy_options, self.follows = found.get("proxy_options"), bool(found.get("follows"))
                self.versions, self.proven = _by_name(found, "versions"), _by_name(found, "proven")
        except (OSError, ValueError, KeyError, TypeError):
            pass  # the first deployment, or an older program's

    @property
    def names(self) -> Set[str]:
        return set(self._known)

    def in_the_way(self, wanted: Dict[str, Optional[str]], *, by_config: bool) -> Set[str]:
        """Those that nobody wants any more and whose route is wanted, or may be."""
        routes = set(wanted.values())
        return {
            name
            for name, known in self._known.items()
            if name not in wanted
            and not (by_config and known["by_config"])
            and (known["route"] is None or known["route"] in routes or None in routes)
        }

    def add(self, wanted: Dict[str, Optional[str]], *, by_config: bool) -> None:
        """Before they are deployed: what a deployment that is cut off leaves is found again."""
        added = {name: {"route": route, "by_config": by_config} for name, route in wanted.items()}
        self._save({**self._known, **added})

    def open(self, proxy_options: Dict[str, Any], *, follows: bool) -> None:
        """Before Serve is started with them; one that runs stays as it is."""
        if self.proxy_options != proxy_options:
            self.proxy_options, self.follows = proxy_options, follows
        self._save(self._known)

    def note(self, versions: Dict[str, Dict[str, str]]) -> None:
        """After Serve has been told of them; those of other applications stay."""
        self.versions = {**self.versions, **versions}
        self._save(self._known)

    def prove(self) -> None:
        """After all of them run as Serve was told."""
        self.proven = {**self.proven, **self.versions}
        self._save(self._known)

    def drop(self, names: Iterable[str]) -> None:
        """After they have been deleted."""
        dropped = set(names)
        self._save({name: known for name, known in self._known.items() if name not in dropped})

    def _save(self, known: Dict[str, Dict[str, Any]]) -> None:
        self._known = known
        self.versions = {name: some for name, some in self.versions.items() if name in known}
        self.proven = {name: some for name, some in self.proven.items() if name in known}
        told = {"head": self._head, "applications": known, "versions": self.versions, "proven": self.proven}
        write_json(self._path, {**told, "proxy_options": self.proxy_options, "follows": self.follows})


def _by_name(found: Dict[str, Any], key: str) -> Dict[str, Dict[str, str]]:
    return {str(name): dict(some) for name, some in found.get(key, {}).items()}
