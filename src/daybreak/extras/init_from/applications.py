"""Serve applications, from the commands that deploy them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import yaml

from daybreak.extras.init_from.compose import DONE, ComposeService, Project
from daybreak.extras.init_from.draft import Draft, Fate, without_nothing
from daybreak.extras.init_from.environment import Reach, of_node
from daybreak.extras.init_from.kinds import Kind, Known
from daybreak.extras.init_from.ray_commands import ServeRun

OF_COURSE = frozenset(("address", "a", "app-dir", "route-prefix", "name", "blocking", "non-blocking", "host", "port"))


def bring_applications(draft: Draft, project: Project, known: Mapping[str, Known], reach: Reach) -> None:
    """The section `serve`; one Serve config file, or applications by import path."""
    for one in known.values():
        if one.kind not in (Kind.SERVE, Kind.HEAD, Kind.WORKER):
            continue
        for run in one.asked.serves:
            _bring(draft, one.service, run)
        if one.kind is Kind.SERVE:
            _beside(draft, project, one, reach)


def _bring(draft: Draft, service: ComposeService, run: ServeRun) -> None:
    serve = draft.section("serve")
    fate = draft.fate(service.name)
    if run.is_config:
        if serve:
            fate.notes.append(f"{run.target}: a cluster has one Serve config file, or applications; put it into that")
            fate.reason = "" if fate.became else "see the note"
            return
        serve["config"] = str(
            PurePosixPath(
                service.build.context or ".",
                run.target.rpartition("/")[2] if run.target.startswith("/") else run.target,
            )
        )
        draft.became(service.name, "serve.config")
        return
    if "config" in serve:
        fate.notes.append(f"{run.target}: put it into {serve['config']}")
        fate.reason = "" if fate.became else "see the note"
        return
    applications: list[dict[str, Any]] = serve.setdefault("applications", [])
    applications.append(_application(service, run, applications, fate))
    draft.became(service.name, f"serve.applications ({applications[-1]['import']})")


def _application(service: ComposeService, run: ServeRun, others: list[dict[str, Any]], fate: Fate) -> dict[str, Any]:
    route = run.options.get("route-prefix") or ("/" if not any(one.get("route", "/") == "/" for one in others) else "")
    unknown = [f"--{name}" for name in run.options if name not in OF_COURSE]
    if unknown:
        fate.notes.append(f"not carried over: {', '.join(unknown)}")
    return without_nothing(
        {
            "import": _importable(service, run, fate),
            "name": run.options.get("name") or (service.name if others else None),
            "route": (route or f"/{service.name}") if route != "/" else None,
            "args": {key: yaml.safe_load(value) for key, value in run.arguments.items()},
        }
    )


def _importable(service: ComposeService, run: ServeRun, fate: Fate) -> str:
    """Imports count from the spec's folder, and not from that of the image."""
    folder = PurePosixPath(service.build.context or ".", run.options.get("app-dir", "."))
    if str(folder) == "." or folder.is_absolute() or ".." in folder.parts:
        return run.target
    dotted = ".".join(folder.parts)
    if not all(part.isidentifier() for part in folder.parts):
        fate.notes.append(f"{run.target} lies in {folder}, which is no package's name: rename the folder")
        return run.target
    fate.notes.append(f"imports count from the spec's folder: modules beside {run.target} are {dotted}.NAME")
    return f"{dotted}.{run.target}"


def _beside(draft: Draft, project: Project, one: Known, reach: Reach) -> None:
    """What a service that only deploys says besides: variables of the application, and what it waits for."""
    fate = draft.fate(one.service.name)
    section = of_node(draft, project, one.service, reach)
    for place in ("head", "workers") if section else ():
        node = draft.section(place)
        for key, value in section.items():
            if isinstance(value, dict):
                node[key] = {**node.get(key, {}), **value}
            else:
                node[key] = [*node.get(key, ()), *(each for each in value if each not in node.get(key, ()))]
    if section:
        fate.notes.append("its variables are those of the nodes here: the application runs there")
    steps = {need: "done" for need, condition in one.service.needs.items() if condition == DONE}
    if steps and "serve" in draft.spec:
        draft.section("serve")["needs"] = {**draft.spec["serve"].get("needs", {}), **steps}
    for words in one.asked.rest:
        fate.notes.append(f"not run: {' '.join(words)[:80]}")
