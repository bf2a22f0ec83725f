"""The warm template as a service, and what the others need to be forked from it. Pure."""

from __future__ import annotations

import json
import shlex

from daybreak.names import HOLD_S
from daybreak.programs.warm import registry
from daybreak.services.container_site import program
from daybreak.services.databases.connections import connection_env, no_proxy_env
from daybreak.services.service import (
    ConfigFile,
    DeployCheck,
    EnvValue,
    Gate,
    HealthPolicy,
    Need,
    Restart,
    Service,
    StopPolicy,
    Tier,
)
from daybreak.services.site import Site
from daybreak.spec.groups import by_group
from daybreak.spec.model import Spec
from daybreak.states import Stage

WARM = "warm"
PROGRAMS = "programs/warm"
PREPARE = "import sys; sys.path.insert(0, {!r}); import launcher;"
# Longer than a path in the first line of a script may be on every kernel that we know.
LONGEST_INTERPRETER = 120


def folder(site: Site) -> str:
    """Where the template's socket is, and the files by which it is watched."""
    return f"{site.runtime}/warm"


def launcher(site: Site) -> str:
    """What Ray takes for its interpreter. Not in the runtime folder: /tmp may forbid programs.

    Who takes the folder above for an environment finds nothing of the cluster's there: secrets and data lie elsewhere.
    """
    return f"{site.root}/warm/bin/python"


def python(spec: Spec, site: Site) -> str:
    """The interpreter for Ray's processes."""
    return launcher(site) if spec.warm.enabled else site.ray.python


def can_start_scripts(site: Site) -> bool:
    """Can the kernel start a script with Ray's interpreter in its first line?"""
    return len(site.ray.python) <= LONGEST_INTERPRETER and " " not in site.ray.python


def needs(spec: Spec) -> tuple[Need, ...]:
    """The template listens before what is forked from it starts; where it does not, they start cold."""
    return (Need(WARM, "listening", order_only=True),) if spec.warm.enabled else ()


def waits_for_serve(spec: Spec, site: Site) -> bool:
    """Can what the applications do not need wait for them? A Serve config goes through the dashboard, which cannot."""
    return bool(spec.serve.applications) and site.ray.serves_without_agents


def template(spec: Spec, site: Site) -> Service:
    """The template. A restart leaves it alone; other packages, or other modules in the spec, replace it."""
    place = folder(site)
    # The engine writes files into a container as root: none into the folder that is the node's own.
    settings = f"{site.root}/warm/settings.json" if site.node else f"{place}/settings.json"
    state = f"{place}/{registry.STATE}"
    return Service(
        name=WARM,
        tier=Tier.WARM,
        argv=(site.ray.python, program(site, f"{PROGRAMS}/template.py"), settings),
        cwd=site.base,
        env=environment(spec, site),
        gates=(
            Gate("listening", DeployCheck(state, Stage.SUBMITTED)),
            Gate("imported", DeployCheck(state, Stage.RUNNING)),
        ),
        health=HealthPolicy(),
        start_timeout_s=60.0,
        stop=StopPolicy(grace_s=2.0, alone=True),
        restart=Restart.ALWAYS,
        optional=True,
        folders=(place,),
        files=(
            ConfigFile(settings, json.dumps(_settings(spec, site), indent=1)),
            ConfigFile(launcher(site), _script(site), mode=0o700),
        ),
    )


def environment(spec: Spec, site: Site) -> dict[str, EnvValue]:
    """What all nodes have: modules that read it when they are imported find it in the template, too. A container's
    template has the environment of its container."""
    if site.node:
        return {}
    own = [spec.head.env, *(group.env for group in by_group(spec.workers).values() if group.count)]
    common = {name: value for name, value in spec.head.env.items() if all(env.get(name) == value for env in own)}
    return {**no_proxy_env(spec, site), **connection_env(spec, site), **common}


def _settings(spec: Spec, site: Site) -> dict[str, object]:
    return {
        "folder": folder(site),
        "real": site.ray.python,
        "modules": list(spec.warm.modules),
        "learned": f"{site.runtime}/learned.json" if site.node else f"{site.root}/warm/learned.json",
        # What the keeper tells the machine's one template, each node's own begins with.
        "hold_s": HOLD_S if site.node and waits_for_serve(spec, site) else 0.0,
        "vendored": list(site.ray.vendored),
        # Not read by the template: a difference replaces it.
        "packages": site.ray.packages,
        "own_modules": dict(site.own_modules),
        "environment": site.environment,
        "instance": "@INSTANCE@",
    }


def _script(site: Site) -> str:
    """A Python program where the kernel can start it as one, else a shell's."""
    homes = tuple(f"{folder}/" for folder in (site.ray.package, program(site, "programs")) if folder)
    shell = (site.small_shell, program(site, f"{PROGRAMS}/stand.sh")) if site.small_shell else ()
    given = (site.ray.python, launcher(site), folder(site), homes, shell)
    text = f"{PREPARE.format(program(site, PROGRAMS))} launcher.main({', '.join(map(repr, given))})"
    if can_start_scripts(site):
        return f"#!{site.ray.python} -IS\n{text}\n"
    return f'#!/bin/sh\nexec {shlex.join([site.ray.python, "-IS", "-c", text])} "$@"\n'
