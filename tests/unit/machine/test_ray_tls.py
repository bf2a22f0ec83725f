"""What Ray's processes show each other: certificates of the cluster's own authority, or the spec's."""

from __future__ import annotations

import ssl
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from daybreak.errors import SpecError
from daybreak.machine.authority import Authority, new_key, request_of
from daybreak.machine.ray_tls import find_ray_tls
from daybreak.paths import ClusterPaths
from daybreak.services.ray.environment import auth_env
from daybreak.spec.model import Spec
from tests.unit.services.test_databases import SITE

ADDRESS = "10.0.0.5"


def spec(**ray: object) -> Spec:
    return Spec.model_validate({"name": "a", "address": ADDRESS, "ray": ray})


@pytest.fixture
def paths(tmp_path: Path) -> ClusterPaths:
    return ClusterPaths("a", tmp_path / "state", tmp_path / "run")


def test_nodes_show_a_certificate_of_their_address_that_the_authority_has_signed(
    paths: ClusterPaths, tmp_path: Path
) -> None:
    assert find_ray_tls(spec(), tmp_path, paths, only_look=False) is None
    looked = find_ray_tls(spec(tls=True), tmp_path, paths, only_look=True)
    assert not paths.hosts_book.parent.exists()
    files = find_ray_tls(spec(tls=True), tmp_path, paths, only_look=False)
    assert files == looked
    assert files
    assert stat.S_IMODE(Path(files.key).stat().st_mode) == 0o600
    made = x509.load_pem_x509_certificate(Path(files.certificate).read_bytes())
    authority = x509.load_pem_x509_certificate(Path(files.authority).read_bytes())
    made.verify_directly_issued_by(authority)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == [ADDRESS, "127.0.0.1", "::1"]
    uses = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert {*uses} == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    ssl.create_default_context().load_cert_chain(files.certificate, files.key)
    # The same again: who runs knows this one.
    before = Path(files.certificate).read_text()
    assert find_ray_tls(spec(tls=True), tmp_path, paths, only_look=False) == files
    assert Path(files.certificate).read_text() == before


def test_a_host_gets_one_of_its_own_address(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.ensure()
    made = x509.load_pem_x509_certificate(authority.issue(request_of(new_key(), "far"), "far", "10.0.0.7").encode())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert str(names.get_values_for_type(x509.IPAddress)[0]) == "10.0.0.7"
    with pytest.raises(ValueError, match="does not appear to be an IPv4 or IPv6 address"):
        authority.issue(request_of(new_key(), "far"), "far", "far.example")


def test_files_of_the_spec_must_be_there(paths: ClusterPaths, tmp_path: Path) -> None:
    named = {"certificate": "own.pem", "key": "own.key", "authority": "all.pem"}
    (tmp_path / "own.pem").touch()
    with pytest.raises(SpecError) as refused:
        find_ray_tls(spec(tls=named), tmp_path, paths, only_look=False)
    assert [problem.key for problem in refused.value.problems] == ["ray.tls.key", "ray.tls.authority"]
    for name in named.values():
        (tmp_path / name).touch()
    files = find_ray_tls(spec(tls=named), tmp_path, paths, only_look=False)
    env = auth_env(replace(SITE, ray_tls=files))
    assert env["RAY_USE_TLS"] == "1"
    assert env["RAY_TLS_CA_CERT"] == str(tmp_path / "all.pem")
    assert "RAY_USE_TLS" not in auth_env(SITE)
