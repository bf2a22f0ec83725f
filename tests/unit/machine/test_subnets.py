"""The network of a cluster's containers."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from daybreak.errors import PreflightError
from daybreak.machine import subnets
from daybreak.machine.subnets import POOL, addresses, routes, subnet
from daybreak.names import MOST_WORKERS
from daybreak.services.container_site import WORKERS_BEGIN


def cluster(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def test_it_is_chosen_once_and_kept(tmp_path: Path) -> None:
    root = cluster(tmp_path, "a")
    chosen = subnet(root, [], None)
    assert chosen.subnet_of(POOL)
    assert chosen.prefixlen == 23
    assert subnet(root, [], None) == chosen


def test_two_clusters_have_two(tmp_path: Path) -> None:
    found = {subnet(cluster(tmp_path, f"c{number}"), [], None) for number in range(20)}
    assert len(found) == 20


def test_what_others_use_is_left_alone(tmp_path: Path) -> None:
    root = cluster(tmp_path, "a")
    free = IPv4Network("10.210.4.0/23")
    taken = list(POOL.address_exclude(free))
    assert subnet(root, taken, None) == free
    with pytest.raises(PreflightError, match="nothing was changed") as caught:
        subnet(cluster(tmp_path, "b"), [POOL], None)
    assert "host" in str(caught.value.hint)


def test_one_that_somebody_has_taken_meanwhile_is_given_up(tmp_path: Path) -> None:
    root = cluster(tmp_path, "a")
    first = subnet(root, [], None)
    second = subnet(root, [first], None)
    assert not second.overlaps(first)
    assert subnet(root, [first], None) == second


def test_the_one_that_the_engine_has_counts(tmp_path: Path) -> None:
    root = cluster(tmp_path, "a")
    own = IPv4Network("10.209.6.0/23")
    assert subnet(root, [], own) == own
    assert subnet(root, [], None) == own


def test_a_file_that_cannot_be_read_is_as_good_as_none(tmp_path: Path) -> None:
    root = cluster(tmp_path, "a")
    (root / subnets.FILE).write_text('{"subnet": "x"}')
    assert subnet(root, [], None).subnet_of(POOL)


def test_addresses_do_not_change_when_services_come_and_go(tmp_path: Path) -> None:
    root = cluster(tmp_path, "a")
    network = IPv4Network("10.208.2.0/23")
    first = addresses(root, network, ["api"])
    assert first["head"] == "10.208.2.2"
    assert first["postgres"] == "10.208.2.3"
    later = addresses(root, network, ["another", "api"])
    assert later["api"] == first["api"]
    assert len(set(later.values())) == len(later)
    last_worker = network.network_address + WORKERS_BEGIN + MOST_WORKERS
    assert str(last_worker) not in later.values()


def test_routes_of_the_machine(tmp_path: Path) -> None:
    table = tmp_path / "route"
    table.write_text(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
        "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\n"
        "br0\t0002D00A\t00000000\t0001\t0\t0\t0\t00FEFFFF\n"
    )
    assert routes(table) == [IPv4Network("10.208.2.0/23")]
    assert routes(tmp_path / "nowhere") == []
