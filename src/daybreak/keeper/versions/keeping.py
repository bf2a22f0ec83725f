"""Versions in the life of a cluster: kept after a good deployment, returned to on request or after a bad one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from daybreak.errors import DaybreakError, NotRunning, UsageError
from daybreak.keeper.control.request import Request
from daybreak.keeper.versions.book import Book
from daybreak.keeper.versions.choice import choose, returning_spec
from daybreak.keeper.versions.code import Code, of_version
from daybreak.keeper.versions.folder import files_of
from daybreak.keeper.versions.tree import check_out
from daybreak.keeper.versions.version import Files, Version, changes, digest_of
from daybreak.keeper.wanted.desired import Desired, Target
from daybreak.keeper.wanted.wanted_state import Kept, WantedState
from daybreak.paths import ClusterPaths
from daybreak.services.build import Cluster
from daybreak.spec.model import Spec


@dataclass
class Versions:
    """One cluster's."""

    paths: ClusterPaths
    desired: Desired

    @property
    def book(self) -> Book:
        return Book(self.paths.versions)

    # --- what a request means ----------------------------------------------------------------------------------------

    async def meant(self, request: Request, *, only_look: bool = False) -> Request:
        """The request with what a version has to do with it: one that is returned to brings its spec and environment;
        `up` leaves a version alone to which was returned, as long as the folder is what it was then.

        Raises UsageError for a version that there is not, NotRunning where the cluster was never started.
        """
        if request.op == "rollback":
            return await self._returning(request, only_look)
        state = self.desired.state
        asks_for_the_folder = request.spec is None or request.restart or request.only_running
        if state is None or state.rolled_back is None or asks_for_the_folder or request.base is None:
            return request
        assert request.spec
        if await self._left(request.spec, Path(request.base)) != state.rolled_back:
            return request
        return replace(request, spec=None, given=None, keep_workers=True)

    async def _returning(self, request: Request, only_look: bool) -> Request:
        state, cluster = self.desired.state, self.desired.cluster
        if state is None:
            raise NotRunning(self.paths.name, "there is nothing to return to")
        if cluster and _in_image(cluster):
            raise UsageError(
                "the code is in the containers' image, of which daybreak keeps no versions; nothing was changed",
                hint="with `docker: {mount_code: true}` it is the folder's; else name an earlier image: docker.image",
            )
        known = await asyncio.to_thread(self.book.all)
        version = choose(request.version, state.version, known, self.paths.name)
        base = Path(request.base or state.base)
        left = await self._left(state.spec, base)
        if not only_look:
            await self._check_out(version, base, "nothing was changed")
        return replace(
            request,
            restart=True,
            only_running=True,
            keep_workers=True,
            spec=returning_spec(version, state.spec),
            given=state.given and returning_spec(version, state.given),
            base=str(base),
            source=state.source,
            environment=version.environment,
            version=version.number,
            left=left,
        )

    async def _left(self, spec: Spec, base: Path) -> str:
        """What the folder is now; empty where nobody can tell, which is another one each time."""
        files = await asyncio.to_thread(files_of, base, spec.serve.config)
        return "" if files is None else digest_of(files, _plain(spec))

    async def _check_out(self, version: Version, base: Path, instead: str) -> None:
        """Raises DaybreakError where it cannot be written; `instead` says what is so then."""
        cluster = self.desired.cluster
        engine = cluster.site.engine if cluster else None
        seen_as = engine.code if engine else str(base)
        try:
            await asyncio.to_thread(check_out, version, self.book, self.paths, base, seen_as)
        except OSError as error:
            why = f"{self.paths.code}: {error.strerror or error}"
            raise DaybreakError(f"version {version.number} cannot be written to {why}; {instead}") from error

    async def returned(self, kept: Kept) -> WantedState:
        """What is wanted where a generation that was kept serves again; its version's folder is made, for replicas that
        it starts. Raises DaybreakError where there is no such version any more, or it does not fit."""
        state, was = self.desired.state, kept.state
        version = None if was.version is None else await asyncio.to_thread(self.book.get, was.version)
        if state is None or version is None:
            raise DaybreakError(f"there is no version {was.version} any more")
        left = await self._left(state.spec, Path(state.base))
        await self._check_out(version, Path(was.base), "it is kept no longer")
        version = replace(version, spec=_plain(was.spec))
        spec = returning_spec(version, state.spec)
        given = state.given and returning_spec(version, state.given)
        now = {"settled": False, "given_up": (), "backend": state.backend}
        return was.with_changes(spec=spec, given=given, rolled_back=left, **now)

    async def deployed_by(self, target: Target, files: Files) -> Code:
        """What other machines need for a deployment: the folder's `files`, or those of the version that it is of."""
        number = target.state.code_version
        version = None if number is None else await asyncio.to_thread(self.book.get, number)
        return of_version(version.files if version else files, self.book)

    # --- what was deployed -------------------------------------------------------------------------------------------

    async def take(self, cluster: Cluster, base: Path) -> Files | None:
        """Keep what the folder's files are now, before anything of them is deployed. Raises DaybreakError, with what
        the user should know, where that cannot be."""
        wanted = cluster.spec.versions
        if not wanted.keep or not cluster.spec.serve.wanted or _in_image(cluster):
            return None
        try:
            files = await asyncio.to_thread(self.book.take, base, cluster.spec.serve.config, wanted.max_size)
        except OSError as error:
            raise DaybreakError(f"no version is kept: {self.paths.versions}: {error.strerror or error}") from error
        return files

    async def keep(self, target: Target, files: Files, how: str) -> int:
        """The number of the version that has just been deployed with success; that of the newest one where nothing
        differs from it. Raises OSError."""
        wanted = target.cluster.spec.versions
        kept = self.desired.state.kept if self.desired.state else None

        def keep() -> int:
            known = self.book.all()
            number = known[-1].number + 1 if known else 1
            made = Version(number, time.time(), how, _plain(target.state.spec), files, target.environment)
            if known and known[-1].same_as(made):
                return known[-1].number
            self.book.add(made)
            self.book.prune(wanted.keep, wanted.max_size, but=(number, kept.state.version if kept else None))
            return number

        return await asyncio.to_thread(keep)

    async def way_back(self, before: Target, attempted: Target, files: Files | None) -> Target | None:
        """What was wanted before, from the folder of its version, where that is no longer what the spec's folder has.
        None where it is, and where no version was kept of it."""
        state = before.state
        version = None if state.version is None else await asyncio.to_thread(self.book.get, state.version)
        if version is None or state.rolled_back is not None or files is None or dict(version.files) == dict(files):
            return None
        left = digest_of(files, _plain(attempted.state.spec))
        await self._check_out(version, Path(state.base), "what is deployed again is what the folder has now")
        return await self.desired.target(state.with_changes(rolled_back=left))

    async def listed(self) -> list[dict[str, Any]]:
        """The versions as people are told of them, newest first; no value of an environment is among it."""
        state, known = self.desired.state, await asyncio.to_thread(self.book.all)
        serving = state.version if state else None
        return [_told(version, known[:index], serving) for index, version in enumerate(known)][::-1]


def _told(version: Version, before: Sequence[Version], serving: int | None) -> dict[str, Any]:
    return {
        "number": version.number,
        "wall": version.wall,
        "how": version.how,
        "changed": changes(before[-1], version) if before else [],
        "files": len(version.files),
        "size_bytes": version.size_bytes,
        "serves": version.number == serving,
    }


def _in_image(cluster: Cluster) -> bool:
    return cluster.site.engine is not None and not cluster.spec.docker.mount_code


def _plain(spec: Spec) -> dict[str, Any]:
    return spec.model_dump(mode="json", by_alias=True)
