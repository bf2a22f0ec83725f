"""What a spec can ask for, on real Ray: the user's own services, every way to give applications, nodes' properties."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import free_port
from tests.integration.conftest import APP, GATEWAY, RAY_RELEASE, Sandbox, make_sandbox
from tests.tls import self_signed

pytestmark = pytest.mark.ray

HAS_LABELS = RAY_RELEASE >= (2, 49)
SERVES_TLS = RAY_RELEASE >= (2, 50)

# Looks at what it needs the moment it starts, and tells afterwards.
WEB = """
import http.server, json, os, socketserver, urllib.request
import psycopg

with urllib.request.urlopen(os.environ["SERVE_URL"] + "/health") as answer:
    serve_at_start = answer.status
with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=5) as connection:
    row = connection.execute("select 40 + 2").fetchone()
seen = {
    "serve_at_start": serve_at_start,
    "postgres_at_start": row[0],
    "ray_address": os.environ.get("RAY_ADDRESS"),
    "own": os.environ.get("OWN"),
    "pid": os.getpid(),
}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["WEB_PORT"])), Handler).serve_forever()
"""
SAYS = """
from ray import serve


@serve.deployment
class Says:
    def __init__(self, word="nothing"):
        self.word = word

    def __call__(self, request):
        return {"word": self.word}


one = Says.bind("one")
two = Says.bind("two")


def build(args):
    return Says.bind(args["word"])
"""
TLS_CONFIG = """\
http_options: {ssl_keyfile: key.pem, ssl_certfile: cert.pem}
applications:
  - {name: one, route_prefix: /one, import_path: "says:one", runtime_env: {working_dir: code}}
"""
SERVE_CONFIG = """\
# Ray's own file, as `serve build` writes it.
proxy_location: EveryNode
http_options: {host: 0.0.0.0}
applications:
  - name: one
    route_prefix: /one
    import_path: says:one
  - name: two
    route_prefix: /two
    import_path: says:two
    deployments:
      - name: Says
        num_replicas: 1
        ray_actor_options: {num_cpus: 0.1}
"""
BARE = "head: {cpus: 4}\nworkers: {count: 0}\ndatabases: {postgres: {}}\n"
LOOK = """
import json, os
import ray

ray.init(log_to_driver=False)


@ray.remote(num_cpus=0.1)
def look(name):
    return os.environ.get(name)


@ray.remote(num_cpus=0.1)
def where():
    return ray.get_runtime_context().get_node_id()


nodes = [node for node in ray.nodes() if node["Alive"]]
print(json.dumps({
    "resources": ray.cluster_resources(),
    "on_worker": ray.get(look.options(resources={"gadget": 1}).remote("COLOUR")),
    "on_head": ray.get(look.options(resources={"lever": 1}).remote("COLOUR")),
    "labels": [node.get("Labels", {}) for node in nodes],
    "by_label": ray.get(where.options(label_selector={"zone": "north"}).remote()) if HAS_LABELS else None,
    "worker": next(node["NodeID"] for node in nodes if "gadget" in node["Resources"]),
}))
"""


def answer_of(sandbox: Sandbox, *command: str) -> Any:
    """The last line that a program prints in the cluster's environment, parsed."""
    return json.loads(sandbox.run("run", "--", *command).stdout.strip().splitlines()[-1])


def status_of(sandbox: Sandbox, path: str) -> int:
    try:
        sandbox.get(path)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    return 200


def web_spec(sandbox: Sandbox, port: int, own: str = "first") -> str:
    return f"""
head: {{cpus: 4}}
workers: {{count: 0}}
serve: {{applications: [{{import: "app:main"}}], health: /health}}
databases: {{postgres: {{}}}}
services:
  web:
    command: [python, web.py]
    needs: [serve, postgres]
    ports: [{port}]
    env: {{WEB_PORT: "{port}", SERVE_URL: "{sandbox.url}", OWN: {own}}}
    check: {{http: "http://127.0.0.1:{port}/"}}
"""


@pytest.fixture(scope="module")
def web_port() -> int:
    return free_port()


def test_an_own_service_starts_after_what_it_needs_and_gets_its_environment(shared: Sandbox, web_port: int) -> None:
    shared.write(web_spec(shared, web_port), app_py=APP, web_py=WEB, says_py=SAYS)
    done = shared.run("up")
    base = f"http://127.0.0.1:{web_port}"
    assert base in done.stdout
    seen = shared.get(base=base)
    assert (seen["serve_at_start"], seen["postgres_at_start"], seen["own"]) == (200, 42, "first")
    assert seen["ray_address"].endswith(f":{6380 + shared.offset}")
    row = shared.services()["web"]
    assert (row["state"], row["tier"], row["pid"]) == ("ready", "app", seen["pid"])
    shared.run("wait", "web", "--timeout", "10s")


@pytest.mark.one_ray
def test_a_change_of_an_own_service_replaces_only_that(shared: Sandbox, web_port: int) -> None:
    before = shared.column("instance")
    shared.write(web_spec(shared, web_port, own="second"))
    shared.run("up")
    after = shared.column("instance")
    assert shared.get(base=f"http://127.0.0.1:{web_port}")["own"] == "second"
    assert {name for name in after if after[name] != before[name]} == {"web"}


@pytest.mark.one_ray
def test_one_service_is_restarted_by_its_name_and_nothing_else(shared: Sandbox, web_port: int) -> None:
    for name in ("web", "postgres"):
        before = shared.column("instance")
        shared.run("restart", name)
        after = shared.column("instance")
        assert {name for name in after if after[name] != before[name]} == {name}
    assert shared.get(base=f"http://127.0.0.1:{web_port}")["own"] == "second"
    assert "has no service 'wbe'" in shared.run("restart", "wbe", code=2).stderr
    assert "--redeploy" in shared.run("restart", "serve", code=2).stderr
    shared.run("restart", "web", "--redeploy", code=2)
    assert shared.column("instance") == after


@pytest.mark.one_ray
def test_restart_replaces_own_services_with_the_app_tier(shared: Sandbox, web_port: int) -> None:
    before = shared.column("instance")
    shared.run("restart", "--in-place")
    after = shared.column("instance")
    assert {name for name in after if after[name] == before[name]} == {"postgres", "warm", *GATEWAY}
    assert shared.get(base=f"http://127.0.0.1:{web_port}")["serve_at_start"] == 200


def test_serve_by_rays_own_config_file(shared: Sandbox) -> None:
    head = shared.services()["head"]["instance"]
    config = shared.folder / "serve_config.yaml"
    config.write_text(SERVE_CONFIG)
    shared.write(BARE + "serve: {config: serve_config.yaml}\n")
    told = shared.run("up").stderr
    assert "host 0.0.0.0 becomes 127.0.0.1" in told
    assert "proxy_location EveryNode becomes HeadOnly" in told
    assert (shared.get("/one"), shared.get("/two")) == ({"word": "one"}, {"word": "two"})
    assert status_of(shared, "/") == 404
    assert config.read_text() == SERVE_CONFIG
    services = shared.services()
    assert list(services) == ["warm", "postgres", *GATEWAY, "head", "serve"]
    assert services["head"]["instance"] == head


def test_two_applications_by_import_path_and_one_by_a_builder(shared: Sandbox) -> None:
    head = shared.services()["head"]["instance"]
    applications = """
serve:
  applications:
    - {import: "app:main"}
    - {import: "says:two", name: second, route: /second}
    - {import: "says:build", name: built, route: /built, args: {word: hello}}
"""
    shared.write(BARE + applications)
    shared.run("up")
    assert shared.get("/health") == {"ok": True}
    assert shared.get("/second") == {"word": "two"}
    assert shared.get("/built") == {"word": "hello"}
    assert shared.services()["head"]["instance"] == head


def test_an_application_that_is_no_longer_wanted_is_gone(shared: Sandbox) -> None:
    shared.write(BARE + 'serve: {applications: [{import: "says:one", name: only, route: /built}]}\n')
    shared.run("up")
    assert shared.get("/built") == {"word": "one"}
    assert (status_of(shared, "/health"), status_of(shared, "/second")) == (404, 404)


def test_an_application_that_cannot_be_imported_fails_with_its_own_words(shared: Sandbox) -> None:
    shared.write(BARE + 'serve: {applications: [{import: "says:missing"}]}\n')
    done = shared.run("up", code=1)
    assert "missing" in done.stderr
    assert "says" in done.stderr
    shared.write(BARE + 'serve: {applications: [{import: "says:two", route: /built}]}\n')
    shared.run("up")
    assert shared.get("/built") == {"word": "two"}


def test_a_cluster_without_serve_what_its_nodes_offer_and_serve_with_tls_and_local_code_added(sandbox: Sandbox) -> None:
    labels = "labels: {zone: north}, " if HAS_LABELS else ""
    spec = f"""
head: {{cpus: 500m, resources: {{lever: 2}}, env: {{COLOUR: green}}}}
workers: {{cpus: 1500m, resources: {{gadget: 3}}, {labels}env: {{COLOUR: blue}}}}
"""
    sandbox.write(spec, look_py=f"HAS_LABELS = {HAS_LABELS}\n{LOOK}")
    sandbox.run("up", "1")
    assert list(sandbox.services()) == ["warm", "head", "worker-1"]
    assert "serve" not in sandbox.status()["urls"]
    for target in ("serve", "workers", "all"):
        sandbox.run("wait", target, "--timeout", "30s")
    found = answer_of(sandbox, "python", str(sandbox.folder / "look.py"))
    resources = found["resources"]
    # A Ray node has whole CPUs only.
    assert resources["CPU"] == 1 + 2
    assert (resources["lever"], resources["gadget"]) == (2.0, 3.0)
    assert (found["on_head"], found["on_worker"]) == ("green", "blue")
    if HAS_LABELS:
        assert any(labels.get("zone") == "north" for labels in found["labels"])
        assert found["by_label"] == found["worker"]
    if SERVES_TLS:
        add_serve_with_tls(sandbox, spec)


def add_serve_with_tls(sandbox: Sandbox, spec: str) -> None:
    """By a config that names code in a folder beside it, and a certificate that nobody has signed."""
    head = sandbox.services()["head"]["instance"]
    self_signed(sandbox.folder)
    for place, text in (("conf/code/says.py", SAYS), ("conf/serve.yaml", TLS_CONFIG)):
        (sandbox.folder / place).parent.mkdir(parents=True, exist_ok=True)
        (sandbox.folder / place).write_text(text)
    # HAProxy as Serve's proxy would need another head.
    sandbox.write(spec + "serve: {config: conf/serve.yaml, haproxy: false}\n")
    notes = json.loads(sandbox.run("plan", "--json").stdout)["notes"]
    done = sandbox.run("up", "1")
    assert all(f"note: {note}" in done.stderr for note in notes)
    assert any("code is packed and uploaded" in note for note in notes)
    url = f"https://127.0.0.1:{8000 + sandbox.offset}"
    assert url in done.stdout
    with urllib.request.urlopen(f"{url}/one", context=ssl._create_unverified_context()) as answer:
        assert json.load(answer) == {"word": "one"}
    # The gateway has the dashboard's port now, which was the head's own before.
    assert sandbox.services()["head"]["instance"] != head
    with urllib.request.urlopen(f"http://127.0.0.1:{8265 + sandbox.offset}/") as answer:
        assert answer.status == 200


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Sandbox]:
    """A folder without a spec file: the cluster is called like the folder."""
    folder = tmp_path / "plain"
    folder.mkdir()
    made = make_sandbox(folder, "plain")
    yield made
    made.tear_down()


@pytest.mark.one_ray
def test_without_any_spec_file(plain: Sandbox) -> None:
    (plain.folder / "app.py").write_text(APP)
    done = plain.run("up", "1", "--app", "app:main", "--port-offset", str(plain.offset))
    assert plain.url in done.stdout
    assert plain.get("/health") == {"ok": True}
    before = plain.column("instance")
    assert [name for name in before if name != "prometheus"] == ["warm", *GATEWAY, "head", "worker-1", "serve"]
    # What was given before counts from now on.
    plain.run("up", "1")
    assert plain.column("instance") == before
    plain.run("restart", "--in-place")
    assert plain.get("/health") == {"ok": True}
