"""Where the GCS keeps what it knows, who waits for it, and where that cannot be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from daybreak.errors import EXIT_USAGE, SpecError
from daybreak.services.ray.addresses import port_names
from daybreak.services.ray.nodes import head, worker
from daybreak.services.ray.serve import serve
from daybreak.services.site import Site
from daybreak.services.slots import Slot
from daybreak.spec.model import Spec
from tests.unit.services.engine import site as engine_site
from tests.unit.services.test_databases import SITE

STORAGE = "RAY_gcs_storage"
PATIENCE = "RAY_gcs_rpc_server_reconnect_timeout_s"


def spec(state: str, **rest: Any) -> Spec:
    app = {"applications": [{"import": "app:main"}]}
    return Spec.model_validate({"name": "shop", "ray": {"state": state}, "serve": app, **rest})


def site(wanted: Spec, version: str = "2.60.0", **rest: Any) -> Site:
    ports = dict.fromkeys(port_names(wanted), 1) | dict(SITE.ports)
    return replace(SITE, ray=replace(SITE.ray, version=version), ports=ports, **rest)


def test_nothing_is_another_where_nothing_is_kept() -> None:
    wanted = spec("none")
    made = head(wanted, site(wanted)), worker(wanted, site(wanted), "worker-1"), serve(wanted, site(wanted))
    assert made[0].vital == ("gcs_server", "raylet")
    assert made[0].stop.deletes == ()
    assert not any(need.outlives for one in made for need in one.needs)
    assert not any({STORAGE, PATIENCE} & set(one.env) for one in made)


@pytest.mark.parametrize(("warm", "vital"), [(True, ("raylet",)), (False, ("gcs_server", "raylet"))])
def test_a_gcs_that_is_started_again_is_not_missed(warm: bool, vital: tuple[str, ...]) -> None:
    """Without the template Ray's own command ends the node with its GCS."""
    wanted = spec("rocksdb", warm=warm)
    made = head(wanted, site(wanted))
    assert made.vital == vital
    assert made.env[STORAGE] == "rocksdb"
    assert made.stop.deletes == (made.env[f"{STORAGE}_path"],)
    assert any("restarts_gcs" in word for word in made.argv) == warm


def test_nodes_wait_longer_for_the_head_than_it_may_take() -> None:
    wanted = spec("rocksdb", start_timeout="200s")
    for one in (head(wanted, site(wanted)), worker(wanted, site(wanted), "worker-1")):
        assert float(str(one.env[PATIENCE])) > wanted.start_timeout
    assert STORAGE not in worker(wanted, site(wanted), "worker-1").env
    assert all(one.outlives("head") for one in (worker(wanted, site(wanted), "worker-1"), serve(wanted, site(wanted))))


def test_two_generations_know_nothing_of_each_other() -> None:
    wanted = spec("rocksdb")
    folders = [head(wanted, site(wanted, slot=slot)).stop.deletes for slot in Slot]
    assert folders[0] != folders[1]


def test_an_older_ray_and_a_container_are_refused() -> None:
    wanted = spec("rocksdb")
    with pytest.raises(SpecError, match=r"needs Ray 2\.57 or newer, and Ray 2\.20\.0 is installed") as refused:
        head(wanted, site(wanted, "2.20.0"))
    assert refused.value.exit_code == EXIT_USAGE
    with pytest.raises(SpecError, match="processes of this machine"):
        head(wanted, site(wanted, engine=engine_site(wanted).engine))
