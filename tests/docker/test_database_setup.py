"""PostgreSQL in its container: scripts that run once, and what changes while it runs. No Ray is needed for that."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.base import Handle
from daybreak.backends.docker.backend import DockerBackend
from daybreak.machine.brought import find_scripts, secrets_of
from daybreak.machine.survey import write_connections
from daybreak.paths import ClusterPaths
from daybreak.services.databases.connections import passwords_of
from daybreak.services.databases.containers import database_container
from daybreak.services.service import CommandCheck, Service
from daybreak.services.site import Engine, Image, RayInstall, Site
from daybreak.spec.model import Spec
from tests.docker.helpers import require_engine
from tests.docker.world import backend_of, run
from tests.helpers import free_port

OWN: dict[str, Any] = {
    "user": "shop",
    "database": "store",
    "password_file": "pw",
    "databases": {"orders": {"user": "clerk"}},
    "roles": {"report": {"member_of": ["pg_read_all_data"]}},
    "init": "init",
}
NAP_S = 0.2


@pytest.fixture
def base(tmp_path: Path) -> Path:
    require_engine("postgres:15")
    (tmp_path / "pw").write_text("a first password\n")
    folder = tmp_path / "init"
    folder.mkdir()
    (folder / "1.sql").write_text("CREATE TABLE item (n int); INSERT INTO item VALUES (1);")
    (folder / "2.sh").write_text('psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "GRANT DELETE ON item TO report"\n')
    for path in (tmp_path, folder, *folder.iterdir()):
        path.chmod(0o755)
    return tmp_path


def made(paths: ClusterPaths, base: Path, port: int, **written: object) -> Service:
    """The service of a spec, with its passwords where the backend finds them; on the machine's own network."""
    asked = {"postgres": {"port": port, **OWN, **written}}
    docker = {"name": paths.name, "backend": "docker", "docker": {"network": "host"}}
    spec = Spec.model_validate(docker | {"databases": asked})
    names = ["ray-token", *passwords_of(spec, containers=True)]
    site = Site(
        base=str(base),
        root=str(paths.root),
        runtime=str(paths.runtime),
        logs=str(paths.logs),
        data=str(paths.data),
        secrets_folder=str(paths.secrets),
        ray=RayInstall("2.60.0", "python", "ray"),
        node_ip="127.0.0.1",
        secrets=secrets_of(spec, base, paths.secrets, names, keep=True),
        scripts=find_scripts(spec, base),
        engine=Engine(f"daybreak-{paths.name}", Image("")),
    )
    write_connections(spec, site, paths)
    return database_container(spec, site, "postgres")


async def ready(backend: DockerBackend, service: Service, handle: Handle) -> bool:
    """Whether it becomes ready, or ends before."""
    check = service.gates[-1].check
    assert isinstance(check, CommandCheck)
    end = asyncio.ensure_future(backend.exited(handle))
    while not end.done():
        if (await backend.run(service, check.argv, timeout_s=30)).code == 0:
            end.cancel()
            return True
        await asyncio.wait([end], timeout=NAP_S)
    return False


async def said(backend: DockerBackend, service: Service, role: str, secret: str, database: str, query: str) -> str:
    """What a role is told over the port, with the password that the container has been given."""
    told = f'PGPASSWORD="$(cat /run/daybreak/secrets/{secret})" exec psql -XAtq -h 127.0.0.1 "$@"'
    port = next(claim.port for claim in service.ports)
    words = ("sh", "-c", told, "sh", "-p", str(port), "-U", role, "-d", database, "-c", query)
    return (await backend.run(service, words, timeout_s=30)).output


def test_scripts_run_once_and_what_the_spec_says_changes_while_it_runs(paths: ClusterPaths, base: Path) -> None:
    port, broken = free_port(), base / "init/3.sql"

    async def story() -> None:
        async with backend_of(paths, "postgres") as backend:
            broken.write_text("SELECT nonsense;")
            broken.chmod(0o644)
            service = made(paths, base, port)
            handle = await backend.start(service, instance="i1", generation=1, bound={})
            assert not await ready(backend, service, handle)
            assert '3.sql:1: ERROR:  column "nonsense" does not exist' in (paths.logs / "postgres.log").read_text()
            await backend.stop(handle)

            broken.unlink()
            service = made(paths, base, port)
            handle = await backend.start(service, instance="i2", generation=1, bound={})
            assert await ready(backend, service, handle), "from an empty folder"
            assert await said(backend, service, "shop", "postgres", "store", "SELECT n FROM item") == "1"
            encodings = "SELECT DISTINCT pg_encoding_to_char(encoding) FROM pg_database"
            assert await said(backend, service, "shop", "postgres", "store", encodings) == "UTF8", "whatever the locale"
            assert await said(backend, service, "report", "postgres.report", "store", "DELETE FROM item") == ""
            assert await said(backend, service, "shop", "postgres", "store", "ALTER TABLE item ADD more int") == ""

            (base / "pw").write_text("a second password\n")
            changed = made(paths, base, port, user="boss", databases={"orders": {"user": "clerk"}, "ledger": None})
            assert changed.fingerprint() == service.fingerprint(), "it is not replaced"
            assert changed.settle
            done = await backend.run(changed, changed.settle.argv, timeout_s=30)
            assert done.code == 0, done.output
            assert await said(backend, changed, "boss", "postgres", "store", "SELECT count(*) FROM item") == "0"
            query = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
            assert await said(backend, changed, "ledger", "postgres.ledger", "ledger", query) == "ledger"
            assert "second password" not in (paths.logs / "postgres.log").read_text()

    run(story)
