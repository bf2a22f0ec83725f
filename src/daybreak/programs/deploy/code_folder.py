"""From which folder the applications are imported: the spec's own, or the one of an earlier version.

Replicas are processes of the job that has started Serve, whoever deploys later. Of a job Ray remembers folders, which
each of its processes looks into first. One of them is a link that stays where it is and leads elsewhere in time: to an
empty folder beside it while the spec's folder is what is deployed, else to a version's. A request names both, as `base`
and `code_link`; without a link code is looked for where the deployment works, and only there.
"""

import contextlib
import os
from typing import Any, Dict, Iterator, List

from .packing import is_local

NOTHING = "none"


def work_in(job: Dict[str, Any]) -> None:
    """From now on this process is where the code is that it deploys."""
    if is_version(job):
        os.chdir(os.path.realpath(job["code_link"]))


def is_version(job: Dict[str, Any]) -> bool:
    """Is an earlier version what is deployed?"""
    link = job.get("code_link")
    folder = os.path.realpath(link) if link else ""
    return os.path.isdir(folder) and os.path.basename(folder) != NOTHING


@contextlib.contextmanager
def looked_for(job: Dict[str, Any], options: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """The options of `ray.init` by which the job's processes look for code as said above.

    Ray puts the folder in which a driver works in front of all; meanwhile that is the empty one. What remembers folders
    is no public option of Ray's job: without it processes look into the driver's folder alone, as they always did.
    """
    link = job.get("code_link") or ""
    here, empty = os.getcwd(), os.path.join(os.path.dirname(link), NOTHING)
    config = _job_config([job["base"], link]) if link else None
    if config is None or not os.path.isdir(empty):
        yield options
        return
    given = {**options, "job_config": options.get("job_config") or config}
    if given["job_config"] is not config:
        given["job_config"]._py_driver_sys_path[:0] = config._py_driver_sys_path
    if isinstance(options.get("runtime_env"), dict):
        given["runtime_env"] = _from_here(options["runtime_env"])
    os.chdir(empty)
    try:
        yield given
    finally:
        os.chdir(here)


def can_be_looked_for(job: Dict[str, Any]) -> bool:
    """Do the job's processes look where the link leads?"""
    return os.path.isdir(job.get("code_link") or "") and _job_config([]) is not None


def _job_config(folders: List[str]) -> Any:
    from ray.job_config import JobConfig

    try:
        made = JobConfig(_py_driver_sys_path=list(folders))
    except TypeError:
        return None
    return made if isinstance(getattr(made, "_py_driver_sys_path", None), list) else None


def _from_here(environment: Dict[str, Any]) -> Dict[str, Any]:
    """A runtime environment whose local folders mean the same from everywhere."""
    made = dict(environment)
    if is_local(made.get("working_dir")):
        made["working_dir"] = os.path.abspath(made["working_dir"])
    if isinstance(made.get("py_modules"), list):
        made["py_modules"] = [os.path.abspath(path) if is_local(path) else path for path in made["py_modules"]]
    return made
