"""What the deployments of a built application ask of the nodes that they are to run on."""

import os
from typing import Any, Dict, List, Optional

from . import loading

# Where drivers of GPUs show: without any of these Ray finds none.
GPU_DEVICES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dri", "/dev/dxg")


def demands_of(application: Any, name: str, overrides: Optional[List[Dict[str, Any]]] = None) -> List[Dict[str, Any]]:
    """One row for each deployment, as `shortage.py` reads them; `overrides` are those of a Serve config.

    Raises Refused where Ray cannot build the application. Nothing is known where this Ray builds another way.
    """
    by_name = {override.get("name"): override for override in overrides or ()}
    try:
        return [
            _ask(name, deployment, by_name.get(deployment.name, {})) for deployment in _deployments(application, name)
        ]
    except (AttributeError, KeyError, ImportError, TypeError) as error:
        print(f"what {name} asks for is not known: {type(error).__name__}: {error}", flush=True)
        return []


def demands_told(name: str, deployments: Dict[str, Any]) -> List[Dict[str, Any]]:
    """The same for an application that Serve has built itself, from its `deployments` as Serve's REST API has them."""
    configs = {deployment: told.get("deployment_config") or {} for deployment, told in deployments.items()}
    return [
        {
            "application": name,
            "deployment": deployment,
            "replicas": _replicas(None, {"num_replicas": 1, **config}),
            "each": _amounts(config.get("ray_actor_options") or {}),
            "bundles": config.get("placement_group_bundles"),
            "together": config.get("placement_group_strategy") == "STRICT_PACK",
        }
        for deployment, config in configs.items()
    ]


def _deployments(application: Any, name: str) -> List[Any]:
    """As Ray builds them, which is no public function: nothing is started or sent anywhere."""
    from ray.serve.exceptions import RayServeException

    try:
        from ray.serve._private.build_app import build_app
    except ImportError:  # before Ray 2.40
        from ray.serve._private.deployment_graph_build import build

        return list(build(application._get_internal_dag_node(), name))
    try:
        return list(build_app(application, name=name, make_deployment_handle=lambda *_: None).deployments)
    except (RayServeException, ValueError) as error:
        raise loading.Refused(f"application {name}: {str(error).strip().splitlines()[0]}") from error


def _ask(application: str, deployment: Any, override: Dict[str, Any]) -> Dict[str, Any]:
    config, replica = deployment._deployment_config, deployment._replica_config
    options = override.get("ray_actor_options") or deployment.ray_actor_options or {}
    bundles = override.get("placement_group_bundles") or getattr(replica, "placement_group_bundles", None)
    strategy = override.get("placement_group_strategy") or getattr(replica, "placement_group_strategy", None)
    return {
        "application": application,
        "deployment": deployment.name,
        "replicas": _replicas(config, override),
        "each": _amounts(options),
        "bundles": [dict(bundle) for bundle in bundles] if bundles else None,
        "together": strategy == "STRICT_PACK",
    }


def _replicas(config: Any, override: Dict[str, Any]) -> int:
    """Those that must run before the application does: with autoscaling the first ones."""
    scaling = override.get("autoscaling_config")
    number = override.get("num_replicas")
    if scaling is None and number is None:
        scaling = getattr(config, "autoscaling_config", None)
        number = config.num_replicas
    if scaling:
        found = scaling if isinstance(scaling, dict) else {k: getattr(scaling, k, None) for k in SCALING}
        first = found.get("initial_replicas")
        least = found.get("min_replicas")
        return int(first if first is not None else 1 if least is None else least)
    return 1 if number in (None, "auto") else int(number)


SCALING = ("initial_replicas", "min_replicas")


def _amounts(options: Dict[str, Any]) -> Dict[str, float]:
    """A replica takes one CPU where nothing is said."""
    cpus = options.get("num_cpus")
    found = {"CPU": 1.0 if cpus is None else float(cpus), "GPU": float(options.get("num_gpus") or 0)}
    found["memory"] = float(options.get("memory") or 0)
    found.update({name: float(amount) for name, amount in (options.get("resources") or {}).items()})
    return found


def with_what_ray_finds(nodes: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Ray looks for GPUs where the spec says nothing: on a machine without any there are none."""
    if any(os.path.exists(device) for device in GPU_DEVICES):
        return nodes
    return [{**node, "GPU": 0} if node.get("GPU", 0) is None else node for node in nodes]
