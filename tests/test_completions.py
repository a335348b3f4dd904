"""completions/ is what the command line generates, and works in the real shells."""

from __future__ import annotations

import shutil
import subprocess

import pexpect
import pytest

from conftest import RAGCLI, ROOT, environment, run

FILES = {"bash": "ragcli.bash", "zsh": "_ragcli", "fish": "ragcli.fish"}


@pytest.mark.parametrize("shell", FILES)
def test_generated_and_kept_are_the_same(shell):
    made = run("completion", shell)
    assert made.returncode == 0
    kept = (ROOT / "completions" / FILES[shell]).read_bytes()
    assert made.stdout == kept, f"run: ragcli completion {shell} > completions/{FILES[shell]}"


def bash(line: str, cwd) -> list[str]:
    words = line.split(" ")
    script = (
        f"source '{ROOT}/completions/ragcli.bash'; COMP_WORDS=({' '.join(repr(word) for word in words)});"
        f" COMP_CWORD={len(words) - 1}; _ragcli; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, cwd=cwd, env=environment(), text=True)
    return done.stdout.split()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / ".ragcli" / "handbook.lance").mkdir(parents=True)
    (tmp_path / "other" / "kb.lance").mkdir(parents=True)
    (tmp_path / "readme.md").write_text("x")
    return tmp_path


def test_bash(folder):
    assert bash("ragcli em", folder) == ["embed"]
    assert bash("ragcli query --mo", folder) == ["--mode", "--model"]
    assert bash("ragcli query --mode ", folder) == ["hybrid", "vector", "text"]
    assert bash("ragcli query -t ", folder) == ["handbook"]
    assert bash("ragcli query -d other -t ", folder) == ["kb"]
    assert bash("ragcli load re", folder) == ["readme.md"]


def fish(line: str, cwd) -> list[str]:
    script = f"source '{ROOT}/completions/ragcli.fish'; complete -C {line!r}"
    done = subprocess.run(["fish", "-N", "-c", script], capture_output=True, cwd=cwd, env=environment(), text=True)
    assert done.returncode == 0, done.stderr
    return [row.split("\t")[0] for row in done.stdout.splitlines()]


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish(folder):
    assert fish("ragcli em", folder) == ["embed"]
    assert fish("ragcli query --mode ", folder) == ["hybrid", "text", "vector"]
    assert fish("ragcli query -t ", folder) == ["handbook"]
    assert fish("ragcli query -d other -t ", folder) == ["kb"]
    assert "readme.md" in fish("ragcli load re", folder)


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh(folder):
    shell = pexpect.spawn(
        "zsh", ["-f", "-i"], cwd=str(folder), env=environment(TERM="dumb", PS1="> "), encoding="utf-8", timeout=20
    )
    try:
        shell.sendline(
            f"fpath=('{ROOT}/completions' $fpath); autoload -Uz compinit; compinit -u -D; unsetopt beep; PS1='ready> '"
        )
        shell.expect("ready> ")
        for typed, completed in {
            "ragcli emb\t": "ragcli embed ",
            "ragcli query --mode hy\t": "--mode hybrid ",
            "ragcli query -t ha\t": "-t handbook ",
            "ragcli load rea\t": "load readme.md ",
        }.items():
            shell.send(typed)
            shell.expect_exact(completed)
            shell.send("\x15")
    finally:
        shell.close(force=True)


def test_completing_starts_no_python(folder):
    for name in FILES.values():
        text = (ROOT / "completions" / name).read_text()
        assert "python" not in text.lower()
        assert "$(ragcli" not in text
    assert RAGCLI.exists()
