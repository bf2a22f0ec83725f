"""BuildKit's plain progress."""

from __future__ import annotations

from daybreak.docker.images.build import failure
from daybreak.docker.images.choice import choose
from daybreak.docker.images.steps import Step, Steps

LINES = """\
#1 [internal] load build definition from Dockerfile
#1 sha256:0f1e
#1 DONE 0.0s

#4 [build 1/2] FROM images.example/library/python:3.11-slim-bookworm
#4 CACHED

#5 [production 2/2] RUN   pip install ray
#5 sha256:83ab
#5 0.512 Collecting ray
#5 2.104 ERROR: No matching distribution found for ray==9.9.9
"""


def fed(text: str) -> Steps:
    steps = Steps()
    for line in text.splitlines():
        steps.feed(line)
    return steps


def test_steps_with_their_times() -> None:
    steps = fed(LINES + "#5 DONE 7.3s\n#6 exporting to image\n#6 exporting layers 1.1s done\n#6 DONE 1.2s\n")
    assert steps.ended == [
        Step("build 1/2 FROM images.example/library/python:3.11-slim-bookworm", cached=True),
        Step("production 2/2 RUN pip install ray", cached=False, took_s=7.3),
        Step("layers", cached=False, took_s=1.2),
    ]
    assert [step.line() for step in steps.ended][1:] == ["production 2/2 RUN pip install ray: 7.3 s", "layers: 1.2 s"]


def test_a_stage_without_a_name_and_a_long_instruction() -> None:
    step = Steps()
    step.feed(f"#2 [2/3] RUN {'x' * 200}")
    ended = step.feed("#2 CACHED")
    assert ended
    assert ended.line().startswith("2/3 RUN xxx")
    assert ended.line().endswith("...: unchanged")


def test_a_failure_shows_the_last_lines_and_says_what_helps() -> None:
    error = failure(fed(LINES + "#5 ERROR: executor failed running\n"), choose())
    assert any("No matching distribution" in line for line in error.details())
    assert error.hint
    assert "requirements.txt" in error.hint


def test_an_image_that_is_nowhere() -> None:
    text = "#3 ERROR: images.example/library/python:3.12-slim: failed to do request: no route to host\n"
    assert "--base" in (failure(fed(text), choose(python="3.12")).hint or "")
