"""Which files there are, and whose they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.health.tail import tail, tail_of_all
from daybreak.paths import ClusterPaths
from daybreak.show.logs.history import older
from daybreak.show.logs.lines import read_block
from daybreak.show.logs.sources import Sources

OLD, NEW = "session_2026-11-25_10-08-34_243806_9307", "session_2026-11-25_10-08-43_370671_10245"
ID = "068366c88c5db226010bc78cb904a015dd153033cec4ba31d63c5daa"


def put(path: Path, text: str = "x\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def paths(tmp_path: Path) -> ClusterPaths:
    """A cluster that was restarted once, and had a second worker before."""
    made = ClusterPaths("it", tmp_path / "state", tmp_path / "run")
    for name in ("head", "worker-1", "worker-2", "serve", "api", "keeper"):
        put(made.logs / f"{name}.log")
    for node, session in (("head", OLD), ("worker-1", OLD), ("worker-2", OLD), ("head", NEW), ("worker-1", NEW)):
        folder = made.ray_temp(node) / session / "logs"
        for name in ("raylet.out", "gcs_server.err", "old/x.log", f"worker-{ID}-01000000-12.out"):
            put(folder / name)
        put(folder / "raylet.err", "")
        latest = made.ray_temp(node) / "session_latest"
        latest.unlink(missing_ok=True)
        latest.symlink_to(folder.parent)
    logs = made.ray_temp("head") / NEW / "logs"
    put(logs / "serve" / "replica_default_App_3eufl51p.log")
    put(logs / "serve" / "controller_9430.log")
    put(logs / "serve" / "proxy_127.0.0.2.log")
    put(logs / f"worker-{ID}-01000000-77.err", ":job_id:01000000\n:actor_name:ServeReplica:default:App\n")
    put(logs / f"worker-{ID}-01000000-78.err", ":job_id:01000000\n:actor_name:Counter\n")
    put(logs / f"python-core-worker-{ID}_78.log")
    put(logs / "job-driver-raysubmit_abc.log")
    put(logs / "events" / "event_GCS.log", "")
    return made


def labels(paths: ClusterPaths, *services: str, everything: bool = False, earlier: bool = False) -> list[str]:
    return [source.label for source in Sources(paths, services, everything=everything).find(earlier=earlier)]


def test_everybody_but_the_keeper(paths: ClusterPaths) -> None:
    assert labels(paths) == [
        *("api", "head", "serve", "worker-1", "worker-2"),
        *("serve/controller", "serve/proxy", "serve/default_App_3eufl51p"),
        *("head/gcs_server.err", "head/raysubmit_abc", "head/worker-12", "serve/default_App-77", "head/Counter-78"),
        *("worker-1/gcs_server.err", "worker-1/worker-12"),
    ]


def test_named_services(paths: ClusterPaths) -> None:
    assert labels(paths, "keeper") == ["keeper"]
    assert labels(paths, "workers") == ["worker-1", "worker-2", "worker-1/gcs_server.err", "worker-1/worker-12"]
    serve = ["serve", "serve/controller", "serve/proxy", "serve/default_App_3eufl51p", "serve/default_App-77"]
    assert labels(paths, "serve") == serve


def test_all_of_ray(paths: ClusterPaths) -> None:
    assert set(labels(paths, "head", everything=True)) - set(labels(paths, "head")) == {
        "head/raylet.out",
        "head/python-core-worker_78.log",
    }


def test_earlier_sessions(paths: ClusterPaths) -> None:
    assert labels(paths, "worker-1", earlier=True).count("worker-1/worker-12") == 2
    assert labels(paths, "worker-2", earlier=True).count("worker-2/worker-12") == 1


def test_the_nodes_of_the_generation_that_serves_count(paths: ClusterPaths) -> None:
    for node in ("head", "worker-1"):
        folder = paths.ray_temp(f"{node}.b") / f"{NEW}2" / "logs"
        put(folder / "raylet.err", "of the second slot\n")
        (paths.ray_temp(f"{node}.b") / "session_latest").symlink_to(folder.parent)
    in_first = labels(paths, "head", "worker-1")
    put(paths.wanted, '{"slot": "b"}')
    in_second = labels(paths, "head", "worker-1")
    assert "head/raylet.err" not in in_first
    assert {"head/raylet.err", "worker-1/raylet.err"} <= set(in_second)
    assert "head/gcs_server.err" in in_first
    assert "head/gcs_server.err" not in in_second


def test_a_process_belongs_to_serve_once_its_actor_is_known(paths: ClusterPaths) -> None:
    sources = Sources(paths, ["serve"])
    path = paths.ray_temp("worker-1") / NEW / "logs" / f"worker-{ID}-01000000-99.out"
    put(path, ":job_id:01000000\n")
    assert path not in [source.path for source in sources.find()]
    put(path, ":job_id:01000000\n:actor_name:ServeReplica:default:App\n")
    assert path in [source.path for source in sources.find()]


def test_what_ray_has_rotated_away_is_no_log_of_its_own(paths: ClusterPaths) -> None:
    """Where RAY_ROTATION_MAX_BYTES is set; its lines are the past of the file that is written."""
    logs = paths.ray_temp("head") / NEW / "logs"
    before = labels(paths)
    put(logs / f"worker-{ID}-01000000-78.1.err")
    put(logs / f"worker-{ID}-01000000-78.2.err")
    assert labels(paths) == before
    parts = [path.name[-6:] for path in older(logs / f"worker-{ID}-01000000-78.err")]
    assert parts == [".1.err", ".2.err"]
    assert list(older(logs / "raylet.out")) == []


def test_nothing_at_all(tmp_path: Path) -> None:
    sources = Sources(ClusterPaths("it", tmp_path / "state", tmp_path / "run"))
    assert (sources.known(), sources.find()) == ([], [])


def test_requests_are_shown_only_where_their_service_is_named_or_everything_is_wanted(paths: ClusterPaths) -> None:
    put(paths.logs / "gateway.log")
    put(paths.logs / "gateway.access")
    assert "gateway/access" not in labels(paths)
    assert labels(paths, "gateway") == ["gateway", "gateway/access"]
    assert "gateway/access" in labels(paths, everything=True)
    assert "gateway/access" not in labels(paths, "serve")


def test_workers_that_share_the_heads_folder(paths: ClusterPaths) -> None:
    """Which of these files is whose is not known: who asks for one worker gets those of all."""
    logs = paths.ray_temp("head") / NEW / "logs"
    put(logs / "raylet.1.out")
    put(logs / "raylet.1.err")
    assert "workers/raylet.1.err" in labels(paths, "worker-1")
    assert "workers/raylet.1.out" in labels(paths, "workers", everything=True)
    assert "raylet.1" not in "".join(labels(paths, "head", everything=True))


def test_no_link_of_a_container_shows_a_file_of_the_host(paths: ClusterPaths, tmp_path: Path) -> None:
    """A link in the folder, the folder as a link, the session as a link."""
    put(tmp_path / "secret" / "logs" / "shadow.err", "of the host\n")
    logs = paths.ray_temp("head") / NEW / "logs"
    (logs / "x.err").symlink_to(tmp_path / "secret/logs/shadow.err")
    assert read_block(logs / "x.err", 0, 100) == b""
    assert read_block(logs / "raylet.out", 0, 100) == b"x\n"
    assert tail(logs / "x.err") == []
    assert tail_of_all(tmp_path / "none", [f"{paths.ray_temp('head')}/session_latest/logs/*.err"]) == []
    (paths.ray_temp("worker-1") / NEW).rename(tmp_path / "moved")
    (paths.ray_temp("worker-1") / NEW).symlink_to(tmp_path / "secret")
    assert read_block(paths.ray_temp("worker-1") / NEW / "logs" / "shadow.err", 0, 100) == b""
    (paths.ray_temp("worker-1") / "session_latest").unlink()
    (paths.ray_temp("worker-1") / "session_latest").symlink_to(tmp_path / "secret")
    assert "worker-1/shadow.err" not in labels(paths, "worker-1", everything=True)
    assert "worker-1" in Sources(paths).known(), "its own output is there"


def test_links_among_the_services_own_logs_are_the_users(paths: ClusterPaths, tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "session_x.log", "told\n")
    (paths.logs / "api.log").unlink()
    (paths.logs / "api.log").symlink_to(tmp_path / "elsewhere" / "session_x.log")
    assert read_block(paths.logs / "api.log", 0, 100) == b"told\n"
