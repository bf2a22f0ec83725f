"""What the engine is sent."""

from __future__ import annotations

import io
import os
import socket
import tarfile
from pathlib import Path

import pytest

from daybreak.docker.images.context import PROGRAMS, Context, Sent, application_files, write
from daybreak.errors import UsageError


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {
        "app.py": "main = 1\n",
        "shop/cart.py": "",
        "shop/__pycache__/cart.cpython-311.pyc": "",
        ".git/config": "",
        ".venv/bin/python": "",
        ".env": "PASSWORD=x",
        "requirements.txt": "pandas\n",
        "notes.md": "",
        ".dockerignore": "*.md\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def sent(context: Context) -> tuple[Sent, dict[str, tarfile.TarInfo], tarfile.TarFile]:
    stream = io.BytesIO()
    found = write(context, stream)
    stream.seek(0)
    tar = tarfile.open(fileobj=stream)
    return found, {member.name: member for member in tar}, tar


def test_code_goes_in_and_leftovers_stay_out(project: Path) -> None:
    names = [name for name, _ in application_files(project)]
    assert names == [".dockerignore", "app.py", "requirements.txt", "shop/cart.py"]


def test_the_context_has_the_recipe_and_the_application(project: Path) -> None:
    counted, members, tar = sent(Context.of(project))
    expected = {"Dockerfile", "requirements.txt", "app", "app/app.py", "recipe/ray_probe.py"}
    assert expected | {f"recipe/{name}" for name in PROGRAMS} <= set(members)
    assert "constraints.txt" not in members
    assert counted.files == 4
    requirements = tar.extractfile("requirements.txt")
    assert requirements
    assert requirements.read() == b"pandas\n"


def test_files_are_readable_whoever_owns_them_here(project: Path) -> None:
    (project / "app.py").chmod(0o600)
    (project / "run.sh").write_text("")
    (project / "run.sh").chmod(0o700)
    _, members, _ = sent(Context.of(project))
    assert members["app/app.py"].mode == 0o644
    assert members["app/run.sh"].mode == 0o755
    assert {member.uid for member in members.values()} == {0}


def test_what_a_link_leads_to_elsewhere_is_packed_in_its_place(project: Path) -> None:
    elsewhere = project.parent / f"{project.name}-elsewhere"
    (elsewhere / "pack").mkdir(parents=True)
    (elsewhere / "main.py").write_text("main = 2\n")
    (elsewhere / "pack" / "part.py").write_text("part = 3\n")
    (elsewhere / "pack" / "__pycache__").mkdir()
    (elsewhere / "pack" / "__pycache__" / "part.pyc").write_text("")
    (elsewhere / "pack" / "around").symlink_to(elsewhere)
    (project / "main.py").symlink_to(os.path.relpath(elsewhere / "main.py", project))
    (project / "pack").symlink_to(elsewhere / "pack")
    (project / "own.py").symlink_to(project / "app.py")  # absolute: that path is another one in the image
    (project / "up").symlink_to(project.parent)
    (project / "nowhere").symlink_to("/nothing/there")
    _, members, tar = sent(Context.of(project))
    for name, text in {"main.py": "main = 2\n", "pack/part.py": "part = 3\n", "own.py": "main = 1\n"}.items():
        file = tar.extractfile(f"app/{name}")
        assert members[f"app/{name}"].isfile()
        assert file
        assert file.read().decode() == text
    assert members["app/nowhere"].issym()
    below = {name for name in members if name.startswith(("app/pack/", "app/up"))}
    assert below == {"app/pack/part.py"}  # what is always left out is, and no folder is packed into itself


def test_the_example_is_whole_in_an_image() -> None:
    example = Path(__file__).parents[4] / "examples" / "visits"
    _, members, _ = sent(Context.of(example))
    assert members["app/app.py"].isfile()
    assert members["app/app.py"].size > 0


def test_links_stay_links_and_sockets_are_left_out(project: Path) -> None:
    (project / "link.py").symlink_to("app.py")
    (project / "folder").symlink_to("shop")
    os.link(project / "app.py", project / "second.py")
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.getcwd()
        os.chdir(project)
        listening.bind("door")
        os.chdir(here)
        _, members, _ = sent(Context.of(project))
    assert members["app/link.py"].issym()
    assert members["app/folder"].issym()
    assert members["app/second.py"].isreg()
    assert "app/door" not in members


def test_requirements_may_be_named(project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("numpy\n")
    assert Context.of(project).requirements == project / "requirements.txt"
    assert Context.of(project, str(other)).requirements == other


@pytest.mark.parametrize("option", ["--requirements", "--constraints"])
def test_a_missing_file_is_a_wrong_usage(project: Path, option: str) -> None:
    with pytest.raises(UsageError, match=option):
        Context.of(project, **{option[2:]: "nowhere.txt"})


def test_files_with_secrets_stay_out(project: Path) -> None:
    (project / "keys").mkdir()
    (project / "keys" / "api.txt").write_text("swordfish")
    (project / "link.txt").symlink_to("keys/api.txt")
    _, members, _ = sent(Context.of(project).without([project / "keys" / ".." / "keys" / "api.txt"]))
    assert not [name for name in members if "api.txt" in name or "link.txt" in name]
