"""daybreak job submit."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.output import print_json
from daybreak.cli.job.following import follow
from daybreak.errors import UsageError
from daybreak.extras.jobs.package import packed
from daybreak.extras.jobs.rest import JobsApi
from daybreak.show.text import plural, size

# It is a part of addresses and of files' names.
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@click.command(context_settings={"allow_interspersed_args": False})
@options.name
@click.option("--id", "job", metavar="ID", help="The job's name; one is made if absent.")
@click.option(
    "--working-dir",
    type=click.Path(),
    default=".",
    show_default=True,
    help="The folder that the command runs in, sent to the cluster; without what .gitignore and .rayignore name.",
)
@click.option("-e", "--env", "variables", multiple=True, metavar="KEY[=VALUE]", help="Also the shell's own, by KEY.")
@click.option("--cpus", type=click.FloatRange(0), metavar="N", help="CPUs that the command itself takes.")
@click.option("--gpus", type=click.FloatRange(0), metavar="N", help="GPUs that the command itself takes, and sees.")
@click.option("--no-wait", is_flag=True, help="Print the job's ID, and do not follow it.")
@click.option("--stop-on-interrupt", is_flag=True, help="Ctrl-C ends the job, too.")
@options.as_json
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def submit(
    name: str | None,
    job: str | None,
    working_dir: str,
    variables: tuple[str, ...],
    cpus: float | None,
    gpus: float | None,
    no_wait: bool,
    stop_on_interrupt: bool,
    as_json: bool,
    command: tuple[str, ...],
) -> int:
    """Run COMMAND in the cluster as a job, and follow it: its exit code is the job's.

    It runs on the head, with the cluster's variables (RAY_ADDRESS, DATABASE_URL, ...), in a copy of the working folder.
    Ctrl-C ends the following only.

    \b
    Examples:
      daybreak job submit -- python train.py --epochs 3
      daybreak job submit --id nightly -e SHARD=2 -e API_KEY --no-wait -- python load.py
      daybreak job submit -- sh -c 'python a.py && python b.py'
    """
    if job is not None and not ID.fullmatch(job):
        raise UsageError(f"--id {job!r}: letters, digits, `.`, `_` and `-` only, 100 at most; nothing was submitted")
    environment = given(variables, os.environ)
    jobs = api.jobs(name)
    if job is not None and jobs.info(job):
        raise UsageError(f"there is a job {job} already; nothing was submitted", hint="give it another --id")
    job = job or f"job-{secrets.token_hex(4)}"
    runtime_env = {**({"env_vars": environment} if environment else {}), **_sent(jobs, Path(working_dir), name)}
    jobs.submit(job, shlex.join(command), runtime_env=runtime_env, cpus=cpus, gpus=gpus)
    if no_wait:
        print_json(jobs.known(job).to_json()) if as_json else print(job)
        return 0
    return follow(jobs, job, api.resolve_name(name), stop_on_interrupt=stop_on_interrupt, as_json=as_json)


def given(variables: tuple[str, ...], shell: Mapping[str, str]) -> dict[str, str]:
    """What `--env` means. Raises UsageError that names all that is wrong."""
    found: dict[str, str] = {}
    wrong = []
    for word in variables:
        key, equals, value = word.partition("=")
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
            wrong.append(f"--env {word}: {key!r} is no name of a variable")
        elif not equals and key not in shell:
            wrong.append(f"--env {key}: the shell has no such variable (KEY=VALUE gives one)")
        else:
            found[key] = value if equals else shell[key]
    if wrong:
        raise UsageError(f"{'; '.join(wrong)}; nothing was submitted")
    return found


def _sent(jobs: JobsApi, folder: Path, cluster: str | None) -> dict[str, str]:
    """The folder, as a runtime environment names it."""
    secret = api.files_with_secrets(cluster)
    package = packed(folder, secret)
    whole = folder.resolve()
    inside = sorted(str(path.relative_to(whole)) for path in secret if path.is_file() and path.is_relative_to(whole))
    if inside:
        print(f"not sent, since they hold secrets: {', '.join(inside)}", file=sys.stderr)
    if package is None:
        return {}
    if jobs.upload(package):
        sent = f"{plural(package.files, 'file')}, {size(len(package.content))}"
        print(f"sent the folder {folder} ({sent})", file=sys.stderr)
    return {"working_dir": package.uri}
