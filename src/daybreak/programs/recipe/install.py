"""Installs Ray and the requirements into /opt/ray; run by the interpreter of the image that is built on.

Where that image has a Ray of its own, as the official ones have, its versions are taken over: they are what the
application has been tested with. What the requirements name themselves is left to them.
"""

import importlib.metadata
import os
import re
import subprocess
import sys

# What is installed where neither the base nor the caller says which.
DEFAULT = "2.60.0"
EXTRAS = "default,serve"
# The first process of the container; its wheel holds one small static program.
INIT = "dumb-init>=1.2.5"
# A version that pip's index can have: conda and local builds have others, which pip could not even read.
PLAIN = re.compile(r"\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?$")
PIP = "/opt/pip/bin/pip"
TARGET = "/opt/ray/bin/python"


def normal(name: str) -> str:
    """A distribution's name as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed() -> "dict[str, str]":
    """Version by normal name of every distribution that this interpreter has."""
    rows = [(dist.metadata["Name"], dist.version) for dist in importlib.metadata.distributions()]
    return {normal(name): version for name, version in rows if name}


def named(text: str) -> "set[str]":
    """The distributions that a requirements file names itself; lines with options and addresses count for none."""
    heads = (re.match(r"\s*([A-Za-z0-9][\w.-]*)", line) for line in text.splitlines())
    return {normal(head.group(1)) for head in heads if head}


def ray_version(asked: str, present: "str | None") -> str:
    """The version to install. Raises ValueError where the base has another one than was asked for."""
    if asked and present and asked != present:
        raise ValueError(f"Ray {asked} was asked for, but the base image has Ray {present}: choose another base")
    return asked or present or DEFAULT


def pins(present: "dict[str, str]", own: "set[str]") -> "list[str]":
    """Constraints that keep the base's versions; none where the base has no Ray of its own."""
    if "ray" not in present:
        return []
    kept = {name: version for name, version in present.items() if name not in own and PLAIN.match(version)}
    return [f"{name}=={version}" for name, version in sorted(kept.items())]


def _text(path: str) -> str:
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.read()


def main() -> "str | int":
    present = installed()
    try:
        version = ray_version(os.environ.get("RAY_VERSION", ""), present.get("ray"))
    except ValueError as error:
        return str(error)
    own = named(_text("requirements.txt")) | named(_text("constraints.txt"))
    with open("pins.txt", "w", encoding="utf-8") as file:
        file.write("\n".join(pins(present, own | {"ray", "pip", "setuptools", "wheel"})))
    command = [PIP, "--python", TARGET, "install", "--no-compile", "--disable-pip-version-check", "--no-input"]
    command += ["--constraint", "pins.txt", f"ray[{EXTRAS}]=={version}", INIT]
    for option, name in (("--requirement", "requirements.txt"), ("--constraint", "constraints.txt")):
        if os.path.exists(name):
            command += [option, name]
    # The settings of the base's own account do not count.
    return subprocess.call(command, env={**os.environ, "HOME": "/root"})


if __name__ == "__main__":
    sys.exit(main())
