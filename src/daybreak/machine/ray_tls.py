"""The certificates of this machine's Ray processes: those that the spec names, or the cluster's own."""

from __future__ import annotations

from pathlib import Path

from daybreak.errors import PreflightError, Problem, SpecError
from daybreak.machine.authority import Authority
from daybreak.paths import ClusterPaths
from daybreak.services.site import RayTlsFiles
from daybreak.spec.model import Spec


def find_ray_tls(spec: Spec, base: Path, paths: ClusterPaths, *, only_look: bool) -> RayTlsFiles | None:
    """None where Ray's nodes talk in clear. Raises SpecError where a file is not there, PreflightError where none can
    be made."""
    tls = spec.ray.tls
    if not tls.enabled or spec.address is None:
        return None
    if tls.certificate and tls.key and tls.authority:
        given = {name: base / str(getattr(tls, name)) for name in ("certificate", "key", "authority")}
        if absent := [name for name, path in given.items() if not path.is_file()]:
            raise SpecError([Problem(f"no such file: {given[name]}", key=f"ray.tls.{name}") for name in absent])
        return RayTlsFiles(*(str(path) for path in given.values()))
    authority = Authority(paths.hosts_book.parent)
    files = authority.node_files(spec.address)
    if not only_look:
        try:
            authority.ensure()
            authority.ensure_node(spec.address)
        except OSError as error:
            raise PreflightError([f"{files[0]} cannot be written: {error.strerror}"]) from error
    certificate, key, signed_by = files
    return RayTlsFiles(str(certificate), str(key), str(signed_by))
