"""Tokens a second of each backend for language models, side by side with the bare library.

Both write the same number of tokens to the same prompt with the same weights, greedily, turn by turn, each in a
process of its own that has written once before. The ratio is that of the medians; more than .97 is no overhead that
can be measured. One line of JSON for each backend.

    python benchmarks/llm.py transformers --tokens 64 --rounds 3
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable

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


BACKENDS: dict[str, Callable[..., dict]] = {"transformers": transformers_overhead}


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
