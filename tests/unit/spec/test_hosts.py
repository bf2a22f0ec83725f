"""A spec for several machines: what may be written, and what means nothing beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daybreak.errors import SpecError
from daybreak.spec.check import check
from daybreak.spec.document import dotted
from daybreak.spec.load import load_spec
from daybreak.spec.model import Spec

JOIN = {"address": "10.0.0.6", "join": {"address": "10.0.0.5:6380", "token_file": "token"}}


def found(base: Path, **written: Any) -> list[tuple[str, str]]:
    spec = Spec.model_validate({"name": "a", **written})
    return [(dotted(item.path), item.message) for item in check(spec, base)]


def refusal(folder: Path, text: str) -> str:
    (folder / "daybreak.yaml").write_text(text)
    with pytest.raises(SpecError) as error:
        load_spec(folder / "daybreak.yaml")
    return "\n".join(error.value.details())


def test_workers_of_another_machines_head(tmp_path: Path) -> None:
    groups = {"groups": {"gpu": {"count": 2, "labels": {"kind": "gpu"}, "resources": {"far": 1}}}}
    rest = {"warm": {"modules": ["json"]}, "ports": {"offset": 100}, "alerts": {"command": ["true"]}}
    assert found(tmp_path, **JOIN, workers=groups, **rest) == []
    assert found(tmp_path, **JOIN, prometheus=False, grafana=False, gateway=False) == []


def test_nothing_of_a_head_runs_beside_them() -> None:
    spec = Spec.model_validate({"name": "a", **JOIN})
    off = [spec.dashboard, spec.gateway.enabled, spec.prometheus.enabled, spec.grafana.enabled, spec.versions.keep]
    assert off == [False, False, False, False, 0]
    assert spec.join is not None
    assert spec.join.host_and_port == ("10.0.0.5", 6380)
    # As it travels to a keeper and back.
    assert Spec.model_validate(spec.model_dump(mode="json", by_alias=True)) == spec


@pytest.mark.parametrize(
    ("key", "written"),
    [
        ("head", {"head": {"cpus": 2}}),
        ("dashboard", {"dashboard": True}),
        ("serve", {"serve": {"applications": [{"import": "app:main"}]}}),
        ("databases", {"databases": {"redis": {}}}),
        ("services", {"services": {"api": {"command": ["true"]}}}),
        ("gateway", {"gateway": {"hold": 3}}),
        ("prometheus", {"prometheus": True}),
        ("versions", {"versions": {"keep": 3}}),
        ("ray.state", {"ray": {"state": "rocksdb"}}),
        ("ray.client", {"ray": {"client": True}}),
        ("ports.gcs", {"ports": {"gcs": 7000}}),
    ],
)
def test_what_belongs_beside_the_head_is_refused(tmp_path: Path, key: str, written: dict[str, Any]) -> None:
    ((place, message),) = found(tmp_path, **JOIN, **written)
    assert place == key
    assert "head" in message


def test_a_node_that_joins_has_an_address(tmp_path: Path) -> None:
    assert found(tmp_path, join=JOIN["join"]) == [("address", "is required with join")]


@pytest.mark.parametrize("key", ["address", "join"])
def test_containers_are_reached_by_no_other_machine(tmp_path: Path, key: str) -> None:
    written = {"address": "10.0.0.5"} if key == "address" else JOIN
    places = [place for place, message in found(tmp_path, backend="docker", **written) if "needs processes" in message]
    assert key in places


def test_nobody_comes_in_without_the_token(tmp_path: Path) -> None:
    ((place, message),) = found(tmp_path, address="10.0.0.5", ray={"auth": False})
    assert place == "ray.auth"
    assert "whoever reaches that address would run code here" in message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("address: 127.0.0.1", "address: must be the address at which other machines reach this one, not '127.0.0.1'"),
        ("address: 0.0.0.0", "address: must be the address at which other machines reach this one, not '0.0.0.0'"),
        ("address: myhost", "address: must be an IPv4 address of this machine such as 10.0.0.5, not 'myhost'"),
        ("address: fe80::1", "address: must be an IPv4 address of this machine such as 10.0.0.5, not 'fe80::1'"),
        (
            "address: 10.0.0.6\njoin: {address: 10.0.0.5}",
            "join.address: give an address and a port, such as 10.0.0.5:6380; not '10.0.0.5'",
        ),
        (
            "address: 10.0.0.6\njoin: {address: '10.0.0.5:70000'}",
            "join.address: ends with a port up to 65535, not '10.0.0.5:70000'",
        ),
    ],
)
def test_addresses_that_are_none(tmp_path: Path, text: str, told: str) -> None:
    assert told in refusal(tmp_path, text)


@pytest.mark.parametrize("written", ["join: {}", "join: {address: 3}", "services: {a: {check: {grpc: {}}}}"])
def test_a_required_address_that_is_missing(tmp_path: Path, written: str) -> None:
    """Something stands in for what is required while the rest is looked at."""
    assert "address" in refusal(tmp_path, f"{written}\nservices_: {{}}")


HOSTS = {"address": "10.0.0.5", "hosts": [{"ssh": "me@10.0.0.7", "workers": 2, "gpus": [0, 1], "memory": "1GiB"}]}


def test_hosts_by_ssh_and_what_their_nodes_have(tmp_path: Path) -> None:
    assert found(tmp_path, **HOSTS) == []
    (host,) = Spec.model_validate({"name": "a", **HOSTS}).hosts
    assert host.called == "10-0-0-7"
    assert host.own() == {"count": 2, "gpus": [0, 1], "memory": 1024**3}
    spec = Spec.model_validate({"name": "a", **HOSTS})
    assert Spec.model_validate(spec.model_dump(mode="json", by_alias=True)) == spec


@pytest.mark.parametrize(
    ("ssh", "called"),
    [("big-one", "big-one"), ("ssh://me@Host.example:2222", "host-example"), ("me@b.example", "b-example")],
)
def test_what_a_host_by_ssh_is_called(ssh: str, called: str) -> None:
    (host,) = Spec.model_validate({"name": "a", "hosts": [{"ssh": ssh}]}).hosts
    assert host.called == called
    assert host.own() == {"count": 1}


@pytest.mark.parametrize("ssh", ["-oProxyCommand=date", "", "a b", "a'b", "a;b"])
def test_what_is_no_destination(ssh: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        Spec.model_validate({"name": "a", "hosts": [{"ssh": ssh}]})


FILES = {"certificate": "c", "key": "k", "authority": "a"}


def test_tls_between_nodes_that_cannot_be(tmp_path: Path) -> None:
    on = {"ray": {"tls": True}}
    assert found(tmp_path, address="10.0.0.5", **on) == []
    assert found(tmp_path, **on)[0][0] == "ray.tls"
    assert "must name certificate, key and authority" in found(tmp_path, **JOIN, **on)[0][1]
    assert found(tmp_path, **JOIN, ray={"tls": FILES}) == []
    assert "would not know these" in found(tmp_path, **HOSTS, ray={"tls": FILES})[0][1]
    with pytest.raises(ValueError, match="go together"):
        Spec.model_validate({"name": "a", "ray": {"tls": {"key": "k"}}})


def test_hosts_by_ssh_that_cannot_be(tmp_path: Path) -> None:
    two = [{"ssh": "me@one"}, {"ssh": "one"}]
    assert found(tmp_path, hosts=two) == [
        ("address", "is required with hosts"),
        ("hosts[1].ssh", "one would be called one, as me@one is"),
    ]
    one = [{"ssh": "me@one", "group": "gpu"}]
    assert found(tmp_path, address="10.0.0.5", hosts=one) == [("hosts[0].group", "no group of workers is called gpu")]
    assert not found(tmp_path, address="10.0.0.5", hosts=one, workers={"groups": {"gpu": {}}})
    assert ("hosts", "must be in the spec of the machine with the head, which they join") in found(
        tmp_path, **JOIN, hosts=two[:1]
    )
    (_, why), (key, _) = found(tmp_path, backend="docker", **HOSTS)
    assert "needs processes" in why
    assert key == "hosts"
