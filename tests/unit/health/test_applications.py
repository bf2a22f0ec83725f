"""What is read from the dashboard's answer, and the one line of a message that has the cause."""

from __future__ import annotations

from typing import Any

from daybreak.health.applications import ENDED, HALTED, Application, Deployment, Replica, as_seen, cause, read

FAILED_TO_START = """\
The deployment failed to start 3 times in a row. This may be due to a problem with its constructor or initial health \
check failing. See controller logs for details. Error:
ray::ServeReplica:default:App.initialize_and_get_metadata() (pid=7, ip=127.0.0.2)
  File "/opt/lib/python3.11/site-packages/ray/serve/_private/replica.py", line 2, in initialize_and_get_metadata
    raise RuntimeError(traceback.format_exc()) from None
RuntimeError: Traceback (most recent call last):
  File "/opt/lib/python3.11/site-packages/ray/serve/_private/replica.py", line 1, in initialize_and_get_metadata
    await self._user_callable_wrapper.initialize_callable()
  File "/home/me/shop/app.py", line 12, in __init__
    self.model = load(os.environ["MODEL"])
KeyError: 'MODEL'
"""
NO_ROOM = (
    "Deployment 'App' in application 'default' has 2 replicas that have taken more than 30s to be scheduled. "
    "This may be due to waiting for the cluster to auto-scale or for a runtime environment to be installed. "
    'Resources required for each replica: {"CPU": 5.0}, total resources available: {"CPU": 1.5}. Use `ray status` ...'
)
SICK = "A replica's health check failed. This deployment will be UNHEALTHY until the replica recovers or a new deploy."


def answer(**deployment: Any) -> dict[str, Any]:
    """As Ray 2.60 answers."""
    given = {
        "status": "HEALTHY",
        "message": "",
        "target_num_replicas": 2,
        "deployment_config": {"num_replicas": 2},
        "replicas": [
            {"replica_id": "a", "state": "RUNNING", "pid": 11, "node_id": "n"},
            {"replica_id": "b", "state": "STARTING", "pid": None, "node_id": "n"},
        ],
        **deployment,
    }
    app = {"route_prefix": "/", "status": "RUNNING", "message": "", "deployments": {"App": given}}
    return {"applications": {"default": app}, "proxies": {"n": {"status": "HEALTHY"}}}


def test_everything_is_read() -> None:
    serving = read(answer())
    replicas = (Replica("a", "RUNNING", 11, "n"), Replica("b", "STARTING", None, "n"))
    deployment = Deployment("App", "HEALTHY", "", 2, False, (), replicas)
    assert serving.applications == (Application("default", "/", "RUNNING", "", (deployment,)),)
    assert serving.proxies == {"n": "HEALTHY"}
    assert deployment.running == 1


def test_an_old_ray_tells_the_number_in_the_configuration_and_an_empty_serve_tells_nothing() -> None:
    assert read(answer(target_num_replicas=None)).applications[0].deployments[0].wanted == 2
    assert read({"applications": {}}).applications == ()
    assert read({}).applications == ()


def test_a_process_that_is_stopped_or_gone_takes_no_requests() -> None:
    for state in (HALTED, ENDED):
        seen = as_seen(read(answer()), lambda pid, state=state: state)  # type: ignore[misc]
        (deployment,) = seen.applications[0].deployments
        assert [one.state for one in deployment.replicas] == [state, "STARTING"]
        assert deployment.running == 0


def test_the_cause_is_what_the_users_line_raised() -> None:
    told = cause(FAILED_TO_START, "/home/me/shop")
    assert told.reason == "KeyError: 'MODEL' (app.py:12)"
    assert any("load(os.environ" in line for line in told.lines)


def test_the_cause_of_a_message_without_a_traceback() -> None:
    assert cause(NO_ROOM).reason == '2 replicas find no room: each needs {"CPU": 5.0}, free is {"CPU": 1.5}'
    assert cause(SICK).reason == "A replica's health check failed"
    assert cause("Upscaling from 1 to 3 replicas.").reason == "Upscaling from 1 to 3 replicas"
    assert cause("").reason == ""
    assert cause("x" * 1000).reason.endswith("...")
