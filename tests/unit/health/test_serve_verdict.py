"""What Serve's words mean: healthy, degraded or unhealthy, and what shows only in time."""

from __future__ import annotations

import pytest

from daybreak.health.applications import ENDED, HALTED, Application, Deployment, Replica, Serving
from daybreak.health.serve_verdict import FLAP_S, FLAPS, PATIENCE_S, History, Verdict, judge
from daybreak.states import Health, worst


def deployment(*replicas: str, status: str = "HEALTHY", wanted: int = 2, message: str = "") -> Deployment:
    """Replicas are given as `id` (it runs) or `id STATE`."""
    made = [Replica(text.split()[0], [*text.split(), "RUNNING"][1], 11, "n") for text in replicas]
    return Deployment("App", status, message, wanted, False, (), tuple(made))


def serving(one: Deployment, status: str = "RUNNING", name: str = "default") -> Serving:
    return Serving((Application(name, "/", status, "", (one,)),), {"n": "HEALTHY"})


class Looks:
    """Looks one second apart."""

    def __init__(self) -> None:
        self.history = History()
        self.now = 0.0

    def take(self, told: Serving, later_s: float = 1.0) -> Verdict:
        self.now += later_s
        self.history.add(told, self.now)
        return judge(told, self.history, self.now, ("default",))


WELL = serving(deployment("a", "b"))


def test_all_is_well() -> None:
    assert Looks().take(WELL) == Verdict(Health.HEALTHY, "")


def test_replicas_that_move_to_another_node_take_requests_and_are_no_accident() -> None:
    looks = Looks()
    for number in range(2 * FLAPS):
        old, new = f"a{number}", f"a{number + 1}"
        for told in (
            deployment(old, "b"),
            deployment(f"{old} PENDING_MIGRATION", "b", f"{new} STARTING"),
            deployment(f"{old} STOPPING", "b", new),
        ):
            assert looks.take(serving(told)).health is Health.HEALTHY


@pytest.mark.parametrize("status", ["UPSCALING", "DOWNSCALING"])
def test_scaling_is_healthy_and_lack_is_told_when_it_lasts(status: str) -> None:
    looks = Looks()
    looks.take(WELL)
    scaling = serving(deployment("a", "b", "c STARTING", wanted=3, status=status))
    assert looks.take(scaling).health is Health.HEALTHY
    assert looks.take(scaling, PATIENCE_S + 1) == Verdict(Health.DEGRADED, "App: 2 of 3 replicas run")


def test_an_application_that_is_scaled_to_nothing_and_back_is_healthy() -> None:
    looks = Looks()
    for told in (
        deployment("a", wanted=1),
        deployment("a STOPPING", wanted=0, status="DOWNSCALING"),
        deployment(wanted=0),
        deployment(wanted=1, status="UPSCALING"),
        deployment("b STARTING", wanted=1),
        deployment("b", wanted=1),
    ):
        assert looks.take(serving(told)).health is Health.HEALTHY


def test_a_new_application_is_not_degraded_while_it_is_deployed() -> None:
    looks = Looks()
    deploying = serving(deployment("a STARTING", "b STARTING", status="UPDATING"), "DEPLOYING")
    assert looks.take(deploying).health is Health.HEALTHY
    assert looks.take(WELL).health is Health.HEALTHY


@pytest.mark.parametrize("status", ["UNHEALTHY", "DEPLOY_FAILED"])
def test_what_serve_calls_unhealthy_is_and_the_deployment_says_why(status: str) -> None:
    sick = serving(deployment("a", wanted=2, status=status, message="A replica's health check failed"), status)
    assert Looks().take(sick) == Verdict(Health.UNHEALTHY, f"App is {status}: A replica's health check failed")


def test_old_replicas_that_only_have_to_end_are_no_trouble() -> None:
    looks = Looks()
    looks.take(WELL)
    assert looks.take(serving(deployment("c", "d", "a STOPPING", status="UPDATING"))) == Verdict()
    assert looks.take(serving(deployment("c", "d STARTING", "a", status="UPDATING"))).health is Health.DEGRADED


def test_replicas_that_serve_on_where_new_ones_do_not_come_are_a_degraded_service() -> None:
    failed = serving(deployment("a", "b", status="DEPLOY_FAILED", message="no"), "DEPLOY_FAILED")
    assert Looks().take(failed) == Verdict(Health.DEGRADED, "App is DEPLOY_FAILED, earlier replicas serve: no")


def test_an_application_that_failed_without_a_deployment_and_one_that_is_gone() -> None:
    failed = Serving((Application("shop", None, "DEPLOY_FAILED", "ModuleNotFoundError: no", ()),))
    looks = Looks()
    assert looks.take(WELL).health is Health.HEALTHY
    assert judge(failed, looks.history, 0.0) == Verdict(
        Health.UNHEALTHY, "shop is DEPLOY_FAILED: ModuleNotFoundError: no"
    )
    assert looks.take(Serving()) == Verdict(Health.UNHEALTHY, "application default is not deployed")


def test_an_update_of_what_ran_is_degraded_and_without_a_replica_unhealthy() -> None:
    looks = Looks()
    looks.take(WELL)
    half = serving(deployment("a", "c STARTING", status="UPDATING"), "DEPLOYING")
    assert looks.take(half) == Verdict(Health.DEGRADED, "App is UPDATING, 1 of 2 replicas run")
    none = serving(deployment("c STARTING", status="UPDATING"), "DEPLOYING")
    assert looks.take(none) == Verdict(Health.UNHEALTHY, "App: no replica runs")
    assert looks.take(serving(deployment(wanted=0))).health is Health.HEALTHY


@pytest.mark.parametrize(("state", "words"), [(HALTED, "is stopped by a signal"), (ENDED, "has ended")])
def test_a_replica_whose_process_is_stopped_or_gone(state: str, words: str) -> None:
    looks = Looks()
    looks.take(WELL)
    one = looks.take(serving(deployment("a", f"b {state}")))
    assert one == Verdict(Health.DEGRADED, f"App: 1 of 2 replicas run, pid 11 {words}")
    assert looks.take(serving(deployment(f"a {state}", wanted=1))).health is Health.UNHEALTHY


def test_replicas_that_end_again_and_again_show_although_serve_replaces_them() -> None:
    looks = Looks()
    looks.take(serving(deployment("r0", wanted=1)))
    for number in range(1, FLAPS + 1):
        looks.take(serving(deployment(wanted=1, status="UNHEALTHY"), "UNHEALTHY"), 30.0)
        verdict = looks.take(serving(deployment(f"r{number}", wanted=1)))
        assert (verdict.health is Health.DEGRADED) == (number == FLAPS)
    assert verdict.reason == f"App: {FLAPS} replicas have ended within {FLAP_S / 60:.0f} min"
    assert looks.take(serving(deployment(f"r{FLAPS}", wanted=1)), FLAP_S + 1).health is Health.HEALTHY


def test_replicas_that_scaling_or_an_update_ends_are_no_flapping() -> None:
    looks = Looks()
    for number in range(4):
        looks.take(serving(deployment(f"a{number}", f"b{number}", wanted=2)))
        looks.take(serving(deployment(f"a{number}", f"b{number} STOPPING", wanted=1, status="DOWNSCALING")))
        looks.take(serving(deployment(f"a{number + 1}", wanted=1, status="UPDATING")))
    assert looks.take(serving(deployment("a4", wanted=1))).health is Health.HEALTHY


def test_the_application_is_named_where_it_has_a_name_and_a_proxy_that_is_sick_is_told() -> None:
    sick = serving(deployment("a", status="UNHEALTHY"), "UNHEALTHY", name="shop")
    assert judge(sick, History(), 0.0).reason == "shop: App is UNHEALTHY"
    proxy = Serving(WELL.applications, {"0123456789": "UNHEALTHY"})
    assert judge(proxy, History(), 0.0) == Verdict(Health.DEGRADED, "Serve's proxy on node 01234567 is UNHEALTHY")


def test_of_several_words_the_worst_counts_and_of_equals_the_one_with_a_reason() -> None:
    assert worst((Health.HEALTHY, ""), (Health.DEGRADED, "few")) == (Health.DEGRADED, "few")
    assert worst((Health.FAILING, "no answer"), (Health.UNHEALTHY, "sick")) == (Health.UNHEALTHY, "sick")
    assert worst((Health.HEALTHY, ""), (Health.HEALTHY, "not known")) == (Health.HEALTHY, "not known")
    assert worst((Health.UNHEALTHY, "first"), (Health.UNHEALTHY, "second")) == (Health.UNHEALTHY, "first")
