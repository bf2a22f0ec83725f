"""What applications ask for that Serve has built itself, from what its REST API tells."""

from __future__ import annotations

from daybreak.programs.deploy.demands import demands_told


def test_each_deployment_asks_for_its_first_replicas() -> None:
    told = demands_told(
        "shop",
        {
            "Fixed": {"deployment_config": {"num_replicas": 2, "ray_actor_options": {"num_cpus": 0.5, "num_gpus": 1}}},
            "Scaled": {"deployment_config": {"autoscaling_config": {"min_replicas": 3, "max_replicas": 9}}},
            "Silent": {},
            "Apart": {
                "deployment_config": {
                    "placement_group_bundles": [{"CPU": 1}, {"CPU": 2}],
                    "placement_group_strategy": "STRICT_PACK",
                }
            },
        },
    )
    assert [(row["deployment"], row["replicas"]) for row in told] == [
        ("Fixed", 2),
        ("Scaled", 3),
        ("Silent", 1),
        ("Apart", 1),
    ]
    assert [row["each"]["CPU"] for row in told] == [0.5, 1.0, 1.0, 1.0]
    assert told[0]["each"]["GPU"] == 1.0
    assert (told[3]["bundles"], told[3]["together"]) == ([{"CPU": 1}, {"CPU": 2}], True)
