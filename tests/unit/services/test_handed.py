"""What services are handed of secrets and files of variables: paths and names, as processes and in containers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from daybreak.services.build import build
from daybreak.services.handed import EnvFileValues, Handed
from daybreak.services.ray.addresses import port_names
from daybreak.services.service import Secret, Service
from daybreak.services.site import Site
from daybreak.spec.model import Spec
from tests.unit.services import engine
from tests.unit.services.shop import shop

WRITTEN: dict[str, Any] = {
    "name": "shop",
    "workers": {"count": 1},
    "warm": False,
    "serve": {"applications": [{"import": "app:main"}], "secrets": ["model-key"]},
    "secrets": {name: {"environment": name.replace("-", "_").upper()} for name in ("api-key", "model-key", "db")},
    "env_file": "all.env",
    "services": {
        "api": {
            "command": ["api"],
            "env": {"LEVEL": "own"},
            "env_file": "api.env",
            "secrets": ["api-key", {"name": "db", "env": "PGPASSWORD"}],
        },
        "other": {"command": ["other"]},
    },
}
FOLDER = "/run/of/it/handed"


def handed(**digests: str) -> Handed:
    known = {"api-key": "secret-1", "model-key": "secret-2", "db": "secret-3"}
    files = {
        "all.env": EnvFileValues("file-1", ("LEVEL", "REGION")),
        "api.env": EnvFileValues("file-2", ("LEVEL", "MODE")),
    }
    return Handed(FOLDER, known | {name.replace("_", "-"): digest for name, digest in digests.items()}, files)


def services(site: Site, hands: Handed, **written: Any) -> dict[str, Service]:
    spec = Spec.model_validate(WRITTEN | written)
    return {service.name: service for service in build(spec, replace(site, handed=hands))}


def site_of(written: dict[str, Any]) -> Site:
    places = engine.ADDRESSES | {"own": "10.208.3.12"}
    return engine.site(Spec.model_validate(WRITTEN | written), images={"own": engine.IMAGE}, addresses=places)


def machine() -> Site:
    return shop(ports={name: 20500 + place for place, name in enumerate(port_names(Spec.model_validate(WRITTEN)))})


def test_processes_are_handed_paths_and_what_is_read_when_they_start() -> None:
    found = services(machine(), handed())
    api = found["api"].env
    assert api["API_KEY_FILE"] == f"{FOLDER}/secret-1/api-key"
    assert api["PGPASSWORD"] == Secret(f"{FOLDER}/secret-3/db")
    assert api["LEVEL"] == "own", "what is written in `env` goes first"
    assert api["MODE"] == Secret(f"{FOLDER}/file-2/MODE")
    assert api["REGION"] == Secret(f"{FOLDER}/file-1/REGION")
    other = found["other"].env
    assert other["LEVEL"] == Secret(f"{FOLDER}/file-1/LEVEL")
    assert not {"API_KEY_FILE", "PGPASSWORD", "MODE", "MODEL_KEY_FILE"} & other.keys()
    for name in ("head", "worker-1", "serve"):
        assert found[name].env["MODEL_KEY_FILE"] == f"{FOLDER}/secret-2/model-key"
        assert "API_KEY_FILE" not in found[name].env


def changed(before: dict[str, Service], after: dict[str, Service]) -> set[str]:
    return {name for name, service in after.items() if service.fingerprint() != before[name].fingerprint()}


def test_another_value_is_a_difference_for_who_is_handed_it() -> None:
    before = services(machine(), handed())
    assert changed(before, services(machine(), handed())) == set()
    assert changed(before, services(machine(), handed(api_key="secret-9"))) == {"api"}
    assert changed(before, services(machine(), handed(model_key="secret-9"))) == {"head", "worker-1", "serve"}


def test_containers_get_files_where_compose_has_them() -> None:
    written = {
        "backend": "docker",
        "services": {**WRITTEN["services"], "own": {**WRITTEN["services"]["api"], "image": "a:1"}},
    }
    found = services(site_of(written), handed(), **written)
    own, head = found["own"], found["head"]
    assert own.container
    assert head.container
    assert own.env["API_KEY_FILE"] == "/run/secrets/api-key"
    assert own.env["PGPASSWORD"] == Secret(f"{FOLDER}/secret-3/db")
    assert own.env["MODE"] == Secret(f"{FOLDER}/file-2/MODE")
    assert own.container.secrets["/run/secrets/api-key"] == Secret(f"{FOLDER}/secret-1/api-key")
    assert "/run/secrets/model-key" not in own.container.secrets
    # Programs in the head's container are handed variables on their own, and put there themselves what they read.
    assert head.container.secrets["/run/secrets/model-key"] == Secret(f"{FOLDER}/secret-2/model-key")
    assert "/run/secrets/api-key" not in head.container.secrets
    assert head.folders == ("/run/secrets",), "the engine makes it for the container's account"
    assert found["api"].env["WITHIN_API_KEY_FILE"] == "/run/secrets/api-key"
    files = json.dumps({"/run/secrets/api-key": f"{FOLDER}/secret-1/api-key"})
    assert found["api"].env["DAYBREAK_FILES"] == files
    assert "DAYBREAK_FILES" not in found["other"].env
    assert found["api"].env["WITHIN_PGPASSWORD"] == Secret(f"{FOLDER}/secret-3/db")
    job = json.loads(next(file.text for file in head.files if file.path.endswith("node.json")))
    assert job["secrets"]["REGION"] == "/run/daybreak/handed/file-1/REGION"
    assert head.container.secrets["/run/daybreak/handed/file-1/REGION"] == Secret(f"{FOLDER}/file-1/REGION")
    again = services(site_of(written), handed(model_key="secret-9"), **written)
    assert {"head", "worker-1"} <= changed(found, again)
    assert "own" not in changed(found, again)
    assert changed(found, services(site_of(written), handed(api_key="secret-9"), **written)) == {"api", "own"}
    assert changed(found, services(site_of(written), handed(db="secret-9"), **written)) == {"api", "own"}


def test_what_is_stored_of_it_is_read_back() -> None:
    stored = json.loads(json.dumps(handed().to_json()))
    assert replace(Handed.from_json(stored), folder=FOLDER) == handed()
