"""What the template has imported, how it came there, and what each fork must have of its own of it."""

import functools
import gc
import itertools
import os
import sys
import time
from typing import Any, Callable, Dict, List, Sequence

from ..common import collector
from . import importer, memory, modules, randomness, ray_bytecode, shelf, threadpools, variables


class Imported:
    """`turn` handles what happens while modules are imported; `unsafe` is called with a name, and why the template
    cannot go on with that module."""

    def __init__(
        self,
        settings: Dict[str, Any],
        say: Callable[[str], None],
        turn: Callable[[int], Any],
        poll: Any,
        unsafe: Callable[[str, str], None],
    ) -> None:
        self._settings = settings
        self._say = say
        self._unsafe = unsafe
        given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        own = {os.path.abspath(entry) for entry in given if entry}
        # Without what this process was given itself, which stands in front.
        self.site_path = list(itertools.dropwhile(own.__contains__, sys.path))
        self._ray = ray_bytecode.package(self.site_path)
        self._codes = ray_bytecode.Codes()
        self.variables = variables.Variables()
        self._threads = threadpools.Pools()
        self._seeds = randomness.Seeds()
        self._shelf = shelf.Shelf()
        self._shelf.when_imported("numpy", self._seeds.renew_numpys)
        self._shelf.when_imported("torch", functools.partial(randomness.fresh_torch, self._shelf.modules))
        self._shelf.when_imported("numexpr", functools.partial(threadpools.fresh_numexpr, self._shelf.modules))
        self._shelf.stand_first()
        self._memory = memory.Memory()
        self._settled = 0
        self._tidy = True
        users = [entry for entry in own if not ray_bytecode.package([entry])]  # not where Ray itself is found
        known = importer.Memory(f"{os.path.dirname(settings['learned'])}/tried.json", importer.stamp(settings))
        self._importer = importer.Importer(say, known, users, self._shelf.modules, self._threads.check, turn, poll)

    @property
    def names(self) -> List[str]:
        return [*sys.modules, *self._shelf.modules]

    @property
    def failed(self) -> Dict[str, str]:
        """What is not here, and why."""
        return self._importer.failed

    # --- in the template ----------------------------------------------------------------------------------------------

    def warm_up(self, warm: Callable[[], None]) -> None:
        """First what is named, or known to do no harm, then `warm`. What has been learned and must be tried keeps
        nobody waiting."""
        began = time.monotonic()
        self.load(modules.BASE, trusted=True)
        with modules.search(self._settings["vendored"]):
            self.load(modules.VENDORED, trusted=True)
        learned = [*modules.TRIED, *modules.read_learned(self._settings["learned"])]
        self.load(self._importer.proven(learned))
        with modules.search([os.getcwd()]):
            self.load(self._settings["modules"], asked_for=True)
        with collector.resting():
            read = self._codes.read(self._ray) if self._ray else 0
        self._settle()
        warm()
        self.load(learned)
        self._say(f"warm after {time.monotonic() - began:.2f} s: {self._settled} modules, {read} files of Ray read")

    def load(self, names: Sequence[str], asked_for: bool = False, trusted: bool = False) -> None:
        """Import more modules; one that makes this template unsafe is told of."""
        self._shelf.open()
        with collector.resting(), self._threads.held_back(), self.variables.watched(), self._seeds.watched():
            try:
                self._importer.load(names, asked_for, trusted)
            except importer.Unsafe as unsafe:
                name, why = unsafe.args
                self._say(f"{name} is left out from now on: {why}")
                self._importer.refuse(name, why)
                self._unsafe(name, why)
        self._shelve()
        if self._settled and self._settled != len(self.names):
            self._settle()

    def _shelve(self) -> None:
        """What has effects when it is imported has them in each fork that imports it."""
        self._threads.find()
        self._seeds.find()
        for owner, pools in self._threads.take():
            # Others may need the same library, and would have loaded it themselves.
            for unit in ("", "numpy", self._shelf.unit(owner)):
                self._shelf.when_imported(unit, functools.partial(threadpools.set_numbers, pools))
        self._shelf.put()

    def _settle(self) -> None:
        """What is here from now on is shared by all forks: the collector would touch, and so copy, every page."""
        self._settled = len(self.names)
        gc.collect()
        self._memory.fill_gaps()
        gc.freeze()
        self._tidy = False

    def tidy(self) -> None:
        """To be done when nothing else is."""
        if not self._tidy:
            memory.unmap_files()
            self._tidy = True

    # --- in a fork ----------------------------------------------------------------------------------------------------

    def leave(self) -> None:
        """Look on no longer."""
        for watching in (self.variables, self._threads, self._seeds):
            watching.leave()

    def renew(self) -> None:
        """Generators of random numbers that modules have made."""
        self._seeds.renew()

    def arm(self) -> None:
        """From here on what is imported is the program's, and so is its garbage: this fork may have been made amid
        imports."""
        gc.enable()
        sys.meta_path.insert(0, self._codes)
        if not self._shelf.complete:
            self._shelve()
        self._shelf.arm()
