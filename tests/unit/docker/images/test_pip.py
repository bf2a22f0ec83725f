"""The host's pip settings, for the build."""

from __future__ import annotations

import stat
from pathlib import Path

from daybreak.docker.images import pip
from daybreak.docker.images.build import arguments
from daybreak.docker.images.choice import choose


def test_variables_count_more_than_files(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://one.test/simple\nretries = 2\n[install]\npre = yes\n"
    )
    env = {"PIP_INDEX_URL": "https://two.test/simple", "PIP_DEFAULT_TIMEOUT": "60", "PIP_CERT": "/ca.crt"}
    assert pip.settings(env, [tmp_path / "pip.conf"]) == {
        "index-url": "https://two.test/simple",
        "retries": "2",
        "timeout": "60",
        "pre": "yes",
    }


def test_folders_of_the_host_mean_nothing_in_a_build() -> None:
    env = {"PIP_FIND_LINKS": "/opt/wheels https://wheels.test/", "PIP_EXTRA_INDEX_URL": "file:///opt/simple"}
    assert pip.settings(env, []) == {"find-links": "https://wheels.test/"}


def test_a_broken_file_is_left_to_pip(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("no section\n")
    assert pip.settings({}, [tmp_path / "pip.conf"]) == {}


def test_files_in_the_order_of_pip(tmp_path: Path) -> None:
    found = pip.files({"HOME": "/home/u", "VIRTUAL_ENV": "/venv", "PIP_CONFIG_FILE": "/mine.conf"})
    assert [str(path) for path in found][-3:] == ["/home/u/.config/pip/pip.conf", "/venv/pip.conf", "/mine.conf"]


def test_a_password_is_in_a_private_file_and_in_no_argument(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "PIP_INDEX_URL": "https://user:s3cret@index.test/simple"}
    words = arguments(choose(ray="2.60.0"), tmp_path, env)
    assert "s3cret" not in " ".join(words)
    assert "s3cret" in (tmp_path / "pip.conf").read_text()
    assert stat.S_IMODE((tmp_path / "pip.conf").stat().st_mode) == 0o600


def test_build_arguments(tmp_path: Path) -> None:
    words = arguments(choose(base="rayproject/ray:2.20.0-py310"), tmp_path, {"HOME": str(tmp_path), "https_proxy": "x"})
    given = [words[at + 1] for at, word in enumerate(words) if word == "--build-arg"]
    assert given == ["BASE=rayproject/ray:2.20.0-py310", "RUNTIME=python:3.10-slim-bookworm", "https_proxy"]


def test_certificates(tmp_path: Path) -> None:
    own = tmp_path / "ca.crt"
    own.write_text("")
    assert pip.bundle({"PIP_CERT": str(own)}) == own
    assert f"cert = {pip.CERTIFICATES}" in pip.configuration({}, certificates=True)
    assert "cert" not in pip.configuration({}, certificates=False)
