"""What the packages of an image weigh, as JSON: bytes by distribution. Run in the image by its own interpreter.

Files in its environment that no distribution has listed count as `(other)`.
"""

import importlib.metadata
import json
import os
import re
import sys
from typing import Any, Dict

_COMPILED = re.compile(r"(.*)/__pycache__/([^/]+?)\.[a-z]+-\d+(\.opt-\d)?\.pyc$")


def owners() -> "Dict[str, str]":
    """The distribution that every file belongs to."""
    found: Dict[str, str] = {}
    for dist in importlib.metadata.distributions():
        name = dist.metadata["Name"]
        here, label = str(dist.locate_file("")), f"{name} {dist.version}"
        found.update((os.path.normpath(os.path.join(here, str(file))), label) for file in dist.files or ())
    return found


def weights(prefix: str, owned: "Dict[str, str]") -> "Dict[str, int]":
    """Bytes by distribution of what lies below a folder; what was compiled counts with its source."""
    found: Dict[str, int] = {}
    for folder, _, names in os.walk(prefix):
        for name in names:
            path = os.path.join(folder, name)
            compiled = _COMPILED.match(path)
            source = f"{compiled.group(1)}/{compiled.group(2)}.py" if compiled else path
            owner = owned.get(source, "(other)")
            found[owner] = found.get(owner, 0) + os.lstat(path).st_size
    return found


def main() -> None:
    found: Dict[str, Any] = weights(sys.prefix, owners())
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
