"""Libraries with threads and random numbers of their own: a fork that imports them has what a process of its own has."""

from __future__ import annotations

import ctypes.util
import json
from collections.abc import Iterator

import pytest

from tests.integration.faithful.programs import script
from tests.integration.faithful.template import CLEAN, DEADLINE_S, Template, template

pytestmark = pytest.mark.one_ray

OPENMP = "import ctypes; most = ctypes.CDLL('libgomp.so.1').omp_get_max_threads"
DRAWS = """
import random
import numpy
fresh, fixed = random.Random(), random.Random(0)
generator, known = numpy.random.default_rng(), numpy.random.default_rng(0)
"""
# Ray sets the variable right before a task's own code runs, which imports what it needs.
NUMBERS = """
import json, os, sys, threading
there = [name for name in ("numpy", "with_openmp", "with_draws") if name in sys.modules]
if len(sys.argv) > 1:
    os.environ["OMP_NUM_THREADS"] = sys.argv[1]
import with_draws
import ctypes, numpy
path = next(line.split()[-1] for line in open("/proc/self/maps") if "openblas" in line)
blas = ctypes.CDLL(path)
get = next(getattr(blas, name) for name in ("scipy_openblas_get_num_threads64_", "openblas_get_num_threads64_",
           "openblas_get_num_threads") if hasattr(blas, name))
found = [get()]
if os.environ.get("WITH_OPENMP"):
    import with_openmp
    threads = [threading.Thread(target=lambda: found.append(with_openmp.most())) for _ in range(2)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    found.append(with_openmp.most())
print(json.dumps([there, found, len(os.listdir("/proc/self/task"))]))
"""


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    """A template that has imported them."""
    pytest.importorskip("numpy")
    folder = tmp_path_factory.mktemp("libraries")
    script(folder, OPENMP, "with_openmp.py")
    script(folder, DRAWS, "with_draws.py")
    names = ["with_draws", *(["with_openmp"] if ctypes.util.find_library("gomp") else [])]
    with template(*names, env=CLEAN | {"PYTHONPATH": str(folder)}) as made:
        assert set(names) <= set(made.order()["loaded"])
        yield made


def _env(libraries: Template, **more: str) -> dict[str, str]:
    openmp = {"WITH_OPENMP": "1"} if "with_openmp" in libraries.modules else {}
    return {**libraries.env, **openmp, **more}


@pytest.mark.parametrize(
    "given", [{}, {"OMP_NUM_THREADS": "1"}, {"OMP_NUM_THREADS": "2"}, {"OPENBLAS_NUM_THREADS": "1"}]
)
@pytest.mark.parametrize("later", [[], ["1"], ["2"], ["7"]])
def test_threads_are_as_many_as_in_a_process_of_its_own(
    libraries: Template, given: dict[str, str], later: list[str]
) -> None:
    path = script(libraries.home, NUMBERS)
    options = {"env": _env(libraries, **given)}
    forked, real = libraries.both(path, *later, **options)
    assert forked.value[:2] == real.value[:2]
    assert forked.value[0] == []


def test_generators_that_a_module_made_differ_in_every_fork_unless_it_seeded_them(libraries: Template) -> None:
    code = (
        "import json, with_draws as w\n"
        "print(json.dumps([w.fresh.random(), w.generator.random(), w.fixed.random(), w.known.random()]))"
    )
    processes = [libraries.popen("-c", code, env=_env(libraries)) for _ in range(3)]
    found = [json.loads(process.communicate(timeout=DEADLINE_S)[0]) for process in processes]
    real = libraries.real("-c", code, env=_env(libraries)).value
    assert len({each[0] for each in found}) == len({each[1] for each in found}) == 3
    assert all(each[2:] == real[2:] for each in found)


@pytest.mark.parametrize("number", ["1", "2", "7"])
def test_a_library_that_somebody_else_has_loaded_has_its_threads_too(libraries: Template, number: str) -> None:
    if "with_openmp" not in libraries.modules:
        pytest.skip("this system has no OpenMP")
    code = "import ctypes, json; print(json.dumps(ctypes.CDLL('libgomp.so.1').omp_get_max_threads()))"
    forked, real = libraries.both("-c", code, env=_env(libraries, OMP_NUM_THREADS=number))
    assert forked.value == real.value == int(number)
