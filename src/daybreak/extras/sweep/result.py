"""What a sweep measured, which number of workers is best, and what a reader must know before believing it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

# Within this share of the best throughput a number of workers is as good as the best one.
TOLERANCE = 0.05
# With more errors than this share a number of workers is not taken as the best one.
MOST_ERRORS = 0.01
# Above this share of one processor the generator itself may be what limits the throughput.
BUSY_GENERATOR = 0.9

# Where the seconds of one measurement differ by more than this share, the measurement is too short or disturbed ...
RESTLESS = 0.25
# ... unless there are so few answers in a second that they differ by chance.
ENOUGH_PER_S = 50


@dataclass(frozen=True)
class Load:
    """The requests of a sweep: the same ones for every number of workers. Durations in seconds.

    `headers` are names alone: their values may be secret.
    """

    url: str
    method: str
    connections: int
    duration_s: float
    warm_up_s: float
    body_file: str | None = None
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answers:
    """What the generator counted while it measured.

    `ok` are answers with a status below 400, `errors` counts all others by kind (`503`, `TimeoutError` ...). Latencies
    are milliseconds of the good answers, None without any; `per_second` is good answers in each second.
    `generator_cpu` is the share of one processor that the generator used.
    """

    duration_s: float
    ok: int
    errors: Mapping[str, int] = field(default_factory=dict)
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None
    per_second: Sequence[int] = ()
    generator_cpu: float = 0.0

    @property
    def per_s(self) -> float:
        return self.ok / self.duration_s if self.duration_s > 0 else 0.0

    @property
    def failed(self) -> int:
        return sum(self.errors.values())

    @property
    def error_share(self) -> float:
        total = self.ok + self.failed
        return self.failed / total if total else 1.0


@dataclass(frozen=True)
class Replicas:
    """One deployment's replicas: how many run, how many are wanted, and whether Serve changes that by itself."""

    deployment: str
    running: int
    target: int
    autoscaled: bool


@dataclass(frozen=True)
class Point:
    """One number of workers. `replicas` is empty where Serve could not be asked."""

    workers: int
    answers: Answers
    replicas: tuple[Replicas, ...] = ()
    steady: bool = True

    @property
    def running(self) -> int | None:
        """All replicas that ran; None where that is not known."""
        return sum(found.running for found in self.replicas) if self.replicas else None

    def to_json(self) -> dict[str, Any]:
        answers = asdict(self.answers) | {
            "requests_per_s": round(self.answers.per_s, 3),
            "failed": self.answers.failed,
            "error_share": round(self.answers.error_share, 6),
        }
        return {
            "workers": self.workers,
            **answers,
            "replicas": [asdict(found) for found in self.replicas],
            "steady": self.steady,
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        answers = Answers(**{name: raw[name] for name in Answers.__dataclass_fields__})
        return cls(raw["workers"], answers, tuple(Replicas(**found) for found in raw["replicas"]), raw["steady"])


@dataclass(frozen=True)
class Sweep:
    """A whole sweep. `began_wall` is seconds since 1970, `counts` what was asked for, `points` what was measured."""

    cluster: str
    began_wall: float
    load: Load
    counts: tuple[int, ...]
    points: tuple[Point, ...] = ()
    machine: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, Any] = field(default_factory=dict)

    def plus(self, point: Point) -> Sweep:
        return replace(self, points=(*self.points, point))

    @property
    def complete(self) -> bool:
        return len(self.points) == len(self.counts)

    @property
    def fastest(self) -> Point | None:
        """The point with the best throughput, of those with few errors."""
        good = [point for point in self.points if point.answers.error_share <= MOST_ERRORS]
        return max(good, key=lambda point: (point.answers.per_s, -point.workers), default=None)

    @property
    def best(self) -> Point | None:
        """The fewest workers within `TOLERANCE` of the best throughput; None where nothing went well."""
        fastest = self.fastest
        if fastest is None:
            return None
        least = fastest.answers.per_s * (1 - TOLERANCE)
        good = (point for point in self.points if point.answers.error_share <= MOST_ERRORS)
        return min((point for point in good if point.answers.per_s >= least), key=lambda point: point.workers)

    @property
    def flat(self) -> bool:
        """Whether all numbers of workers are about as good as the best one."""
        fastest = self.fastest
        return fastest is not None and all(
            point.answers.per_s >= fastest.answers.per_s * (1 - TOLERANCE) for point in self.points
        )

    def verdict(self) -> str:
        """Which number is best, and how it was chosen."""
        best, fastest = self.best, self.fastest
        if best is None or fastest is None:
            return f"no best number of workers: with each of them more than {MOST_ERRORS:.0%} of the requests failed"
        rule = f"the fewest within {TOLERANCE:.0%} of the best throughput"
        same = "which it has itself" if best is fastest else f"{fastest.answers.per_s:.0f}/s with {fastest.workers}"
        return f"best: {_workers(best.workers)} with {best.answers.per_s:.0f} requests/s ({rule}, {same})"

    def notes(self) -> list[str]:
        """What a reader must know."""
        return [
            *_about_replicas(self),
            *_about_errors(self.points),
            *_about_noise(self.points),
            *_about_generator(self),
        ]

    def to_json(self) -> dict[str, Any]:
        best = self.best
        return {
            "cluster": self.cluster,
            "began_wall": self.began_wall,
            "load": asdict(self.load),
            "counts": list(self.counts),
            "complete": self.complete,
            "points": [point.to_json() for point in self.points],
            "best": best.workers if best else None,
            "verdict": self.verdict() if self.points else None,
            "notes": self.notes(),
            "machine": dict(self.machine),
            "versions": dict(self.versions),
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Best, verdict and notes are made anew from the points. Raises KeyError or TypeError for other JSON."""
        return cls(
            cluster=raw["cluster"],
            began_wall=raw["began_wall"],
            load=Load(**{**raw["load"], "headers": tuple(raw["load"].get("headers", ()))}),
            counts=tuple(raw["counts"]),
            points=tuple(Point.from_json(point) for point in raw["points"]),
            machine=raw["machine"],
            versions=raw["versions"],
        )


def _about_replicas(sweep: Sweep) -> list[str]:
    points = sweep.points
    known = [point for point in points if point.replicas]
    notes = []
    for point in known:
        lacking = [found for found in point.replicas if found.running < found.target]
        notes += [
            f"with {_workers(point.workers)} only {found.running} of {found.target} replicas of {found.deployment} "
            "ran: the others found no free CPU, GPU or memory"
            for found in lacking
        ]
    fixed = all(not found.autoscaled and found.running == found.target for p in known for found in p.replicas)
    if len(known) > 1 and fixed and len({point.replicas for point in known}) == 1:
        names = ", ".join(f"{found.running} of {found.deployment}" for found in known[0].replicas)
        same = f"the same replicas ran with every number of workers ({names}) and none of them is autoscaled"
        if sweep.flat:
            remedy = "so more workers change nothing: raise num_replicas, or set it to auto, and sweep again"
        else:
            remedy = (
                "so what differs comes from tasks and actors that the application runs on the workers; if it runs "
                "none, it is noise: measure longer, or in another order"
            )
        notes.append(f"{same}, {remedy}")
    unsteady = [str(point.workers) for point in points if not point.steady]
    if unsteady:
        notes.append(f"the replicas had not settled when it was measured with {', '.join(unsteady)} workers")
    return notes


def _about_errors(points: Sequence[Point]) -> list[str]:
    notes = []
    for point in points:
        if point.answers.failed:
            kinds = sorted(point.answers.errors.items(), key=lambda kind: -kind[1])[:3]
            told = ", ".join(f"{count} x {kind}" for kind, count in kinds)
            excluded = "; it was not considered" if point.answers.error_share > MOST_ERRORS else ""
            share = f"{point.answers.error_share:.1%}"
            notes.append(f"with {_workers(point.workers)} {share} of the requests failed ({told}){excluded}")
    return notes


def _about_noise(points: Sequence[Point]) -> list[str]:
    notes = []
    for point in points:
        counts = point.answers.per_second
        if (
            len(counts) > 1
            and point.answers.per_s >= ENOUGH_PER_S
            and max(counts) - min(counts) > (RESTLESS * point.answers.per_s)
        ):
            notes.append(
                f"with {_workers(point.workers)} there were {min(counts)} to {max(counts)} good answers in a second: "
                "measure longer, with a longer warm-up, or on a quiet machine"
            )
    return notes


def _about_generator(sweep: Sweep) -> list[str]:
    busy = [str(point.workers) for point in sweep.points if point.answers.generator_cpu >= BUSY_GENERATOR]
    if not busy:
        return []
    return [
        f"the load generator used a whole processor with {', '.join(busy)} workers: the application may be able to do "
        "more than was measured"
    ]


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"
