"""Generators that a module makes when it is imported."""

from __future__ import annotations

import random
import weakref
from typing import Any

import pytest

from daybreak.programs.warm.randomness import Seeds


class Careful(random.Random):
    """One that a library derives."""


def test_what_nobody_seeded_is_seeded_anew_and_the_rest_stays() -> None:
    seeds = Seeds()
    with seeds.watched():
        fresh = [random.Random(), Careful(), random.Random(3)]
        fresh[2].seed()
        fixed = [random.Random(3), Careful("x"), random.Random(), random.Random()]
        fixed[2].seed(4)
        fixed[3].setstate(random.Random(5).getstate())
    later = random.Random()
    before = [each.getstate() for each in (*fresh, *fixed, later)]
    seeds.renew()
    after = [each.getstate() for each in (*fresh, *fixed, later)]
    assert [old != new for old, new in zip(before, after, strict=True)] == [True] * 3 + [False] * 5
    assert random.Random(1).random() == random.Random(1).random()


def test_generators_that_are_gone_are_forgotten() -> None:
    seeds = Seeds()
    with seeds.watched():
        random.Random()
    seeds.renew()


def test_what_stands_for_an_object_that_is_gone_is_in_nobodys_way() -> None:
    numpy: Any = pytest.importorskip("numpy")
    proxy = weakref.proxy(random.Random())
    with pytest.raises(ReferenceError):
        isinstance(proxy, random.Random)
    seeds = Seeds()
    with seeds.watched():
        numpy.random.default_rng()
    seeds.find()


def test_numpys_are_told_apart_by_what_the_system_gave() -> None:
    numpy: Any = pytest.importorskip("numpy")
    seeds = Seeds()
    with seeds.watched():
        fresh = [numpy.random.default_rng().bit_generator, numpy.random.RandomState()._bit_generator]
        # The second is what numpy's documentation advises to write into programs.
        numbers = (3, 122807528840384100672342137672332424406)
        fixed = [numpy.random.default_rng(number).bit_generator for number in numbers]
        fixed.append(numpy.random.RandomState(42)._bit_generator)
    seeds.find()
    before = [str(each.state) for each in (*fresh, *fixed)]
    seeds.renew_numpys()
    after = [str(each.state) for each in (*fresh, *fixed)]
    assert [old != new for old, new in zip(before, after, strict=True)] == [True, True, False, False, False]
