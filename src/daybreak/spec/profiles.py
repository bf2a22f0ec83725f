"""Services that are started only where somebody asks for one of their profiles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from daybreak.spec import suggest
from daybreak.spec.asker import asker
from daybreak.spec.model import Spec, UserService
from daybreak.spec.sources import PROFILES
from daybreak.spec.wording import Finding

VARIABLE = "DAYBREAK_PROFILES"
ALL, NONE = "*", "none"


@dataclass(frozen=True)
class Profiles:
    """The profiles that are asked for. `strict`: each must be one of the spec's; what is remembered, or stands in a
    variable that other clusters read as well, need not be."""

    names: tuple[str, ...] = ()
    strict: bool = False

    @classmethod
    def of(
        cls, given: Iterable[str] | None, environment: Mapping[str, str], remembered: Iterable[str] = ()
    ) -> Profiles:
        """Those that are given, else those of the variable, else those of the last time. `none` asks for none."""
        if given is not None:
            return cls(_named(",".join(given)), strict=True)
        if VARIABLE in environment:
            return cls(_named(environment[VARIABLE]))
        return cls(tuple(remembered))

    def has(self, service: UserService) -> bool:
        """Is that service to be started?"""
        return not service.profiles or ALL in self.names or not set(self.names).isdisjoint(service.profiles)


NO_PROFILES = Profiles()


def asked_for(given: Iterable[str] | None, remembered: Iterable[str] = ()) -> Profiles:
    """See `Profiles.of`, with the environment of whoever asks."""
    return Profiles.of(given, asker().environment, remembered)


def active(spec: Spec, profiles: Profiles) -> Spec:
    """The spec without the services that nobody asks for."""
    services = {name: service for name, service in spec.services.items() if profiles.has(service)}
    return spec if len(services) == len(spec.services) else spec.model_copy(update={"services": services})


def known(spec: Spec) -> list[str]:
    """The profiles that the spec's services name."""
    return sorted({profile for service in spec.services.values() for profile in service.profiles})


def unknown_profiles(spec: Spec, profiles: Profiles) -> Iterator[Finding]:
    """Profiles that somebody has asked for and no service has."""
    there = known(spec)
    for name in profiles.names if profiles.strict else ():
        if name not in (*there, ALL):
            hint = suggest.for_name(name, there) if there else "write `profiles: [debug]` at a service"
            yield Finding(PROFILES, f"no service has the profile '{name}'", hint)


def unmet(spec: Spec, profiles: Profiles) -> Iterator[Finding]:
    """Services that are to be started and need some that are not."""
    for name, service in spec.services.items():
        for index, need in enumerate(service.needs if profiles.has(service) else ()):
            other = spec.services.get(need)
            if other and not profiles.has(other):
                words = " or ".join(f"--profile {profile}" for profile in other.profiles)
                yield Finding(
                    ("services", name, "needs", index),
                    f"{need} is started with {words} alone",
                    f"give {name} `profiles: [{', '.join(other.profiles)}]` as well, or start with that option",
                )


def _named(text: str) -> tuple[str, ...]:
    words = (word.strip() for word in text.split(","))
    return tuple(dict.fromkeys(word for word in words if word and word != NONE))
