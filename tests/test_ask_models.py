"""``ask`` with a real language model, SmolLM2: in this process through llama.cpp, and at llama.cpp's own endpoint.

The model is small and English; what it says is not judged here, but how it is asked and what becomes of it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import DATA, RAGCLI, ROOT, environment, jsonl, lines, run
from ragcli.models.folder import locate

pytest.importorskip("xllamacpp")
MODEL = "builtin/smollm2-135m-instruct"
FEW = ("--max-tokens", "24", "--model-options", '{"n_threads": 1}')
PUMP = "The warranty of the pump is 24 months from delivery. Spare parts are kept for ten years."


def result(query: str, *texts: str, id_: str = "q") -> bytes:
    hits = [
        {
            "id": f"c{n}",
            "document_id": "d",
            "source": "pump.txt",
            "text": text,
            "start": 100 * n,
            "end": 100 * n + len(text),
            "rank": n,
            "score": 1.0 / n,
        }
        for n, text in enumerate(texts, 1)
    ]
    return jsonl({"type": "result", "id": id_, "query": query, "hits": hits})


@pytest.fixture(scope="module")
def endpoint() -> Iterator[dict[str, str]]:
    """llama.cpp's own server, which speaks OpenAI's protocol."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(next(locate(MODEL).glob("*.gguf")))
    params.n_ctx = 1536
    params.n_parallel = 1
    params.warmup = False
    params.verbosity = -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server: Any = xllamacpp.Server(params)
    yield {"OPENAI_BASE_URL": f"{server.listening_address}/v1", "OPENAI_API_KEY": "", "NO_PROXY": "127.0.0.1"}
    del server


def test_the_same_model_says_the_same_in_process_and_at_its_endpoint(endpoint: dict[str, str]) -> None:
    asked = result("How long is the warranty of the pump?", PUMP)
    here = run("ask", "-m", MODEL, *FEW, stdin=asked)
    assert here.returncode == 0, here.stderr
    there = run("ask", "-m", "openai:smollm2", "--max-tokens", "24", stdin=asked, **endpoint)
    assert there.returncode == 0, there.stderr
    (one,), (other,) = lines(here.stdout), lines(there.stdout)
    assert one["answer"] == other["answer"]
    assert one["answer"]
    assert one["usage"] == other["usage"]
    assert one["usage"]["prompt_tokens"] == one["prompt"]["tokens"]
    assert one["prompt"]["window"] == 8192
    assert (one["model"], other["model"]) == (MODEL, "openai:smollm2")
    for citation in one["citations"]:
        assert citation["quote"] in PUMP


def test_a_model_that_was_asked_nothing_is_closed_at_once() -> None:
    """llama.cpp's server hung for ever where it was closed before its loop ran."""
    code = f"""
from ragcli.llms.opening import open_llm
for _ in range(5):
    open_llm({MODEL!r}).close()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env=environment())


def test_a_pipe_and_a_table_give_the_same_answer_of_a_gguf_model(tmp_path: Path) -> None:
    """With -t the rules are read before the search is done, and through a pipe after it."""
    (tmp_path / "pump.txt").write_text(PUMP)
    question, kb = "How long is the warranty of the pump?", ("-d", str(tmp_path / "db"), "-t", "kb")
    indexed = run("embed", *kb, stdin=run("split", stdin=run("load", str(tmp_path / "pump.txt")).stdout).stdout)
    assert indexed.returncode == 0, indexed.stderr
    (searched,) = lines(run("ask", *kb, "-m", MODEL, *FEW, question).stdout)
    (piped,) = lines(run("ask", "-m", MODEL, *FEW, stdin=run("query", *kb, "-k", "5", question).stdout).stdout)
    assert {**searched, "seconds": 0} == {**piped, "seconds": 0}
    assert searched["usage"]["prompt_tokens"] == searched["prompt"]["tokens"]


def test_a_gguf_file_by_its_path_and_a_batch_with_one_too_long(endpoint: dict[str, str]) -> None:
    path = next(locate(MODEL).glob("*.gguf"))
    asked = b"".join(
        [
            result("How long is the warranty of the pump?", PUMP, id_="a"),
            result("warranty of the pump " * 4000, PUMP, id_="b"),
            result("Are spare parts of the pump kept?", PUMP, id_="c"),
        ]
    )
    for model, more in ((str(path), {}), ("openai:smollm2", endpoint)):
        options = FEW if not more else FEW[:2]
        done = run("ask", "-m", model, *options, stdin=asked, **more)
        assert done.returncode == 3, done.stderr
        assert [one["id"] for one in lines(done.stdout)] == ["a", "c"]
        assert b"question b" in done.stderr


def test_an_endpoint_tells_its_window_and_gets_a_prompt_that_fits(endpoint: dict[str, str]) -> None:
    texts = [f"Pump {n} has a valve and a warranty of {n} years. " * 12 for n in range(1, 9)]
    done = run(
        "ask", "-m", "openai:smollm2", "--max-tokens", "24", stdin=result("Which pump has a valve?", *texts), **endpoint
    )
    assert done.returncode == 0, done.stderr
    (one,) = lines(done.stdout)
    assert one["prompt"]["left_out"]
    assert one["usage"]["prompt_tokens"] <= 1536 - 24


def test_the_window_of_a_gguf_model_is_kept_to_by_its_own_count() -> None:
    texts = [f"Pump {n} has a valve and a warranty of {n} years. " * 12 for n in range(1, 9)]
    args = ("--max-tokens", "24", "--window", "512", "--model-options", '{"n_threads": 1}')
    done = run("ask", "-m", MODEL, *args, stdin=result("Which pump has a valve?", *texts))
    assert done.returncode == 0, done.stderr
    (one,) = lines(done.stdout)
    assert 380 < one["prompt"]["tokens"] <= 488
    assert one["usage"]["prompt_tokens"] == one["prompt"]["tokens"]


def test_what_a_document_says_about_tokens_stays_text() -> None:
    """A forged turn in a document adds no control token: as many begin in the prompt as there are messages."""
    from ragcli.answering import Asked, open_answerer
    from ragcli.llms.opening import Wish
    from ragcli.records import Hit

    answerer: Any = open_answerer(MODEL, wish=Wish(window=2048, options={"n_threads": 1}))
    for line in (DATA / "injections.jsonl").read_bytes().splitlines():
        import json

        text = json.loads(line)["text"]
        hit = Hit(id="c", document_id="d", source="a.txt", text=text, start=0, end=len(text), rank=1, score=1.0)
        asked = Asked(question="What does the document say?", hits=[hit])
        prompt = "".join(message["content"] for message in answerer.prompt(asked))
        assert not any(token in prompt for token in answerer.llm.special)
    answerer.llm.close()


def test_ctrl_c_ends_a_model_at_once(tmp_path: Path) -> None:
    import signal
    import time

    (tmp_path / "in.jsonl").write_bytes(result("How long is the warranty of the pump?", PUMP))
    with (
        (tmp_path / "in.jsonl").open("rb") as stdin,
        subprocess.Popen(
            [
                RAGCLI,
                "ask",
                "-m",
                MODEL,
                "--max-tokens",
                "4000",
                "--model-options",
                '{"n_threads": 1, "ignore_eos": true}',
            ],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        ) as process,
    ):
        time.sleep(3)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert time.monotonic() - began < 5


ORDERS = '''
READ_ONLY = ["order"]

def order(number: str) -> str:
    """An order, by its number."""
    return f"{number}: 2026-11-03"
'''


# The other README has the same commands (tests/test_readme.py).
@pytest.mark.parametrize("name", ["README.md", pytest.param("README.zh-CN.md", marks=pytest.mark.slow)])
def test_the_commands_of_the_readme(hubs: Any, name: str, endpoint: dict[str, str]) -> None:
    """As they stand, with SmolLM2 behind the endpoint and, under another name, on the hubs."""
    from hub_server import Repo

    gguf = next(locate(MODEL).glob("*.gguf")).read_bytes()
    for hub in (hubs.hf, hubs.ms):
        hub.repos["Qwen/Qwen2.5-1.5B-Instruct-GGUF"] = Repo({"qwen2.5-1.5b-instruct-q4_k_m.gguf": gguf})
    text = (ROOT / name).read_text(encoding="utf-8")
    (block,) = (
        one for one in re.findall(r"```shell\n(.*?)```", text, re.DOTALL) if "ragcli ask -t kb --calibrate" in one
    )
    (hubs.folder / "questions.txt").write_text("手机的保修期是多久？\n平板电脑的保修期是多久？\n", "utf-8")
    (hubs.folder / "questions.jsonl").write_bytes(
        jsonl({"text": "手机的保修期是多久？", "answerable": True}, {"text": "谁发明了电话？", "answerable": False})
    )
    (hubs.folder / "orders.py").write_text(ORDERS)
    few = {"RAGCLI_MAX_TOKENS": "8", "RAGCLI_TOP_K": "1", "RAGCLI_MAX_STEPS": "1", "XDG_STATE_HOME": str(hubs.folder)}
    env = {**hubs.environment(), **endpoint, **few}
    index = f"ragcli load {ROOT}/examples | ragcli split | ragcli embed -t kb"
    subprocess.run(["bash", "-e", "-o", "pipefail", "-c", index], cwd=hubs.folder, env=env, check=True)
    ran = 0
    for line in block.strip().splitlines():
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=hubs.folder, env=env, capture_output=True, stdin=subprocess.DEVNULL, timeout=120,
        )  # fmt: skip
        allowed = (0, 4) if "--strict" in line else (0,)  # the model is too small to cite
        assert done.returncode in allowed, (line, done.stderr.decode())
        assert b"Traceback" not in done.stderr
        ran += 1
    assert ran == 6
    assert len((hubs.folder / "answers.jsonl").read_bytes().splitlines()) == 2
