"""The README's commands of fine-tuning, as they stand, with a tiny model under the names of the large ones."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("trl")

from conftest import DATA, ROOT, environment, lines
from tiny_models import tiny_chat_model


# The other README has the same commands (tests/test_readme.py).
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_commands_of_the_readme(tmp_path: Path) -> None:
    base = tiny_chat_model(tmp_path / "base", window=8192)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = (one for one in re.findall(r"```shell\n(.*?)```", text, re.DOTALL) if "ragcli finetune" in one)
    block = re.sub(r"Qwen/Qwen2\.5-[\d.]+B-Instruct", str(base), block).replace("-m openai:qwen2.5 ", "")
    for name in ("train.jsonl", "general.jsonl"):
        shutil.copy(DATA / "sft" / "train.jsonl", tmp_path / name)
    (tmp_path / "questions.txt").write_text("手机的保修期是多久？\n平板电脑的保修期是多久？\n", "utf-8")
    few = {"RAGCLI_MAX_TOKENS": "8", "RAGCLI_TOP_K": "1"}
    env = environment(**few)
    index = (
        f"ragcli load {ROOT}/examples {ROOT}/docs/*.md | ragcli split > chunks.jsonl; ragcli embed -t kb < chunks.jsonl"
    )
    subprocess.run(["bash", "-e", "-o", "pipefail", "-c", index], cwd=tmp_path, env=env, check=True)
    ran = 0
    for line in block.strip().splitlines():
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=tmp_path, env=env, capture_output=True, stdin=subprocess.DEVNULL, timeout=600,
        )  # fmt: skip
        allowed = (0, 3) if "ragcli questions" in line else (0,)  # so few documents do not give 500 questions
        assert done.returncode in allowed, (line, done.stderr.decode())
        assert b"Traceback" not in done.stderr, line
        ran += 1
    assert ran == 8
    assert (tmp_path / "tuned7" / "model.safetensors").is_file()
    last = lines((tmp_path / "my-embedder" / "training.jsonl").read_bytes())[-1]
    assert last["type"] == "guard" and not last["failed"]
