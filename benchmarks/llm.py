"""Tokens a second of each backend for language models, side by side with the bare library.

Both write the same number of tokens to the same prompt with the same weights, greedily, turn by turn, each in a
process of its own that has written once before. The ratio is that of the medians; more than .97 is no overhead that
can be measured. One line of JSON for each backend.

Then the command itself, cold: seconds to the first token of a GGUF model, beside what llama.cpp takes to load it and
to read the same prompt; seconds to the first byte from an endpoint, beside the endpoint's own; and questions a second
of the extractive answerer, after its start.

    python benchmarks/llm.py transformers gguf --tokens 64 --rounds 3
    python benchmarks/llm.py first_token endpoint extractive
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RAGCLI = str(Path(sys.executable).with_name("ragcli"))
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("RAGCLI_")}
ENVIRONMENT["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{ENVIRONMENT['PATH']}"

QUESTION = "Explain in a few paragraphs how a warranty works, and what a customer has to keep."
RUNS = 3  # in each process, after one that does not count

TRANSFORMERS_BARE = """
import json, sys, time
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, question, dtype, tokens, runs = json.loads(sys.argv[1])
words = AutoTokenizer.from_pretrained(folder)
net = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
net = net.to("cuda" if torch.cuda.is_available() else "cpu").eval()
messages = [{"role": "user", "content": question}]
given = words.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt").to(net.device)
speeds = []
for _ in range(runs + 1):
    start = time.perf_counter()
    out = net.generate(**given, do_sample=False, max_new_tokens=tokens, min_new_tokens=tokens)
    text = words.decode(out[0, given["input_ids"].shape[1]:], skip_special_tokens=True)
    speeds.append(tokens / (time.perf_counter() - start))
print(json.dumps({"speeds": speeds[1:], "text": text}))
"""
TRANSFORMERS_OWN = """
import json, sys, time
from pathlib import Path
from ragcli.llms.protocols import Sampling
from ragcli.llms.transformers import TransformersLLM
folder, question, dtype, tokens, runs = json.loads(sys.argv[1])
llm = TransformersLLM(Path(folder), "model", options={"dtype": dtype, "min_new_tokens": tokens})
messages = [{"role": "user", "content": question}]
speeds = []
for _ in range(runs + 1):
    start = time.perf_counter()
    text = "".join(llm.stream(messages, Sampling(max_tokens=tokens)))
    speeds.append(tokens / (time.perf_counter() - start))
print(json.dumps({"speeds": speeds[1:], "text": text}))
"""


GGUF_BARE = """
import json, sys, time
import xllamacpp
path, question, tokens, runs = json.loads(sys.argv[1])
params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.n_parallel = path, 8192, 1
params.warmup, params.verbosity = False, -1
server = xllamacpp.Server(params)
body = {"messages": [{"role": "user", "content": question}], "max_tokens": tokens, "temperature": 0, "stream": True,
        "ignore_eos": True, "cache_prompt": False}
speeds = []
for _ in range(runs + 1):
    pieces = []
    start = time.perf_counter()
    server.handle_chat_completions(
        body, lambda c: pieces.append((c["choices"] or [{"delta": {}}])[0]["delta"].get("content") or "") and False
    )
    speeds.append(tokens / (time.perf_counter() - start))
print(json.dumps({"speeds": speeds[1:], "text": "".join(pieces)}))
"""
GGUF_OWN = """
import json, sys, time
from pathlib import Path
from ragcli.llms.gguf import GgufLLM
from ragcli.llms.protocols import Sampling
path, question, tokens, runs = json.loads(sys.argv[1])
llm = GgufLLM(Path(path), "model", options={"ignore_eos": True, "cache_prompt": False})
messages = [{"role": "user", "content": question}]
speeds = []
for _ in range(runs + 1):
    start = time.perf_counter()
    text = "".join(llm.stream(messages, Sampling(max_tokens=tokens)))
    speeds.append(tokens / (time.perf_counter() - start))
print(json.dumps({"speeds": speeds[1:], "text": text}))
"""
GGUF_FIRST = """
import json, sys, time
start = time.perf_counter()
import xllamacpp
path, messages = json.loads(sys.argv[1])
params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.n_parallel = path, 8192, 1
params.warmup, params.verbosity = False, -1
server = xllamacpp.Server(params)
loaded = time.perf_counter() - start
out = server.handle_chat_completions({"messages": messages, "max_tokens": 1, "temperature": 0})
first = time.perf_counter() - start
print(json.dumps({"loaded": loaded, "first": first, "prompt_tokens": out["usage"]["prompt_tokens"]}))
"""


def measured(code: str, *given: object) -> dict:
    done = subprocess.run([sys.executable, "-c", code, json.dumps(given)], check=True, capture_output=True)
    return json.loads(done.stdout.splitlines()[-1])


def compared(backend: str, bare: str, own: str, rounds: int, *given: object) -> dict:
    speeds: dict[str, list[float]] = {"bare": [], "ragcli": []}
    texts = set()
    for at in range(rounds):
        order = [("bare", bare), ("ragcli", own)]
        for name, code in order if at % 2 == 0 else reversed(order):
            told = measured(code, *given)
            speeds[name] += told["speeds"]
            texts.add(told["text"])
    medians = {name: statistics.median(found) for name, found in speeds.items()}
    return {
        "backend": backend,
        "tokens_per_second": {name: round(value, 2) for name, value in medians.items()},
        "best": {name: round(max(found), 2) for name, found in speeds.items()},
        "ratio": round(medians["ragcli"] / medians["bare"], 3),
        "ratio_of_best": round(max(speeds["ragcli"]) / max(speeds["bare"]), 3),
        "same_text": len(texts) == 1,
        "runs": len(speeds["bare"]),
    }


def transformers_overhead(tokens: int, rounds: int, model: str | None = None, dtype: str = "bfloat16") -> dict:
    from ragcli.models import resolve

    folder = str(resolve(model or "builtin/smollm2-135m-instruct-safetensors").path)
    return compared("transformers", TRANSFORMERS_BARE, TRANSFORMERS_OWN, rounds, folder, QUESTION, dtype, tokens, RUNS)


def gguf_overhead(tokens: int, rounds: int) -> dict:
    return compared("gguf", GGUF_BARE, GGUF_OWN, rounds, gguf_path(), QUESTION, tokens, RUNS)


def gguf_path() -> str:
    from ragcli.models.folder import locate

    return str(next(locate("builtin/smollm2-135m-instruct").glob("*.gguf")))


def example_table(folder: str) -> None:
    """Index examples/ into the table kb."""
    pipe = f"ragcli load examples | ragcli split | ragcli embed -q -d '{folder}' -t kb"
    subprocess.run(["bash", "-c", pipe], cwd=ROOT, env=ENVIRONMENT, check=True)


ASKED = "How many days of paid leave do employees get?"


def until(marker: bytes, *args: str, **more: str) -> float:
    """Return the seconds from the start of ragcli in a terminal until something stands after the question."""
    import pty

    start = time.perf_counter()
    process, terminal = pty.fork()
    if process == 0:
        os.execve(RAGCLI, [RAGCLI, *args], {**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "200", **more})
    seen, first = b"", 0.0
    with contextlib.suppress(OSError):
        while piece := os.read(terminal, 65536):
            seen += piece
            if not first and re.sub(rb"\x1b\[[0-9;]*m", b"", seen).partition(marker)[2].strip():
                first = time.perf_counter() - start
    os.waitpid(process, 0)
    return first


def first_token(tokens: int, rounds: int) -> dict:
    del tokens
    with tempfile.TemporaryDirectory() as folder:
        example_table(folder)
        args = ("ask", "-d", folder, "-t", "kb", ASKED)
        shown = subprocess.run(
            [RAGCLI, *args, "--show-prompt"], cwd=ROOT, env=ENVIRONMENT, capture_output=True, check=True
        )
        system, _, user = shown.stdout.decode().partition("--- user ---\n")
        messages = [
            {"role": "system", "content": system.removeprefix("--- system ---\n").strip()},
            {"role": "user", "content": user.strip()},
        ]
        own = [until(ASKED.encode(), *args, "-m", gguf_path(), "--max-tokens", "8") for _ in range(rounds)]
        bare = [measured(GGUF_FIRST, gguf_path(), messages) for _ in range(rounds)]
    return {
        "benchmark": "first_token",
        "seconds": round(statistics.median(own), 2),
        "bare_load_and_prompt": round(statistics.median(one["first"] for one in bare), 2),
        "bare_load": round(statistics.median(one["loaded"] for one in bare), 2),
        "prompt_tokens": bare[0]["prompt_tokens"],
    }


def endpoint(tokens: int, rounds: int) -> dict:
    """The endpoint of the tests says its first piece after half a second."""
    del tokens
    sys.path.insert(0, str(ROOT / "tests"))
    from openai_server import Endpoint, Say

    wait = 0.5
    with tempfile.TemporaryDirectory() as folder, Endpoint(lambda body, number: Say(["word"], wait=wait)) as there:
        example_table(folder)
        args = ("ask", "-d", folder, "-t", "kb", "-m", "openai:x", ASKED)
        own = [until(ASKED.encode(), *args, **there.environment()) for _ in range(rounds)]
    return {"benchmark": "endpoint", "over_the_endpoint_s": round(statistics.median(own) - wait, 2), "wait_s": wait}


def extractive(tokens: int, rounds: int) -> dict:
    """200 questions against CMRC 2018, searched and answered; the start is taken off by a run of one question."""
    del tokens
    data = ROOT.parent / "shared" / "data" / "cmrc2018"
    questions = (data / "queries.jsonl").read_bytes().splitlines(keepends=True)[:200]
    with tempfile.TemporaryDirectory() as folder:
        documents = (
            f"ragcli load '{data / 'corpus.jsonl'}' | ragcli split --size 2000 | ragcli embed -q -d '{folder}' -t kb"
        )
        subprocess.run(["bash", "-c", documents], env=ENVIRONMENT, check=True)
        seconds: dict[int, list[float]] = {1: [], 200: []}
        for _ in range(rounds):
            for n, found in seconds.items():
                start = time.perf_counter()
                done = subprocess.run(
                    [RAGCLI, "ask", "-d", folder, "-t", "kb"],
                    input=b"".join(questions[:n]),
                    capture_output=True,
                    env=ENVIRONMENT,
                    check=True,
                )
                assert done.stdout.count(b"\n") == n
                found.append(time.perf_counter() - start)
    start_s = statistics.median(seconds[1])
    rate = 199 / (statistics.median(seconds[200]) - start_s)
    return {"benchmark": "extractive", "questions_per_second": round(rate, 1), "start_s": round(start_s, 2)}


BACKENDS: dict[str, Callable[..., dict]] = {
    "transformers": transformers_overhead,
    "gguf": gguf_overhead,
    "first_token": first_token,
    "endpoint": endpoint,
    "extractive": extractive,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backends", nargs="*", metavar="BACKEND", help=", ".join(BACKENDS))
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    for name in given.backends or BACKENDS:
        print(json.dumps(BACKENDS[name](given.tokens, given.rounds)), flush=True)


if __name__ == "__main__":
    main()
