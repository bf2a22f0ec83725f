"""Which certificate the gateway gets, and what becomes of one that cannot be read any more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daybreak.errors import SpecError
from daybreak.machine.tls import FoundTls, find_tls
from daybreak.spec.model import Spec
from tests.tls import certificate_in

OPTIONS = {"ssl_certfile": "cert.pem", "ssl_keyfile": "key.pem"}


def spec(**written: Any) -> Spec:
    return Spec.model_validate({"name": "shop", "serve": {"config": "serve.yaml"}, **written})


BY_SPEC = spec(tls={"certificate": "cert.pem", "key": "key.pem"})


def found(folder: Path, spec: Spec, **options: str) -> FoundTls:
    return find_tls(spec, folder, {"http_options": options}, str(folder / "gw"))


def test_the_specs_and_the_serve_configs_are_read(tmp_path: Path) -> None:
    assert found(tmp_path, spec()) == FoundTls()
    certificate_in(tmp_path)
    by_spec = found(tmp_path, BY_SPEC)
    assert "PRIVATE KEY" in by_spec.text
    assert "PRIVATE KEY" not in repr(by_spec)
    assert found(tmp_path, spec(), **OPTIONS) == by_spec
    assert found(tmp_path, BY_SPEC, ssl_certfile="absent", ssl_keyfile="absent") == by_spec


def test_what_cannot_be_read_is_refused_for_the_spec_and_left_to_serve_for_its_config(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        found(tmp_path, BY_SPEC)
    assert [one.key for one in caught.value.problems] == ["tls.certificate", "tls.key"]
    by_config = found(tmp_path, spec(), **OPTIONS)
    assert by_config.text == ""
    assert "cert.pem cannot be read" in by_config.note
    certificate_in(tmp_path)
    assert "has a password" in found(tmp_path, spec(), **OPTIONS, ssl_keyfile_password="secret").note


def test_a_gateway_that_runs_goes_on_with_what_it_has_read(tmp_path: Path) -> None:
    (tmp_path / "gw").mkdir()
    (tmp_path / "gw" / "tls.pem").write_text("PEM")
    for one in (found(tmp_path, BY_SPEC), found(tmp_path, spec(), **OPTIONS)):
        assert one.text == "PEM"
        assert one.note.endswith("the gateway goes on with what it has read before")
