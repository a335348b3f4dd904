"""Start-up is light, and stays so: fresh interpreters list what they loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

from conftest import environment, run

HEAVY = {
    "torch", "transformers", "lance", "lancedb", "pyarrow", "llama_index", "modelscope", "huggingface_hub",
    "onnxruntime", "numpy", "rich", "httpx", "lxml", "trafilatura", "docx", "pypdfium2", "tokenizers",
    "openai", "jinja2", "prompt_toolkit", "xllamacpp", "mcp", "jsonschema", "pydantic",
}  # fmt: skip


def loaded(code: str) -> set[str]:
    code += "\nimport sys; print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def test_help_loads_nothing_heavy():
    code = "from ragcli.cli.run import run\nassert run(['--help']) == 0\nassert run(['query', '--help']) == 0\n"
    code += "assert run(['chat', '--help']) == 0\nassert run(['eval', '--help']) == 0\n"
    code += "assert run(['questions', '--help']) == 0"
    assert not loaded(code) & HEAVY


def test_pandas_is_not_loaded_where_it_is_installed(kb, tmp_path):
    (tmp_path / "pandas.py").write_text("raise RuntimeError('pandas was imported')\n")
    for mode in ("text", "hybrid"):
        done = run("query", "-d", kb, "-t", "kb", "--mode", mode, "保修期", PYTHONPATH=str(tmp_path))
        assert done.returncode == 0, done.stderr.decode()
    chunk = run("split", stdin=b'{"type":"document","id":"d","source":"a.txt","text":"words"}').stdout
    done = run("embed", "-d", tmp_path, "-t", "kb", stdin=chunk, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr.decode()


def test_loading_and_splitting_text_load_nothing_heavy(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("保修期为两年。\n\nThe warranty lasts two years.\n")
    code = f"import ragcli\nassert len(list(ragcli.split(ragcli.load([{str(path)!r}])))) == 1"
    assert not loaded(code) & HEAVY


@pytest.mark.parametrize(
    "name", ["errors", "records", "jsonl", "report", "config", "questions", "fusion", "where", "trec"]
)
def test_light_modules_stand_alone(name):
    code = f"import ragcli.{name}"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, env=environment())
    assert done.returncode == 0, done.stderr
    assert not loaded(code) & HEAVY


@pytest.mark.parametrize(
    "command", ["download", "load", "split", "embed", "index", "run", "query", "ask", "chat", "eval", "questions"]
)
def test_every_subcommand_has_help_with_an_example(command):
    done = run(command, "--help")
    assert done.returncode == 0
    assert f"ragcli {command}" in done.stdout.decode().split("Usage:")[1].split("\n", 1)[1]


def test_wrong_usage_is_two():
    assert run("query", "--mode", "nonsense", "x").returncode == 2
    assert run("nonsense").returncode == 2
    assert run("query", "x").returncode == 2
    assert b"-t" in run("query", "x").stderr


def test_settings_reach_the_command(tmp_path):
    (tmp_path / "ragcli.toml").write_text('table = "from-file"\n')
    assert b"'from-file'" in run("query", "x", cwd=tmp_path).stderr
    assert b"'from-env'" in run("query", "x", cwd=tmp_path, RAGCLI_TABLE="from-env").stderr
    assert b"'from-flag'" in run("query", "-t", "from-flag", "x", cwd=tmp_path, RAGCLI_TABLE="from-env").stderr
