"""Makes an environment small: removes what no cluster of its kind runs, strips its libraries, compiles its modules.

    python3 -m recipe.slim /opt/ray

What goes is named here, and nothing else goes. A part of Ray that needs a package of its own stays where that package
is installed: who puts `ray[data]` into the requirements has Ray Data in the image.
"""

import compileall
import os
import py_compile
import re
import shutil
import sys
from pathlib import Path

from .elf import stripped

# Folder of site-packages, and the package without which it cannot be imported (None: of use to other languages only).
PARTS = {
    "ray/jars": None,
    "ray/cpp": None,
    "ray/rllib": "gymnasium",
    "ray/llm": "vllm",
    "ray/data": "pyarrow",
    "ray/train": "pyarrow",
    "ray/tune": "pyarrow",
}
# Type hints, sources of compiled modules, maps of the dashboard's scripts, programs for Windows.
FILES = re.compile(r"\.(map|pyi|pxd|pyx|pxi|h|hpp|hh|c|cc|cpp|a|exe)$")
# Tests, and lists of what a package was built from. Licences stay.
FOLDERS = re.compile(r"^(tests|test|sboms)$")
# These are imported together with what their tests use.
KEEP_TESTS = re.compile(r"^(pandas|sklearn|scipy|torch|numba|sympy)\b")
# What is not compiled in advance, because nothing that a cluster starts imports it: clouds' clients and launchers, what
# makes environments for `runtime_env`, numpy's tools. An import compiles them in memory, every time.
RARELY = re.compile(
    r"/(ray/autoscaler/(_private/(aws|azure|gcp|vsphere|aliyun|local|kuberay)|aws|azure|gcp|vsphere|aliyun)"
    r"|ray/(air|workflow|experimental/(sandbox|array|raysort))|ray/util/(spark|dask|joblib|collective|sgd|xgboost|lightgbm)"
    r"|google/(auth|api_core|oauth2|api|cloud|logging|rpc|longrunning|type|gapic)|proto|pyasn1|pyasn1_modules|smart_open"
    r"|virtualenv|distlib|python_discovery|cffi|pycparser|cryptography|opentelemetry/semconv|websockets/legacy"
    r"|numpy/(f2py|distutils|testing|typing|polynomial|_pyinstaller))/"
)


def installed(site: Path, package: str) -> bool:
    return (site / package).exists() or (site / f"{package}.py").exists()


def remove_parts(site: Path) -> None:
    for part, needs in PARTS.items():
        if needs is None or not installed(site, needs):
            shutil.rmtree(site / part, ignore_errors=True)


def remove_files(site: Path) -> None:
    for folder, folders, names in os.walk(site):
        inside = os.path.relpath(folder, site)
        if not KEEP_TESTS.match(inside):
            for name in [name for name in folders if FOLDERS.match(name) and inside != "."]:
                shutil.rmtree(os.path.join(folder, name))
                folders.remove(name)
        for name in names:
            if FILES.search(name):
                os.unlink(os.path.join(folder, name))


def strip_all(prefix: Path) -> None:
    for folder, _, names in os.walk(prefix):
        for name in names:
            path = Path(folder, name)
            if path.is_symlink() or path.stat().st_size < 4096:
                continue
            with open(path, "rb") as file:
                if file.read(4) != b"\x7fELF":
                    continue
            smaller = stripped(path.read_bytes())
            if smaller is not None:
                path.write_bytes(smaller)


def compile_all(site: Path) -> None:
    """The marks of these files say that they are never compared with their sources: a layer's times may be rewritten,
    and the account that runs them could not write new ones."""
    compileall.compile_dir(
        str(site), rx=RARELY, quiet=2, workers=0, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )


def main() -> None:
    prefix = Path(sys.argv[1])
    for site in prefix.glob("lib/python3*/site-packages"):
        remove_parts(site)
        remove_files(site)
        compile_all(site)
    strip_all(prefix)


if __name__ == "__main__":
    main()
