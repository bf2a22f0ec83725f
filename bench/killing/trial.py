"""One round: an operation is killed at its moment, then `up` must bring the cluster back, and `down` leave nothing.

In every other round in which the keeper was killed the cluster is only looked at before that `up`, and heals by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.killing.cluster import Cluster, Failed
from bench.killing.kills import Kill, Subject

WAITS_S = 0.002
HEALS_S = 90.0
LOOKS_S = 0.5
# That of a keeper that was killed after its last answer is taken away by the next one.
SOCKET = "keeper.sock"


@dataclass(frozen=True)
class Outcome:
    """What became of one round: `hit` says whether it was under way, `code` is the killed operation's exit
    code, `told` its last words; `fault` is empty where all was as it must be."""

    kill: Kill
    at_s: float
    hit: bool
    code: int
    told: str
    fault: str = ""

    def to_json(self) -> dict[str, object]:
        return {
            "number": self.kill.number,
            "operation": self.kill.subject.name,
            "victim": str(self.kill.victim),
            "at_s": round(self.at_s, 3),
            "hit": self.hit,
            "code": self.code,
            "told": self.told,
            "fault": self.fault,
        }


def usual(cluster: Cluster, subject: Subject) -> float:
    """The seconds that it takes when nobody kills it. It begins and ends with a cluster that is stopped."""
    if subject.running:
        cluster.run("up")
    took_s = cluster.run(*subject.words).took_s
    cluster.run("down")
    return took_s


def round_of(cluster: Cluster, kill: Kill, usual_s: float, tell: Callable[[str], None]) -> Outcome:
    """It begins with a cluster that is stopped, and ends so."""
    if kill.subject.running:
        cluster.run("up")
        cluster.noted.note()
    at_s, began_s = kill.share * usual_s, time.monotonic()
    process = cluster.start(*kill.subject.words)
    while time.monotonic() < began_s + at_s and process.poll() is None:
        time.sleep(WAITS_S)
    hit = process.poll() is None
    if kill.victim.command:
        process.kill()
    if kill.victim.keeper:
        hit = cluster.kill_keeper() or hit
    code, told = 0, ""
    try:
        ended = cluster.end_of(process, began_s)
        code, told = ended.code, ended.last
        cluster.noted.note()
        tell(f"   {code}: {told}")
        _judge(cluster, kill, code, told, hit=hit)
        if kill.victim.keeper and kill.number % 2:
            _heals(cluster, kill)
        cluster.run("up")
        cluster.require_serving()
        cluster.noted.note()
        cluster.run("down")
        cluster.require_nothing_left()
    except Failed as failed:
        return Outcome(kill, at_s, hit, code, told, str(failed))
    return Outcome(kill, at_s, hit, code, told)


def _heals(cluster: Cluster, kill: Kill) -> None:
    """Whoever only looks starts a keeper, and that one finishes what was begun, or finds that nothing was."""
    deadline = time.monotonic() + HEALS_S
    good = {"ready"} if kill.subject.running and not kill.subject.ends else {"ready", "stopped"}
    while (state := cluster.status()["state"]) not in good:
        if time.monotonic() > deadline:
            raise Failed(f"without another command the cluster stays {state}")
        time.sleep(LOOKS_S)
    if state == "ready":
        cluster.require_serving()
    else:
        cluster.require_nothing_left(but=SOCKET)


def _judge(cluster: Cluster, kill: Kill, code: int, told: str, *, hit: bool) -> None:
    """A command whose keeper alone was killed says how it ended, and that is true."""
    if kill.victim.command or not hit:
        return
    if code == 0 and not kill.subject.ends:
        cluster.require_serving()
    if code == 0 and kill.subject.ends:
        cluster.require_nothing_left(but=SOCKET)
    if code:
        raise Failed(f"the command whose keeper was killed ended with {code}: {told}")
