"""Which files are a certificate with its key, and what is said of those that are not."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from tests.tls import certificate_in

from daybreak.errors import SpecError
from daybreak.spec.certificate import MOST_BYTES, read_pair
from daybreak.spec.load import load_spec

APPS = "serve: {applications: [{import: app:main}]}\n"


def messages(folder: Path) -> list[tuple[str, str]]:
    pair, troubles = read_pair(folder / "cert.pem", folder / "key.pem")
    assert (pair is None) == bool(troubles)
    return [(one.which, one.message.replace(f"{folder}/", "")) for one in troubles]


def openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def test_both_are_one_text_without_what_else_stands_in_the_files(tmp_path: Path) -> None:
    certificate, key = certificate_in(tmp_path)
    both = certificate.read_text() + key.read_text()
    openssl("x509", "-in", certificate, "-text", "-out", tmp_path / "long.pem")
    # A chain, words around it, and Windows' ends of lines.
    certificate.write_text((tmp_path / "long.pem").read_text().replace("\n", "\r\n") + "\r\n\r\n" + both)
    pair, troubles = read_pair(certificate, key)
    assert (troubles, pair and pair.note) == ([], "")
    assert pair
    assert pair.text.count("BEGIN CERTIFICATE") == 2
    assert pair.text.count("PRIVATE KEY-----\n") == 2
    assert "\n\n" not in pair.text
    assert "Issuer" not in pair.text
    assert "PRIVATE" not in repr(pair)
    together = tmp_path / "both.pem"
    together.write_text(pair.text)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(together)
    assert read_pair(together, together)[0] is not None


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    assert messages(tmp_path) == [
        ("certificate", "cert.pem cannot be read: No such file or directory"),
        ("key", "key.pem cannot be read: No such file or directory"),
    ]
    certificate, key = certificate_in(tmp_path)
    good = certificate.read_text(), key.read_text()
    certificate.write_text(good[1])
    key.write_text(good[0])
    assert [(which, text.split(" in the")[0]) for which, text in messages(tmp_path)] == [
        ("certificate", "cert.pem holds no certificate"),
        ("key", "key.pem holds no private key"),
    ]
    certificate.write_text("x" * (MOST_BYTES + 1))
    key.write_text(good[1])
    assert messages(tmp_path) == [("certificate", f"cert.pem cannot be read: it has more than {MOST_BYTES} bytes")]


def test_a_key_must_be_the_certificates_own_and_have_no_password(tmp_path: Path) -> None:
    certificate, key = certificate_in(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    _, others = certificate_in(other)
    key.write_text(others.read_text())
    assert messages(tmp_path) == [("key", f"key.pem is not the key of {certificate.name}")]
    openssl("genrsa", "-out", key, "2048")
    assert messages(tmp_path) == [("key", f"key.pem is not the key of {certificate.name}")]
    openssl("pkey", "-in", others, "-aes128", "-passout", "pass:secret", "-out", key)
    assert messages(tmp_path) == [("key", "key.pem has a password, which nobody types when it is needed")]
    openssl("ec", "-in", others, "-aes128", "-passout", "pass:secret", "-out", key)
    assert messages(tmp_path) == [("key", "key.pem has a password, which nobody types when it is needed")]


@pytest.mark.parametrize("broken", ["certificate", "key"])
def test_what_only_looks_like_one_is_told(broken: str, tmp_path: Path) -> None:
    files = dict(zip(("certificate", "key"), certificate_in(tmp_path), strict=True))
    lines = files[broken].read_text().splitlines()
    files[broken].write_text("\n".join([lines[0], lines[1][:20], lines[-1]]))
    ((which, message),) = messages(tmp_path)
    assert which == broken
    assert "cannot be used" in message


def test_one_that_has_expired_is_taken_and_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = certificate_in(tmp_path)
    now = certificate.stat().st_mtime
    for later_s, what in ((3 * 86400, "has expired on"), (-86400, "is not valid before")):
        monkeypatch.setattr("daybreak.spec.certificate.time.time", lambda later_s=later_s: now + later_s)
        pair, _ = read_pair(certificate, key)
        assert pair
        assert what in pair.note


def test_a_spec_names_them_relative_to_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "daybreak.yaml"
    (tmp_path / "tls").mkdir()
    certificate_in(tmp_path / "tls")
    file.write_text(APPS + "tls: {certificate: tls/cert.pem, key: tls/key.pem}\n")
    tls = load_spec(file).spec.tls
    assert tls
    assert (tls.certificate, tls.key) == ("tls/cert.pem", "tls/key.pem")


def test_what_is_wrong_with_it_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "daybreak.yaml"
    certificate_in(tmp_path)
    file.write_text("gateway: false\ntls:\n  certificate: cert.pem\n  key: absent.pem\n" + APPS)
    with pytest.raises(SpecError) as caught:
        load_spec(file)
    assert [(one.key, one.line) for one in caught.value.problems] == [("tls", 2), ("tls.key", 4)]
    file.write_text("tls:\n  certificate: cert.pem\n")
    with pytest.raises(SpecError) as caught:
        load_spec(file)
    assert [one.key for one in caught.value.problems] == ["tls", "tls.key"]
