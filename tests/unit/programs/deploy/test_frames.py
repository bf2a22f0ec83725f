"""What a traceback says: the reason in one line, the user's frames, and whose the others are."""

from __future__ import annotations

import textwrap
import traceback
from pathlib import Path

from daybreak.programs.deploy import frames

SITE = "/opt/venv/lib/python3.11/site-packages"


def trace(text: str) -> str:
    return textwrap.dedent(text).strip()


REPLICA = trace(
    f"""
    The deployment failed to start 3 times in a row. See controller logs for details. Error:
    \x1b[36mray::ServeReplica:default:A.initialize_and_get_metadata()\x1b[39m (pid=1, ip=127.0.0.2, repr=<x>)
      File "/usr/lib/python3.11/concurrent/futures/_base.py", line 449, in result
        return self.__get_result()
               ^^^^^^^^^^^^^^^^^^^
      File "{SITE}/ray/serve/_private/replica.py", line 1150, in initialize_and_get_metadata
        await self._replica_impl.initialize(deployment_config)
      File "{SITE}/ray/serve/_private/replica.py", line 1928, in initialize
        raise RuntimeError(traceback.format_exc()) from None
    RuntimeError: Traceback (most recent call last):
      File "{SITE}/ray/serve/_private/replica.py", line 1867, in initialize
        await self._user_callable_wrapper.initialize_callable()
      File "{SITE}/ray/serve/api.py", line 468, in __init__
        cls.__init__(self, *args, **kwargs)
      File "/home/me/shop/app.py", line 16, in __init__
        self.model = Model()
                     ^^^^^^^
      File "/home/me/shop/models/small.py", line 10, in load
        raise ValueError("the weights are missing")
    ValueError: the weights are missing
    """
)


def test_the_reason_is_the_users_exception_with_its_place() -> None:
    told = frames.explain(REPLICA, "/home/me/shop")
    assert told is not None
    assert told.reason == "ValueError: the weights are missing (models/small.py:10)"
    assert told.lines == [
        "… 2 frames of ray",
        "app.py:16, in __init__",
        "    self.model = Model()",
        "models/small.py:10, in load",
        '    raise ValueError("the weights are missing")',
    ]


def test_a_missing_module_has_no_frame_of_the_users() -> None:
    told = frames.explain(
        trace(
            f"""
            Traceback (most recent call last):
              File "{frames.DAYBREAK}/programs/deploy/deploy.py", line 304, in main
                run(job, status)
              File "/usr/lib/python3.11/importlib/__init__.py", line 126, in import_module
                return _bootstrap._gcd_import(name[level:], package, level)
              File "<frozen importlib._bootstrap>", line 1204, in _gcd_import
            ModuleNotFoundError: No module named 'app'
            """
        ),
        "/home/me/shop",
    )
    assert told == frames.Explanation("ModuleNotFoundError: No module named 'app'", ["… 3 frames of daybreak, Python"])


def test_a_frame_of_a_library_that_raised_is_shown_and_its_others_are_counted() -> None:
    told = frames.explain(
        trace(
            f"""
            Traceback (most recent call last):
              File "/home/me/shop/app.py", line 3, in <module>
                model = torch.load("m.pt")
              File "{SITE}/torch/serialization.py", line 500, in load
                with _open(f) as opened:
              File "{SITE}/torch/serialization.py", line 200, in _open
                return open(name)
            FileNotFoundError: [Errno 2] No such file or directory: 'm.pt'
            """
        ),
        "/home/me/shop",
    )
    assert told is not None
    assert told.reason == "FileNotFoundError: [Errno 2] No such file or directory: 'm.pt' (app.py:3)"
    assert told.lines[2:] == [
        "… 1 frame of torch",
        "torch/serialization.py:200, in _open",
        "    return open(name)",
    ]


def test_a_long_message_goes_on_below_the_frames_and_its_type_has_no_module() -> None:
    told = frames.explain(
        trace(
            f"""
            Traceback (most recent call last):
              File "/home/me/shop/app.py", line 9, in build
                return Args(**args)
              File "{SITE}/pydantic/main.py", line 280, in __init__
                validated_self = self.__pydantic_validator__.validate_python(data, self_instance=self)
            pydantic_core._pydantic_core.ValidationError: 1 validation error for Args
            size
              Input should be a valid integer [type=int_type]
            """
        ),
        "/home/me/shop",
    )
    assert told is not None
    mistake = "ValidationError: 1 validation error for Args: size: Input should be a valid integer"
    assert told.reason == f"{mistake} (app.py:9)"
    assert told.lines[-2:] == ["  size", "    Input should be a valid integer [type=int_type]"]


def test_of_a_chain_the_last_one_of_the_users_counts_and_its_cause_is_named() -> None:
    try:
        try:
            raise KeyError("small")
        except KeyError as error:
            raise RuntimeError("cannot load the model") from error
    except RuntimeError:
        text = traceback.format_exc()
    told = frames.explain(text, str(Path(__file__).parent))
    assert told is not None
    assert told.reason.startswith("RuntimeError: cannot load the model (test_frames.py:")
    assert told.lines[-1].startswith("after KeyError: 'small' (test_frames.py:")


def test_a_file_that_cannot_be_compiled_is_named_with_its_line(tmp_path: Path) -> None:
    broken = tmp_path / "app.py"
    broken.write_text("x = 1\ndef f(:\n")
    try:
        compile(broken.read_text(), str(broken), "exec")
    except SyntaxError:
        text = traceback.format_exc()
    told = frames.explain(text, str(tmp_path))
    assert told is not None
    assert told.reason == "SyntaxError: invalid syntax (app.py:2)"
    assert "app.py:2" in told.lines


def test_an_exception_group_is_read_through_its_margin() -> None:
    told = frames.explain(
        trace(
            """
              + Exception Group Traceback (most recent call last):
              |   File "/home/me/shop/app.py", line 9, in start
              |     async with asyncio.TaskGroup() as group:
              | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
              +-+---------------- 1 ----------------
                | Traceback (most recent call last):
                |   File "/home/me/shop/app.py", line 5, in connect
                |     raise OSError("no route")
                | OSError: no route
                +------------------------------------
            """
        ),
        "/home/me/shop",
    )
    assert told is not None
    assert told.reason == "OSError: no route (app.py:5)"


def test_what_ray_has_unpacked_and_packages_of_the_application_are_the_users() -> None:
    unpacked = "/tmp/db/head/session_1/runtime_resources/working_dir_files/_ray_pkg_0a1b/app.py"
    assert frames.owner(unpacked) == ""
    assert frames.shown(unpacked) == "app.py"
    assert frames.owner(f"{SITE}/shop/app.py") == "shop"
    assert frames.owner(f"{SITE}/shop/app.py", own=["shop"]) == ""


def test_a_virtual_environment_below_the_applications_folder_is_not_the_users() -> None:
    assert frames.owner("/home/me/shop/.venv/lib/python3.11/site-packages/ray/a.py", "/home/me/shop") == "ray"
    assert frames.owner("/home/me/shop/.venv/lib/python3.11/asyncio/base_events.py", "/home/me") == "Python"
    assert frames.owner("/usr/lib/python3/dist-packages/numpy/core.py") == "numpy"


def test_a_deep_recursion_keeps_to_a_screen() -> None:
    rows = "\n".join(f'  File "/home/me/shop/app.py", line {number}, in f\n    f()' for number in range(500))
    text = f"Traceback (most recent call last):\n{rows}\nRecursionError: maximum recursion depth exceeded"
    told = frames.explain(text, "/home/me/shop")
    assert told is not None
    assert told.lines[0] == "… 494 frames of yours"
    assert len(told.lines) == 13


def test_what_has_no_traceback_is_not_explained() -> None:
    assert frames.explain("ActorDiedError()") is None
    assert frames.explain("Error: it did not work\nsee above") is None
