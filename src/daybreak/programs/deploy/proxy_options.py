"""How Serve is reached: what it takes when it starts, and never again. Pure."""

from typing import Any, Dict


def proxy_options_of(job: Dict[str, Any]) -> Dict[str, Any]:
    """The HTTP and gRPC options of a request (see `deploy.py`)."""
    config = job["config"]
    if config is None:
        return {"proxy_location": "HeadOnly", "http": dict(job["http"]), "grpc": {}}
    grpc = config.get("grpc_options") or {}
    return {
        "proxy_location": config.get("proxy_location"),
        "http": dict(config.get("http_options") or {}),
        "grpc": grpc if grpc.get("grpc_servicer_functions") else {},
    }
