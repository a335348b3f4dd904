"""The README's commands run as they stand, in both languages."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from conftest import ROOT, environment


def block(name: str, kind: str) -> str:
    text = (ROOT / name).read_text(encoding="utf-8")
    return "".join(re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL))


def plain(view: str) -> str:
    """What a view says, wherever its lines fold; the last decimals of scores differ from processor to processor."""
    return re.sub(r"\d\.\d{3}", "0.000", "".join(view.split()))


@pytest.mark.parametrize("name", ["README.md", pytest.param("README.zh-CN.md", marks=pytest.mark.slow)])
def test_the_tour_runs(name, tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    steps = re.split(r"^\$ ", block(name, "console"), flags=re.MULTILINE)[1:]
    for step in steps:
        line, _, shown = step.partition("\n")
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            timeout=120,
        )
        assert done.returncode in (0, 141), (line, done.stderr.decode())
        assert b"Traceback" not in done.stderr
        assert plain(shown) in plain((done.stdout + done.stderr).decode()), line
    assert (tmp_path / "answers.jsonl").read_text(encoding="utf-8").count('"type":"answer"') == 2
    python = block(name, "python")
    done = subprocess.run(["python", "-c", python], cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "保修条款.md" in done.stdout


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_makefile_indexes_only_what_changed(name, tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "docs")
    (tmp_path / "Makefile").write_text(block(name, "make"), encoding="utf-8")

    def make() -> str:
        done = subprocess.run(["make", "kb"], cwd=tmp_path, env=environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stderr + done.stdout

    assert "0 unchanged" in make()
    assert "up to date" in make()
    (tmp_path / "docs" / "handbook" / "leave.md").write_text("# Leave\n\nThirty days.\n")
    kb = tmp_path / "kb"
    subprocess.run(["touch", "-d", "1 hour ago", kb], check=True)
    again = make()
    assert " 0 unchanged" not in again
    assert "(1 written" in again


def test_both_languages_say_the_same():
    for kind in ("console", "shell", "make", "sh"):
        commands = [
            [line.split("#")[0].rstrip() for line in block(name, kind).splitlines()]
            for name in ("README.md", "README.zh-CN.md")
        ]
        assert commands[0] == commands[1]
    headings = [
        len(re.findall(r"^#+ ", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))
        for name in ("README.md", "README.zh-CN.md")
    ]
    assert headings[0] == headings[1]


def test_make_demo_prints_its_commands():
    done = subprocess.run(["make", "-n", "demo"], cwd=ROOT, capture_output=True, text=True)
    assert "ragcli load examples/" in done.stdout
    assert done.stdout.count("ragcli ask") == 2
