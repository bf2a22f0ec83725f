"""Deployments whose code is what runs already: they keep their replicas while others of their application are replaced.

Serve replaces a deployment's replicas where its version is another one, and gives each one a new version whenever it is
deployed. Here a version is given instead: that of before where nothing differs that a replica is made of. A replica is
made of what Serve sends it, the pickled class and its arguments, and of the modules that these name, or import while
they run, with all that they import. The file in which a class is written counts as far as the class itself differs: it
is sent by value.
"""

import hashlib
import os
from typing import Any, Dict, Mapping, Sequence, Set

from .imports import OwnFiles
from .pickled import Reader
from .sources import digest_of

PARTS = ("serialized_deployment_def", "serialized_init_args", "serialized_init_kwargs")

Versions = Dict[str, Dict[str, str]]


class Unchanged:
    """One deployment of applications from the `folder`, whose files are `own`. `files` are those that it is made of, as
    they were then: their digests by their paths from the folder, some of them elsewhere. `before` are the versions
    that are known, by application and deployment: what Serve was told last, and what ran last, where that has failed;
    `anew` makes a version that nothing has had."""

    def __init__(
        self, folder: str, own: OwnFiles, files: Mapping[str, str], before: Sequence[Versions], anew: str
    ) -> None:
        self._folder = folder
        self._files = own
        self._imported = files
        self._before = before
        self._anew = anew
        self.versions: Versions = {}
        # Those that keep their replicas, by application.
        self.kept: Dict[str, Set[str]] = {}

    def mark(self, built: Any, *, all_anew: bool) -> None:
        """Give the deployments of an application that Serve has just built their versions; nothing where this Ray's
        Serve has no place for them. With `all_anew` every replica is replaced."""
        names = self.versions.setdefault(built.name, {})
        kept = self.kept.setdefault(built.name, set())
        for deployment in built.deployments:
            if not hasattr(deployment, "_version"):
                return
            made_of = self._fingerprint(deployment)
            known = [some.get(built.name, {}).get(deployment.name, "") for some in self._before]
            same = [one for one in known if made_of and one.partition(":")[0] == made_of and not all_anew]
            names[deployment.name] = deployment._version = same[0] if same else f"{made_of}:{self._anew}"
            if same:
                kept.add(deployment.name)

    def _fingerprint(self, deployment: Any) -> str:
        """What a replica is made of; empty where nobody can tell, which is like nothing before."""
        try:
            pickles = [getattr(deployment._replica_config, part) for part in PARTS]
            readers = [Reader(pickled) for pickled in pickles if pickled]
            told = hashlib.sha256("".join(reader.digest() for reader in readers).encode())
        except Exception:  # another Ray has it elsewhere
            return ""
        everything = {os.path.join(self._folder, name) for name in self._imported}
        for file in sorted(self._made_of(readers, everything)):
            name = os.path.relpath(file, self._folder)
            told.update(f"{name}\0{self._imported.get(name) or digest_of(file)}\0".encode())
        return told.hexdigest()[:16]

    def _made_of(self, readers: Sequence[Reader], everything: Set[str]) -> Set[str]:
        modules = {name for reader in readers for name in reader.modules if self._files.file_of(name)}
        for code in (code for reader in readers for code in reader.codes):
            imported, dynamic = self._files.imported_by(code)
            if dynamic:
                return everything
            modules |= imported
        return self._files.behind(modules, lambda: everything)
