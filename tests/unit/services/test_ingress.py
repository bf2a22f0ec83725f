"""HAProxy's files: all of them in the cluster's own folder, which each head finds empty."""

from __future__ import annotations

from dataclasses import replace

from daybreak.services import ingress
from daybreak.services.ray import head, port_names
from daybreak.spec.model import Spec
from tests.unit.services.test_databases import SITE

SPEC = Spec.model_validate({"name": "shop", "serve": {"applications": [{"import_path": "app:main"}]}})
WITH_HAPROXY = replace(
    SITE, ray=replace(SITE.ray, haproxy="/venv/haproxy"), ports=dict.fromkeys(port_names(SPEC), 1) | dict(SITE.ports)
)


def test_every_file_of_haproxy_is_in_the_cluster_s_own_folder() -> None:
    env = ingress.env(SPEC, WITH_HAPROXY)
    files = {name: value for name, value in env.items() if value.startswith("/") and not name.endswith("BINARY_PATH")}
    assert len(files) == 5
    assert all(path.startswith(f"{SITE.runtime}/h") for path in files.values())
    assert "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH" in files


def test_what_earlier_heads_have_left_there_is_removed() -> None:
    service = head(SPEC, WITH_HAPROXY)
    assert f"{SITE.runtime}/h" in service.discard
    assert f"{SITE.runtime}/h" in service.folders
