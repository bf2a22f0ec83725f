"""Variables that a fork cannot change any more: the interpreter, a C library or a module has read them.

What a module reads while the template imports it is written down by name, and kept with the value that the template
itself was started with. A program for which one of these has another value gets the real interpreter: there each
library reads its own.
"""

import collections
import contextlib
import hashlib
import os
import sys
from typing import Any, Container, Deque, Dict, Iterator, List, Mapping, Optional, Sequence, Set

from .threadpools import QUIET
from .threadpools import VARIABLES as THREADS

# Read by an interpreter when it starts.
INTERPRETER = ("PYTHON", "LD_", "LC_", "MALLOC_", "GLIBC_")
# Read by C libraries when they are loaded: nobody sees them do it.
LIBRARIES = tuple(
    """
ARROW_ BLIS_ DNNL_ GLOG_ GOMP_ GOTO_ GRPC_ JE_ KMP_ MIMALLOC_ MKL_ NPY_ OMP_ ONEDNN_ OPENBLAS_ OPENCV_ OPENSSL_ PYTORCH_
SSL_CERT TF_ TORCH_ XLA_ _RJEM_
""".split()
)
NAMES = ("LANG", "LANGUAGE")
# Those of the above that a fork does take over.
TAKEN_OVER = ("PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONBREAKPOINT", "PYTHONASYNCIODEBUG", *THREADS)
RAYS_ALLOCATOR = "/ray/core/libjemalloc.so"
# Through these a module goes through all variables.
MAPPINGS = frozenset(("os", "collections_abc", "collections", "copy", "variables", "daybreak"))
# Read or not, a difference is no reason. Ray's and daybreak's own say something else to every process. Of the search
# paths, the folder for temporary files and the numbers of threads a fork makes its own. The rest a shell tells its
# children about itself.
OWN_PREFIXES = ("RAY_", "DAYBREAK_")
OWN = frozenset(("PATH", "PYTHONPATH", "PYTHONUNBUFFERED", "TMPDIR", *THREADS, "PWD", "OLDPWD", "SHLVL", "_"))


def frozen(env: Mapping[str, str]) -> Dict[str, str]:
    """The part of an environment that is read where nobody sees it.

    An empty value is as good as none, and so is the allocator that Ray preloads for its servers: its Python processes
    get it only because they are started in the same way.
    """
    return {
        name: value
        for name, value in env.items()
        if (name.startswith((*INTERPRETER, *LIBRARIES)) or name in NAMES)
        and name not in TAKEN_OVER
        and value
        and not value.endswith(RAYS_ALLOCATOR)
    }


def counts(name: str) -> bool:
    """Is it a reason where it has been read?"""
    return name not in OWN and not name.startswith(OWN_PREFIXES)


def mark(value: Optional[str]) -> Optional[str]:
    """Tells values apart, and nothing else of them."""
    return None if value is None else hashlib.sha256(os.fsencode(value)).hexdigest()[:16]


def still_fits(
    marks: Mapping[str, Optional[str]], env: Mapping[str, str], but: Container[str], prefixes: Sequence[str] = ()
) -> bool:
    """Whether a template with these `marks` and `prefixes` fits programs with this environment, `but` for names that do
    not count."""
    names = {*marks, *frozen(env), *beginning(env, prefixes)}
    return all(name in but or mark(env.get(name)) == marks.get(name) for name in names)


def beginning(env: Mapping[str, str], prefixes: Sequence[str]) -> Iterator[str]:
    """The names that begin with one of these, and count."""
    given = tuple(prefixes)
    return (name for name in env if name.startswith(given) and counts(name)) if given else iter(())


def prefix_of(frame: Any) -> Optional[str]:
    """What the variables begin with that are meant for the package that runs here: `NUMBA_` for numba.core.config."""
    while frame is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0].strip("_")
        if package in ("main", ""):
            return None
        if package not in MAPPINGS:
            return "".join(char if char.isalnum() else "_" for char in package.upper()) + "_"
        frame = frame.f_back
    return None


class Variables:
    """The template's environment, and which of it has been read."""

    def __init__(self) -> None:
        self.given = dict(os.environ)
        self._frozen = frozen(self.given)
        self._read: Set[str] = set()
        self._prefixes: Set[str] = set()
        self._kind: Any = type(os.environ)
        self._methods = (self._kind.__getitem__, self._kind.__iter__)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Meanwhile every variable that is asked for is written down, also one that is not set.

        All ways to ask end in these two methods. Who goes through all of them, and then takes each in turn, asks for
        none in particular: a package that does so looks for those that begin with its own name.
        """
        get, each = self._methods
        in_turn: Deque[Any] = collections.deque()

        def asked(environ: Any, name: Any) -> Any:
            if in_turn and in_turn[0] == name:
                in_turn.popleft()
            elif isinstance(name, (str, bytes)):
                self._read.add(os.fsdecode(name))
            return get(environ, name)

        def all_of(environ: Any) -> Iterator[Any]:
            in_turn.clear()
            prefix = prefix_of(sys._getframe(1))
            if prefix:
                self._prefixes.add(prefix)
            for name in each(environ):
                in_turn.append(name)
                yield name

        self._kind.__getitem__, self._kind.__iter__ = asked, all_of
        try:
            yield
        finally:
            self.leave()

    def leave(self) -> None:
        """Look on no longer: also in a fork that is made meanwhile."""
        self._kind.__getitem__, self._kind.__iter__ = self._methods

    def differing(self, env: Mapping[str, str]) -> List[str]:
        """The names that keep a program with this environment from being forked."""
        theirs, ours = frozen(env), self._frozen
        unseen = {name for name in {*theirs, *ours} if theirs.get(name) != ours.get(name)}
        read = {*filter(counts, self._read), *self._meant({**self.given, **env})}
        return sorted(unseen | {name for name in read if env.get(name) != self.given.get(name)})

    def _meant(self, env: Mapping[str, str]) -> Iterator[str]:
        return beginning(env, self.prefixes())

    def prefixes(self) -> List[str]:
        """What the variables begin with that packages have looked for among all."""
        return sorted(self._prefixes)

    def marks(self) -> Dict[str, Optional[str]]:
        """What matters of the template's environment; the values are not told. Another one needs another template."""
        names = {*filter(counts, self._read), *self._meant(self.given), *self._frozen}
        return {name: mark(self.given.get(name)) for name in sorted(names)}

    def made(self, env: Mapping[bytes, bytes]) -> Dict[bytes, bytes]:
        """What modules have set when they were imported, for a program with this environment: where neither it nor the
        template had anything. Other libraries, and children, look for that."""
        ours = {*self.given, *THREADS, *QUIET}
        made = {os.fsencode(name): value for name, value in os.environ.items() if name not in ours}
        return {name: os.fsencode(value) for name, value in made.items() if name not in env}
