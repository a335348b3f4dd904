"""That tuning the built-in embedding model pays: the benchmark's own run, and what it must find."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("trl")
pytest.importorskip("sentence_transformers")

from conftest import DATA, ROOT, environment


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_code_is_found_better_and_chinese_no_worse() -> None:
    script = ROOT / "benchmarks" / "finetune_embedding.py"
    options = ["--pairs", "1500", "--tests", "600", "--only", "code", "--options=--epochs 1"]
    done = subprocess.run(
        [sys.executable, str(script), str(DATA / "cmrc_sample"), *options],
        capture_output=True, env=environment(), timeout=3600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    code, cmrc = json.loads(done.stdout.splitlines()[-1])
    assert (code["measured"], cmrc["measured"], code["n"]) == ("code", "cmrc", 600)
    assert code["low"] > 0, "nDCG@10 on modules that were never seen rises, and the interval is above 0"
    assert cmrc["high"] >= 0, "what it was good at is not significantly worse"
