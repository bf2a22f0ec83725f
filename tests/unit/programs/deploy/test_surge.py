"""A Serve config that is deployed anew, and whose deployments start before they stop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from daybreak.programs.deploy import surge

APP: dict[str, Any] = {"name": "shop", "import_path": "app:main"}
CONFIG: dict[str, Any] = {"applications": [APP]}


def told(given: list[dict[str, Any]] | None = None, **percents: int) -> dict[str, Any]:
    deployments = {name: {"deployment_config": {surge.OPTION: value}} for name, value in percents.items()}
    return {"shop": {"deployments": deployments, "deployed_app_config": {"deployments": given or []}}}


def deployments(config: dict[str, Any], running: dict[str, Any], built: dict[str, list[str]] | None = None) -> Any:
    made = surge.in_config(config, running, built or {}, 100, "i2")
    return made["applications"][0]["deployments"]


def test_a_difference_has_it_deployed_anew_and_keeps_what_is_there() -> None:
    given = {**APP, "runtime_env": {"env_vars": {"LEVEL": "1"}, "working_dir": "/code"}}
    made = surge.in_config({"applications": [given]}, {}, {}, 0, "i2")["applications"][0]
    assert made == {
        **APP,
        "runtime_env": {"env_vars": {"LEVEL": "1", surge.MARK: "i2"}, "working_dir": "/code"},
    }
    assert surge.MARK not in given["runtime_env"]["env_vars"]


def test_without_a_mark_an_earlier_one_stays_since_it_would_be_a_difference() -> None:
    earlier = {**APP, "runtime_env": {"env_vars": {surge.MARK: "i1"}}}
    running = {"shop": {"deployments": {}, "deployed_app_config": earlier}}
    assert surge.in_config(CONFIG, running, {}, 0, None) == {"applications": [earlier]}
    assert surge.in_config(CONFIG, {}, {}, 0, None) == CONFIG


def test_deployments_that_the_config_does_not_list_surge_too() -> None:
    config = {"applications": [{**APP, "deployments": [{"name": "A", "num_replicas": 2}]}]}
    assert deployments(config, told(A=0, B=0)) == [
        {"name": "A", "num_replicas": 2, surge.OPTION: 100},
        {"name": "B", surge.OPTION: 100},
    ]


def test_the_users_own_number_counts_in_the_config_and_in_the_code() -> None:
    config = {"applications": [{**APP, "deployments": [{"name": "A", surge.OPTION: 0}]}]}
    assert deployments(config, told(A=0, B=30)) == [{"name": "A", surge.OPTION: 0}]


def test_what_an_earlier_redeployment_has_set_is_not_the_users_own() -> None:
    earlier = [{"name": "A", surge.OPTION: 1}]
    assert deployments(CONFIG, told(earlier, A=1)) == [{"name": "A", surge.OPTION: 100}]


def test_a_deployment_that_the_new_code_lacks_is_not_named(tmp_path: Path) -> None:
    rows = [{"application": "shop", "deployment": name} for name in ("A", "C")]
    (tmp_path / "vet-report.json").write_text(json.dumps({"asks": rows}))
    built = surge.built_by_vetting(str(tmp_path))
    assert [one["name"] for one in deployments(CONFIG, told(A=0, B=0), built)] == ["A", "C"]


def test_without_a_file_it_is_a_plain_start(tmp_path: Path) -> None:
    assert surge.read_way(None) == surge.read_way(str(tmp_path / "absent")) == {}
    (tmp_path / "way.json").write_text("[1]")
    assert surge.read_way(str(tmp_path / "way.json")) == {}
    assert surge.built_by_vetting(str(tmp_path)) == {}


def test_with_one_application_alone_the_others_are_told_as_they_were() -> None:
    other = {**APP, "name": "other"}
    earlier = {**other, "runtime_env": {"env_vars": {surge.MARK: "i1"}}}
    running = {"other": {"deployments": {}, "deployed_app_config": earlier}}
    made = surge.in_config({"applications": [APP, other]}, running, {}, 0, "i2", "shop")["applications"]
    assert made[1] == earlier
    assert made[0]["runtime_env"]["env_vars"] == {surge.MARK: "i2"}
