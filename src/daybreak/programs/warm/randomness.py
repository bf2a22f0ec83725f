"""Random state that modules made when they were imported: what the system has seeded is seeded anew in every fork, what
was seeded with a number stays as it is.
"""

import contextlib
import gc
import random
import sys
import weakref
from typing import Any, Dict, Iterator, List, Mapping, Set

# The bytes that numpy takes from the system for a generator.
ENTROPY = 16
# What torch's generator begins with where the system does not seed it.
TORCHS_SEED = 67280421310721


class Seeds:
    """The generators in the template's memory."""

    def __init__(self) -> None:
        source: Any = random
        self._before = (random.Random.seed, random.Random.setstate, source._urandom)
        self._random: Dict[int, Any] = {}
        self._drawn: Set[int] = set()
        self._fresh = False
        self._numpy: List[Any] = []

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Meanwhile it is written down which generators are seeded with nothing."""
        before = self._before

        def seed(which: Any, a: Any = None, version: int = 2) -> Any:
            self._random.pop(id(which), None)
            if a is None:
                with contextlib.suppress(TypeError):
                    self._random[id(which)] = weakref.ref(which)
            return before[0](which, a, version)

        def setstate(which: Any, state: Any) -> Any:
            self._random.pop(id(which), None)
            return before[1](which, state)

        def urandom(size: int) -> bytes:
            drawn: bytes = before[2](size)
            if size == ENTROPY:
                self._drawn.add(int.from_bytes(drawn, "big"))
                self._fresh = True
            return drawn

        self._put(seed, setstate, urandom)
        try:
            yield
        finally:
            self.leave()

    def leave(self) -> None:
        """Write down no longer: also in a fork that is made meanwhile."""
        self._put(*self._before)

    @staticmethod
    def _put(*calls: Any) -> None:
        kind: Any = random.Random
        source: Any = random
        kind.seed, kind.setstate, source._urandom = calls

    def find(self) -> None:
        """Look for numpy's generators that the system has seeded, before the collector forgets where they are."""
        module: Any = sys.modules.get("numpy.random")
        kind = getattr(module, "BitGenerator", None)
        if self._fresh and kind is not None:
            # By its type: what merely stands for another object may be asked no more when that is gone.
            self._numpy += [each for each in gc.get_objects() if issubclass(type(each), kind) and self._is_ours(each)]
            self._fresh = False

    def _is_ours(self, generator: Any) -> bool:
        sequence = getattr(generator, "seed_seq", None) or getattr(generator, "_seed_seq", None)
        entropy = getattr(sequence, "entropy", None)
        return (
            isinstance(entropy, int) and entropy in self._drawn and not any(generator is known for known in self._numpy)
        )

    def renew(self) -> None:
        """In a fork. Python's own global generator has been seeded anew by the fork itself."""
        for reference in self._random.values():
            which = reference()
            if which is not None:
                which.seed()

    def renew_numpys(self) -> None:
        """In a fork, when it imports numpy. Its global generator is one of them."""
        for generator in self._numpy:
            generator.__init__()


def fresh_torch(modules: Mapping[str, Any]) -> None:
    """In a fork that imports it. Where its generator begins with the same number in every process, it does so here."""
    generator = modules["torch"].default_generator
    if generator.initial_seed() != TORCHS_SEED:
        generator.seed()
