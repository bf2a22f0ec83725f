"""What the engine is asked to make of a service."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.base import Handle
from daybreak.backends.docker.archive import archive
from daybreak.backends.docker.container_config import (
    ImageFacts,
    Owner,
    config,
    container_name,
    needs_image,
    unusable_names,
)
from daybreak.docker import labels
from daybreak.services.service import (
    ConfigFile,
    Container,
    HealthPolicy,
    Joined,
    Mount,
    MountKind,
    Network,
    Published,
    Secret,
    Service,
    StopPolicy,
    Tier,
)

OWNER = Owner("shop", "/home/me/state/shop")
NETWORK = Network("daybreak-shop", "10.1.2.0/24")
SECONDS = 1_000_000_000


def handle(service: Service) -> Handle:
    return Handle(service.name, "app", "i1", service.fingerprint(), 0, 0, "", 12.5, generation=3, stop=service.stop)


def made(container: Container, facts: ImageFacts | None = None, interval: bool = False, **rest: Any) -> dict[str, Any]:
    service = Service(**({"name": "api", "tier": Tier.APP, "argv": ("serve",), "cwd": "/app"} | rest))
    return config(service, container, handle(service), OWNER, facts or ImageFacts({}), start_interval=interval)


def test_its_name_tells_cluster_service_and_generation() -> None:
    assert container_name("shop", "head", 3, "a1b2") == "daybreak-shop-head-g3-a1b2"


def test_the_labels_hold_the_whole_handle() -> None:
    found = made(Container("img", memory_bytes=64), stop=StopPolicy(signal="SIGINT", grace_s=2.5))["Labels"]
    again = Handle.from_json(json.loads(found[labels.HANDLE]))
    assert (again.service, again.instance, again.generation, again.stop.signal) == ("api", "i1", 3, "SIGINT")
    assert found[labels.CLUSTER] == "shop"
    assert found[labels.ROOT] == "/home/me/state/shop"
    assert (found[labels.SERVICE], found[labels.GENERATION], found[labels.MEMORY]) == ("api", "3", "64")


def test_a_network_of_its_own_has_a_fixed_address_and_published_ports() -> None:
    ports = (Published("127.0.0.1", 8000, 80), Published("127.0.0.2", 8001, 80), Published("127.0.0.1", 9000, 90))
    found = made(Container("img", network=NETWORK, address="10.1.2.9", published=ports))
    assert found["NetworkingConfig"] == {"EndpointsConfig": {NETWORK.name: {"IPAMConfig": {"IPv4Address": "10.1.2.9"}}}}
    assert found["HostConfig"]["NetworkMode"] == NETWORK.name
    assert found["ExposedPorts"] == {"80/tcp": {}, "90/tcp": {}}
    assert found["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8000"}, {"HostIp": "127.0.0.2", "HostPort": "8001"}],
        "90/tcp": [{"HostIp": "127.0.0.1", "HostPort": "9000"}],
    }


def test_the_network_of_this_machine_has_neither() -> None:
    found = made(Container("img", published=(Published("127.0.0.1", 8000, 80),)))
    assert found["HostConfig"]["NetworkMode"] == "host"
    assert not {"NetworkingConfig", "ExposedPorts", "Hostname"} & found.keys()
    assert "PortBindings" not in found["HostConfig"]


def test_limits_logs_and_who_restarts() -> None:
    found = made(Container("img", shm_bytes=1, memory_bytes=2, cpus=1.5, init=False))["HostConfig"]
    assert (found["ShmSize"], found["Memory"], found["MemorySwap"], found["NanoCpus"]) == (1, 2, 2, 1_500_000_000)
    assert found["RestartPolicy"] == {"Name": "no"}
    assert found["LogConfig"]["Type"] == "json-file"
    assert not found["Init"]
    assert "OomKillDisable" not in found
    bare = made(Container("img"))["HostConfig"]
    assert not {"ShmSize", "Memory", "MemorySwap", "NanoCpus"} & bare.keys()


def test_mounts_and_the_labels_of_volumes() -> None:
    mounts = (
        Mount(MountKind.BIND, "/etc/x", "/home/x", read_only=True),
        Mount(MountKind.VOLUME, "/data", "shop-data"),
        Mount(MountKind.TMPFS, "/tmp", size_bytes=5),
    )
    bind, volume, memory = made(Container("img", mounts=mounts))["HostConfig"]["Mounts"]
    assert bind == {"Type": "bind", "Target": "/etc/x", "Source": "/home/x", "ReadOnly": True}
    assert volume["Source"] == "shop-data"
    assert volume["VolumeOptions"]["Labels"] == {**OWNER.labels, labels.SERVICE: "api"}
    assert memory["TmpfsOptions"] == {"SizeBytes": 5}


def test_health_keeps_the_policys_pace() -> None:
    policy = HealthPolicy(interval_s=5, timeout_s=4, retries=3, start_period_s=30)
    found = made(Container("img", health=("probe", "-q")), health=policy)["Healthcheck"]
    assert found == {
        "Test": ["CMD", "probe", "-q"],
        "Interval": 5 * SECONDS,
        "Timeout": 4 * SECONDS,
        "Retries": 3,
        "StartPeriod": 30 * SECONDS,
    }
    assert "Test" not in made(Container("img"))["Healthcheck"]
    assert made(Container("img", health=()))["Healthcheck"] == {"Test": ["NONE"]}


def test_only_a_new_engine_is_asked_to_check_more_often_at_the_start() -> None:
    assert made(Container("img"), interval=True)["Healthcheck"]["StartInterval"] == SECONDS // 2
    assert "StartInterval" not in made(Container("img"))["Healthcheck"]
    assert "StartInterval" not in made(Container("img", health=()), interval=True)["Healthcheck"]


def test_how_it_is_stopped() -> None:
    found = made(Container("img"), stop=StopPolicy(signal="SIGINT", grace_s=2.5))
    assert (found["StopSignal"], found["StopTimeout"]) == ("SIGINT", 3)


def test_the_images_own_entrypoint_is_kept_replaced_or_taken_away() -> None:
    assert "Entrypoint" not in made(Container("img"))
    assert made(Container("img", entrypoint=("/init",)))["Entrypoint"] == ["/init"]
    assert made(Container("img", entrypoint=()))["Entrypoint"] == []
    assert made(Container("img"))["Cmd"] == ["serve"]
    assert made(Container("img"), argv=())["Cmd"] is None


def test_the_environment_is_the_services_and_the_images_and_nothing_of_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/of/this/machine")
    env = {"A": "1", "PYTHONPATH": Joined("/ours", ":"), "NEW": Joined("/ours", ":")}
    found = made(Container("img"), ImageFacts({"PYTHONPATH": "/of/image"}), env=env)["Env"]
    assert sorted(found) == [
        "A=1",
        "DAYBREAK_INSTANCE=i1",
        "DAYBREAK_SERVICE=api",
        "NEW=/ours",
        "PYTHONPATH=/ours:/of/image",
    ]


def test_a_secret_is_read_by_a_shell_in_front_of_the_program() -> None:
    env = {"PASSWORD": Secret("/home/me/secret"), "A": "1"}
    facts = ImageFacts({}, ("/entry.sh",), ("default",))
    found = made(Container("img"), facts, env=env)
    shell, option, script, name, *rest = found["Cmd"]
    assert (found["Entrypoint"], shell, option, name) == ([], "/bin/sh", "-c", "/bin/sh")
    assert script == 'PASSWORD="$(cat /run/daybreak/env/PASSWORD)" || exit 126; export PASSWORD; exec "$@"'
    assert rest == ["/entry.sh", "serve"]
    assert made(Container("img"), facts, env=env, argv=())["Cmd"][4:] == ["/entry.sh", "default"]
    assert made(Container("img", entrypoint=("/own",)), facts, env=env, argv=())["Cmd"][4:] == ["/own"]
    assert not any("PASSWORD" in line for line in found["Env"])


def test_the_image_is_asked_only_where_it_matters() -> None:
    def service(**env: Any) -> Service:
        return Service("api", Tier.APP, ("serve",), "/app", env=env)

    assert not needs_image(service(A="1"), Container("img"))
    assert needs_image(service(A=Joined("x", ":")), Container("img"))
    assert needs_image(service(A=Secret("/s")), Container("img"))
    assert not needs_image(service(A=Secret("/s")), Container("img", entrypoint=()))
    assert unusable_names(service(**{"a-b": Secret("/s"), "c-d": "1"})) == ["a-b"]


def test_facts_of_an_image() -> None:
    inspected = {"Config": {"Env": ["PATH=/bin", "X=a=b"], "Entrypoint": None, "Cmd": ["sh"]}}
    assert ImageFacts.of(inspected) == ImageFacts({"PATH": "/bin", "X": "a=b"}, (), ("sh",))


def entries(raw: bytes | None) -> dict[str, tuple[tarfile.TarInfo, str]]:
    assert raw is not None
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        files = ((entry, tar.extractfile(entry)) for entry in tar.getmembers())
        return {entry.name: (entry, file.read().decode() if file else "") for entry, file in files}


def test_what_is_copied_in(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hidden\n")
    secret = Secret(str(tmp_path / "secret"))
    service = Service(
        "api",
        Tier.APP,
        (),
        "/",
        env={"PASSWORD": secret},
        files=(ConfigFile("/etc/api.conf", "I am @INSTANCE@", 0o640),),
        folders=("/var/api",),
    )
    container = Container("img", uid=70, secrets={"/run/secrets/key": secret})
    found = entries(archive(service, container, "i1"))
    rows = {name: (entry.mode, entry.uid, text) for name, (entry, text) in found.items()}
    assert rows == {
        "var/api": (0o755, 70, ""),
        "etc/api.conf": (0o640, 70, "I am i1"),
        "run/secrets/key": (0o400, 70, "hidden\n"),
        "run/daybreak/env/PASSWORD": (0o400, 70, "hidden"),
    }
    assert found["var/api"][0].isdir()
    assert archive(Service("api", Tier.APP, (), "/"), Container("img"), "i1") is None


def test_what_a_mount_would_hide_is_refused() -> None:
    service = Service("api", Tier.APP, (), "/", files=(ConfigFile("/run/x/y", "text"),))
    container = Container("img", mounts=(Mount(MountKind.TMPFS, "/run"),))
    with pytest.raises(ValueError, match="/run/x/y would be hidden by the memory mounted at /run"):
        archive(service, container, "i1")
