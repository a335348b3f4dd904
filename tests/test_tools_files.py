"""Python files as tools: which functions are taken, files that cannot be used, and the process they run in."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import environment
from ragcli.errors import UsageError
from ragcli.tools import load_functions
from ragcli.tools.functions import Functions
from tools_calling import call, gone


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ("x = 1\n", "", "no functions"),
        ("def f(x: int) -> int:\n    return (\n", ":2", "cannot be imported: SyntaxError"),
        ("\nimport nonexistent_module\n", ":2", "No module named 'nonexistent_module'"),
        ("\n\nraise SystemExit(3)\n", ":3", "cannot be imported: SystemExit: 3"),
        ("import os\nos._exit(9)\n", "", "the process that imports it ended (exit code 9)"),
        ("\ndef f(*numbers: int):\n    pass\n", ":2", "f takes *numbers"),
        ("\ndef f(**more: int):\n    pass\n", ":2", "f takes **more"),
        ("\ndef f(x):\n    pass\n", ":2", "the parameter x of f has no type hint"),
        ("\n\ndef f(x: 'Nothing'):\n    pass\n", ":3", "type hints of f cannot be read: name 'Nothing'"),
        ("import threading\ndef f(x: threading.Thread):\n    pass\n", ":2", "parameter x of f has no JSON form"),
        ("from typing import Callable\ndef f(x: Callable[[], int]):\n    pass\n", ":2", "x of f has no JSON form"),
        ("__all__ = ['g']\ndef f():\n    pass\n", "", "__all__ names g"),
        ("READ_ONLY = ['g']\ndef f():\n    pass\n", "", "READ_ONLY names g"),
        ("READ_ONLY = 5\ndef f():\n    pass\n", "", "READ_ONLY is no list of names"),
        ("__all__ = 5\ndef f():\n    pass\n", "", "__all__ is no list of names"),
        ("__all__ = ['f', 5]\ndef f():\n    pass\n", "", "__all__ is no list of names"),
        (
            "__all__ = ['f', 'g']\ndef __getattr__(name):\n    raise RuntimeError(name)\ndef f():\n    pass\n",
            "",
            "its functions cannot be read: RuntimeError: g",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(tmp_path: Path, text: str, at: str, said: str) -> None:
    path = tmp_path / "tools.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load_functions(path)
    assert caught.value.message.startswith(f"{path}{at}: ")
    assert said in caught.value.message


def test_an_import_that_does_not_end_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "tools.py"
    path.write_text("import time\ntime.sleep(600)\n")
    with pytest.raises(UsageError, match="did not end within 1 seconds"):
        Functions(path, start=1)
    with pytest.raises(UsageError, match="no such file"):
        load_functions(tmp_path / "none.py")


def test_all_names_the_tools_and_an_attribute_marks_those_that_only_read(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("def helped(x: int) -> int:\n    return x + 1\n")
    path = tmp_path / "json.py"  # its name must not hide the module that the process itself needs
    path.write_text(
        "from helper import helped\n__all__ = ['helped', '_hidden', 'NUMBER']\nNUMBER = 3\n"
        "def _hidden() -> int:\n    return 1\n_hidden.read_only = True\ndef other(x):\n    pass\n"
    )
    tools = load_functions(path)
    assert [(one.name, one.read_only) for one in tools] == [("helped", False), ("_hidden", True)]
    assert call(tools[0], x=1).text == "2"


def test_the_process_of_functions_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    path = tmp_path / "tools.py"
    path.write_text("import os, time\ndef pid() -> int:\n    return os.getpid()\ndef hang():\n    time.sleep(600)\n")
    code = f"""
from ragcli.tools import load_functions, run
pid, hang = load_functions({str(path)!r})
print(run(pid, "").text, flush=True)
run(hang, "", timeout=600)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment())
    with parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    assert gone(worker)


@pytest.mark.parametrize(
    "start",
    [
        'subprocess.Popen(["sleep", "600"]).pid',
        "os.fork() or time.sleep(600)",  # it holds the pipe to ragcli open
    ],
)
def test_a_process_that_ends_is_noticed_and_takes_what_it_started_with_it(tmp_path: Path, start: str) -> None:
    path = tmp_path / "tools.py"
    path.write_text(
        f"""
import os, subprocess, time
from pathlib import Path
def pid() -> int:
    return os.getpid()
def leave(path: str) -> None:
    started = {start}
    Path(path).write_text(str(started))
    os._exit(5)
"""
    )
    code = f"""
from ragcli.tools import load_functions, run
pid, leave = load_functions({str(path)!r})
outcome = run(leave, {json.dumps({"path": str(tmp_path / "pid")})!r}, timeout=20)
print(outcome.text, outcome.seconds < 5, run(pid, "").ok)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), timeout=20)
    assert done.stdout == "Error: the process that ran leave ended (exit code 5). True True\n"
    assert gone(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize(
    "line",
    [
        "import xmlrpc.client\ncommon = xmlrpc.client.ServerProxy('http://127.0.0.1:9/xmlrpc/2/common')",
        "class Any_:\n    def __getattr__(self, name): return self\n    def __call__(self): pass\nany_ = Any_()",
        "class Raises:\n    @property\n    def __class__(self): raise RuntimeError('no request')\nproxy = Raises()",
        "def __getattr__(name): raise RuntimeError(name)",
        "class Any_:\n    def __getattr__(self, name): return Any_()\n    def __call__(self): pass\n"
        "def _wrap(function):\n    function.__wrapped__ = Any_()\n    return function\n@_wrap",
    ],
)
def test_objects_that_answer_to_every_name_do_not_make_a_file_unusable(tmp_path: Path, line: str) -> None:
    path = tmp_path / "erp.py"
    path.write_text(f"READ_ONLY = 'version'\n{line}\ndef version() -> str:\n    return '17.0'\n")
    functions = Functions(path)
    assert [(one.name, one.read_only) for one in functions.tools] == [("version", True)]
    assert call(functions.tools[0]).text == "17.0"
    functions.close()


def test_null_is_taken_where_the_default_is_none_and_generators_are_collected(tmp_path: Path) -> None:
    path = tmp_path / "tools.py"
    path.write_text(
        """
from typing import Annotated, Any, AsyncIterator, Iterator, Optional
def note(a: str = None, b: Annotated[int, "a number"] = None, c: Optional[str] = None, d: Any = None, e: int = 3):
    return [a, b, c, d, e]
async def numbers() -> AsyncIterator[int]:
    yield 1
    yield 2
async def later() -> AsyncIterator[int]:
    return numbers()
def squares() -> Iterator[int]:
    yield from (1, 4)
def breaks() -> Iterator[int]:
    yield 1
    raise ValueError("half way")
def endless() -> Iterator[int]:
    while True:
        yield 1
async def never() -> AsyncIterator[int]:
    while True:
        yield 1
"""
    )
    functions = Functions(path)
    tools = {one.name: one for one in functions.tools}
    properties = tools["note"].parameters["properties"]
    assert properties["a"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert properties["b"]["description"] == "a number"
    assert len(properties["c"]["anyOf"]) == 2
    assert properties["d"] == {}
    assert call(tools["note"], a=None, b=None, c=None, d=None).text == "[null,null,null,null,3]"
    assert call(tools["note"], a="x", b=1).text == '["x",1,null,null,3]'
    assert "e: None is not of type 'integer'" in call(tools["note"], e=None).text
    assert call(tools["numbers"]).text == call(tools["later"]).text == "[1,2]"
    assert call(tools["squares"]).text == "[1,4]"
    assert call(tools["breaks"]).text == "Error: ValueError: half way"
    for name in ("endless", "never"):
        assert call(tools[name]).text == "Error: ValueError: it yields more than 100,000 values."
    functions.close()
