"""What the template imports goes through here: proven first, unless it is known to do no harm."""

import importlib
import json
import os
import sys
import warnings
from typing import Any, Callable, Dict, List, Mapping, Sequence

from ..common.whole_file import write_json
from . import effects, modules, proving


class Unsafe(Exception):
    """A template that has this module (`args[0]`) cannot be forked; `args[1]` says why."""


class Memory:
    """What earlier attempts have shown, in a file; with other packages (another `stamp`) nothing of it holds.

    `good` names may be imported, `refused` ones may not, nor what lies below them. `careful`: nothing is trusted.
    """

    def __init__(self, path: str, stamp: str) -> None:
        self._path = path
        self._stamp = stamp
        self.good: Dict[str, None] = {}
        self.refused: Dict[str, str] = {}
        self.careful = False
        try:
            with open(path, encoding="utf-8") as file:
                kept = json.load(file)
            if kept["stamp"] == stamp:
                self.good = dict.fromkeys(kept["good"])
                self.refused = dict(kept["refused"])
                self.careful = bool(kept["careful"])
        except (OSError, ValueError, KeyError, TypeError):
            pass

    def save(self) -> None:
        """What cannot be written is found out again the next time."""
        kept = {"stamp": self._stamp, "good": list(self.good), "refused": self.refused, "careful": self.careful}
        try:
            write_json(self._path, kept, indent=1)
        except OSError:
            pass


class Importer:
    """Imports modules one by one, and keeps what went wrong by module name.

    `own` are the user's folders: what lies there may have effects when it is imported, so it is only if it is asked
    for. `shelved` modules need not be imported again. `check` says what is wrong with libraries that have been loaded.
    `turn` handles what happens meanwhile; `poll` is what it waits with.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        memory: Memory,
        own: Sequence[str],
        shelved: Mapping[str, Any],
        check: Callable[[], str],
        turn: Callable[[int], Any],
        poll: Any,
    ) -> None:
        self.memory = memory
        self._shelved = shelved
        self._check = check
        self._failed: Dict[str, str] = {}
        self._say = say
        self._own = tuple(os.path.join(folder, "") for folder in own)
        self._turn = turn
        self._poll = poll

    @property
    def failed(self) -> Dict[str, str]:
        """What is not here, and why."""
        return {**self._failed, **self.memory.refused}

    def load(self, names: Sequence[str], asked_for: bool = False, trusted: bool = False) -> None:
        """Import them; `asked_for`: the user's own modules, too. `trusted`: without an attempt, where all is as usual.

        Raises Unsafe: what leaves a thread behind, or imports Ray, would make every later fork unsafe.
        """
        trusted = trusted and not self.memory.careful
        for name in names:
            if (trusted or name in self.memory.good) and self._may(name, asked_for):
                self._import(name, asked_for)
        if not trusted:
            self._prove(names, asked_for)

    def proven(self, names: Sequence[str]) -> List[str]:
        """Those that need no attempt any more."""
        return [name for name in names if name in self.memory.good]

    def _may(self, name: str, asked_for: bool) -> bool:
        if name in sys.modules or name in self._shelved or name in self._failed or not modules.allowed(name):
            return False
        if proving.below(name, self.memory.refused) is not None:
            return False
        found = modules.file_of(name)
        return found is not None and (asked_for or not found.startswith(self._own))

    def _prove(self, names: Sequence[str], asked_for: bool) -> None:
        """Attempt after attempt until none of these names is unknown; what is proven is imported in between, so that
        the next one begins there."""
        while True:
            unknown = [name for name in names if name not in self.memory.good and self._may(name, asked_for)]
            if not unknown:
                return
            verdict = proving.attempt(unknown, self.memory.refused, self._shelved, self._check, self._turn, self._poll)
            self._note(verdict, asked_for)
            for name in verdict.good:
                self._import(name, asked_for)

    def _note(self, verdict: proving.Verdict, asked_for: bool) -> None:
        for name, why in verdict.refused.items():
            self._say(f"{name} is left out from now on: {why}")
        for name, why in verdict.failed.items():
            self._fails(name, why, asked_for)
        self.memory.refused.update(verdict.refused)
        self.memory.good.update(dict.fromkeys(verdict.good))
        if verdict.good or verdict.refused:
            self.memory.save()

    def _fails(self, name: str, why: str, asked_for: bool) -> None:
        """What is tried at a guess may lack a package that it needs: that is no news."""
        self._failed[name] = why
        if asked_for:
            self._say(f"{name} cannot be imported ahead: {why}")

    def _import(self, name: str, asked_for: bool) -> None:
        if name in sys.modules or name in self._shelved:
            return
        before = effects.look()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                importlib.import_module(name)
        except BaseException as error:
            self._fails(name, f"{type(error).__name__}: {error}", asked_for)
        harm = effects.harm(before, effects.look()) or self._check()
        if harm:
            raise Unsafe(name, harm)
        self._turn(0)

    def refuse(self, name: str, why: str) -> None:
        """The next template is told; where a name that nobody had doubted did it, it trusts none."""
        if name in self.memory.good:
            del self.memory.good[name]
            self.memory.refused[name] = why
        else:
            self.memory.careful = True
        self.memory.save()


def stamp(settings: Mapping[str, Any]) -> str:
    """Differs with every installed package, with the interpreter, and with the user's own modules that are named."""
    return json.dumps([sys.version, settings["packages"], settings["own_modules"]], sort_keys=True)
