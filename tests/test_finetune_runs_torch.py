"""Whole runs on tiny models: what is written, what goes on after a kill, what is said when something is wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

from conftest import DATA, RAGCLI, environment, jsonl, lines, run
from tiny_models import tiny_chat_model

ONE = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
TRAIN, VALID = DATA / "sft" / "train.jsonl", DATA / "sft" / "valid.jsonl"
FAST = ("--length", "128", "--batch", "4", "--precision", "fp32", "--device", "cpu", "--no-guard")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_chat_model(tmp_path_factory.mktemp("base") / "tiny")


def talk(question: str, answer: str) -> dict:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def rows(count: int, start: int = 0) -> bytes:
    return jsonl(*(talk(f"第{n}题：{n}+1?", f"{n + 1}。") for n in range(start, start + count)))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "train.jsonl"
    path.write_bytes(rows(60))
    return path


def finetune(*args: str | Path, **more: Any) -> subprocess.CompletedProcess[bytes]:
    return run("finetune", *args, **{**ONE, **more})


def of_type(data: bytes, kind: str) -> list[dict]:
    return [one for one in lines(data) if one["type"] == kind]


def losses(data: bytes) -> dict[int, float]:
    return {one["step"]: one["loss"] for one in of_type(data, "step")}


@pytest.fixture(scope="module")
def tuned(base: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A run with nothing but the three options, and its records."""
    out = tmp_path_factory.mktemp("tuned") / "out"
    done = finetune("-m", base, "--data", data, "-o", out, "--eval-data", VALID)
    assert done.returncode == 0, done.stderr.decode()
    return out, done.stdout


def test_three_options_are_enough(base, tuned):
    out, records = tuned
    statistics, plan = of_type(records, "statistics")[0], of_type(records, "plan")[0]
    assert statistics["rows"]["read"] == statistics["rows"]["kept"] == 60
    assert (plan["task"], plan["method"], plan["epochs"]) == ("chat", "lora", 3.0)
    steps = of_type(records, "step")
    assert [one["step"] for one in steps] == list(range(1, plan["steps"] + 1))
    assert all(one["tokens"] > 0 and one["tokens_per_second"] > 0 and one["memory"] > 1 << 20 for one in steps)
    assert steps[-1]["loss"] < steps[0]["loss"] and steps[-1]["seconds_left"] == 0
    assert of_type(records, "evaluation") and of_type(records, "guard")
    last = lines(records)[-1]
    assert last["type"] == "finetuned" and last["form"] == "adapter" and last["steps"] == plan["steps"]
    names = {one.name for one in out.iterdir()}
    assert {"adapter_model.safetensors", "adapter_config.json", "chat_template.jinja", "tokenizer.json"} <= names
    assert {"README.md", "loss.png", "finetune.json", "training.jsonl"} <= names
    assert not [name for name in names if name.startswith(".")]
    told = json.loads((out / "finetune.json").read_bytes())
    assert told["settings"]["seed"] == 42 and told["base"]["hash"] and told["data"]["data"][0]["sha256"]
    assert told["environment"]["ragcli"]
    assert json.loads((out / "adapter_config.json").read_bytes())["base_model_name_or_path"] == str(base)


def test_the_same_command_again_does_nothing(base, data, tuned):
    out, _ = tuned
    before = {one.name: one.stat().st_mtime_ns for one in out.iterdir()}
    again = finetune("-m", base, "--data", data, "-o", out, "--eval-data", VALID)
    assert again.returncode == 0 and b"finished already" in again.stderr
    assert [one["type"] for one in lines(again.stdout)] == ["finetuned"]
    assert {one.name: one.stat().st_mtime_ns for one in out.iterdir()} == before
    other = finetune("-m", base, "--data", data, "-o", out, "--epochs", "1")
    assert other.returncode == 2 and b"other data or settings" in other.stderr and b"--overwrite" in other.stderr


def test_ask_takes_the_adapter_at_once(base, tuned):
    out, _ = tuned
    result = {"type": "result", "id": "1", "query": "第3题：3+1?", "hits": []}
    chunk = {"type": "hit", "id": "c", "document_id": "d", "source": "a.txt", "text": "3+1=4。", "start": 0, "end": 6}
    result["hits"] = [{**chunk, "rank": 1, "score": 1.0, "scores": {}}]
    told = ("--max-tokens", "4", "--device", "cpu", "--format", "jsonl")
    asked = run("ask", "-m", base, "--adapter", out, *told, stdin=jsonl(result), **ONE)
    assert asked.returncode in (0, 4), asked.stderr.decode()
    assert lines(asked.stdout)[0]["type"] == "answer"


def test_a_kill_at_any_moment_loses_nothing_but_steps(base, data, tmp_path):
    """The losses of a run that was killed twice are those of one that was not."""
    common = ("-m", base, "--data", data, *FAST, "--max-steps", "150", "--save-steps", "10", "--dropout", "0.1")
    whole = finetune(*common, "-o", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr.decode()
    out = tmp_path / "killed"
    for until in (20, 60):
        process = subprocess.Popen(
            [RAGCLI, "finetune", *map(str, common), "-o", out], stdout=subprocess.PIPE, env=environment(**ONE)
        )
        assert process.stdout is not None
        for line in process.stdout:
            record = json.loads(line)
            if record["type"] == "step" and record["step"] >= until:
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert not (out / "finetune.json").exists()
    last = finetune(*common, "-o", out)
    assert last.returncode == 0, last.stderr.decode()
    # The record of step 60 comes before its checkpoint, which the kill may have cut off.
    assert 50 <= of_type(last.stdout, "resumed")[0]["step"] <= 150
    seen, expected = losses((out / "training.jsonl").read_bytes()), losses(whole.stdout)
    assert sorted(seen) == sorted(expected) == list(range(1, 151))
    assert all(abs(seen[step] - expected[step]) < 1e-5 for step in expected)


def test_ctrl_c_saves_and_the_same_command_goes_on(base, data, tmp_path):
    common = ("-m", base, "--data", data, *FAST, "--max-steps", "30", "--save-steps", "30")
    process = subprocess.Popen(
        [RAGCLI, "finetune", *map(str, common), "-o", tmp_path / "out"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**ONE),
    )
    assert process.stdout is not None and process.stderr is not None
    step = 0
    for line in process.stdout:
        record = json.loads(line)
        if record["type"] == "step" and record["step"] == 3:
            process.send_signal(signal.SIGINT)
        if record["type"] == "checkpoint":
            step = record["step"]
    assert process.wait() == 130
    said = process.stderr.read().decode()
    assert f"stopped after step {step}" in said and 3 <= step < 30
    process.stdout.close()
    process.stderr.close()
    last = finetune(*common, "-o", tmp_path / "out")
    assert last.returncode == 0, last.stderr.decode()
    assert of_type(last.stdout, "resumed")[0]["step"] == step
    assert min(losses(last.stdout)) == step + 1


def test_a_bad_row_is_named_before_the_model_is_loaded(base, tmp_path):
    broken = tmp_path / "rows.jsonl"
    broken.write_bytes(rows(8) + b'{"messages": [{"role": "user", "content": "hm"}]}\n' + rows(4, 8))
    began = time.monotonic()
    done = finetune("-m", base, "--data", broken, "-o", tmp_path / "out", *FAST)
    assert done.returncode == 1 and f"{broken}:9".encode() in done.stderr and time.monotonic() - began < 60
    assert not of_type(done.stdout, "step")
    skipped = finetune("-m", base, "--data", broken, "-o", tmp_path / "out", *FAST, "--max-steps", "2", "--skip-bad")
    assert skipped.returncode == 3, skipped.stderr.decode()
    assert f"{broken}:9".encode() in skipped.stderr and b"1 bad rows" in skipped.stderr
    assert (
        of_type(skipped.stdout, "statistics")[0]["rows"] | {"bad": 1, "kept": 12, "read": 13}
        == of_type(skipped.stdout, "statistics")[0]["rows"]
    )


def test_a_loss_that_is_no_number_names_step_and_rows(base, tmp_path):
    """A token's embedding that is no number: only rows with that token are named, and the weights stay."""
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoTokenizer

    folder = tmp_path / "poisoned"
    shutil.copytree(base, folder)
    weights = load_file(folder / "model.safetensors")
    encode = AutoTokenizer.from_pretrained(folder).encode
    token = (set(encode("10 €?", add_special_tokens=False)) - set(encode(rows(40).decode()))).pop()
    weights["model.embed_tokens.weight"][token] = torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    data = tmp_path / "rows.jsonl"
    data.write_bytes(rows(20) + jsonl(talk("10 €?", "ja")) + rows(20, 20))
    done = finetune("-m", folder, "--data", data, "-o", tmp_path / "out", *FAST, "--micro-batch", "1")
    assert done.returncode == 1, done.stderr.decode()
    step = max(losses(done.stdout), default=0) + 1
    said = done.stderr.decode()
    assert f"the loss is nan at step {step}; the rows of it are {data}:21." in said


def test_memory_that_is_not_enough_halves_the_passes(base, data, tmp_path):
    """A real limit on the address space, under which eight rows at once do not fit."""
    long = tmp_path / "long.jsonl"
    text = "长文本 long text. " * 12
    long.write_bytes(jsonl(*(talk(f"{n}{text}", text) for n in range(16))))
    big = tiny_chat_model(tmp_path / "big", layers=32, hidden=128, vocabulary=4000)
    common = ("-m", big, "--data", long, "--length", "512", "--batch", "16", "--micro-batch", "16", "--max-steps", "1")
    more = ("--precision", "fp32", "--device", "cpu", "--no-guard", "--no-checkpointing", "--method", "lora")
    script = (
        "import resource, sys; from ragcli.cli import main; import torch, trl, peft, datasets;"
        " from trl import SFTTrainer; import os;"
        " used = int(open('/proc/self/statm').read().split()[0]) * 4096;"
        " resource.setrlimit(resource.RLIMIT_AS, (used + MORE, used + MORE)); main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script.replace("MORE", str(1200 << 20)), "finetune", *map(str, (*common, *more)),
         "-o", str(tmp_path / "out")],
        capture_output=True, timeout=280,
        env=environment(**ONE, MALLOC_MMAP_THRESHOLD_=str(1 << 20)),  # what is freed is free for others
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    halved = of_type(done.stdout, "out_of_memory")
    assert halved and halved[0]["micro_batch"] == 8 and halved[0]["accumulation"] == 2
    assert b"the memory was not enough for 16 rows at once" in done.stderr
    assert sorted(losses(done.stdout)) == [1]


def test_a_disk_without_room_skips_the_checkpoint_and_says_so(base, data, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", small]).returncode:
        pytest.skip("a small file system needs root")
    try:
        done = finetune("-m", base, "--data", data, "-o", small / "out", *FAST, "--method", "full", "--max-steps", "3")
        assert done.returncode == 1 and b"GiB are free" in done.stderr and not of_type(done.stdout, "step")
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("-m", "BASE", "--data", "DATA"), "no output was named"),
        (("-m", "BASE", "-o", "OUT"), "no data was named"),
        (("--data", "DATA", "-o", "OUT"), "no base model was named"),
        (("-m", "BASE", "--data", "missing.jsonl", "-o", "OUT"), "missing.jsonl"),
        (("-m", "/nowhere", "--data", "DATA", "-o", "OUT"), "not on this machine"),
        (("-m", "BASE", "--data", "DATA", "-o", "OUT", "--length", "100000"), "more than the 512 tokens"),
        (("-m", "BASE", "--data", "DATA", "-o", "OUT", "--patience", "2"), "--patience needs --eval-data"),
        (("-m", "BASE", "--data", "DATA", "-o", "OUT", "--report-to", "swanlab"), "needs the package swanlab"),
        (("-m", "BASE", "--data", "DATA", "-o", "DATA"), "is a file"),
        (("-m", "BASE", "--data", "DATA", "-o", "OUT", "--precision", "fp16", "--device", "cpu"), "is for GPUs"),
        (("-m", "BASE", "--data", "DATA", "-o", "OUT", "--merge", "--method", "full"), "--merge is for adapters"),
        (("-m", "BASE", "--data", "DATA", "-o", "OUT", "--task", "embedding"), "embedding"),
    ],
)
def test_wrong_settings_are_a_sentence(base, data, tmp_path, args, said):
    named = {"BASE": base, "DATA": data, "OUT": tmp_path / "out"}
    done = finetune(*(named.get(one, one) for one in args), cwd=tmp_path)
    assert done.returncode in (1, 2) and said in done.stderr.decode(), done.stderr.decode()
    assert b"Traceback" not in done.stderr and not done.stdout


def test_a_file_of_settings_and_flags_above_it(base, data, tmp_path):
    config = tmp_path / "run.toml"
    config.write_text(
        f'model = "{base}"\ndata = ["{data}"]\nlearning-rate = 0.003\nmax_steps = 2\nrank = 4\nbatch = 4\n'
        'precision = "fp32"\nguard = false\n'
    )
    dry = finetune("--config", config, "--rank", "2", "--dry-run")
    assert dry.returncode == 0, dry.stderr.decode()
    plan = of_type(dry.stdout, "plan")[0]
    assert (plan["learning_rate"], plan["steps"], plan["rank"], plan["alpha"], plan["batch"]) == (0.003, 2, 2, 4, 4)
    assert plan["memory_needed"] > 0 and plan["seconds"] is not None
    config.write_text(config.read_text() + "learnign_rate = 1\n")
    wrong = finetune("--config", config, "--dry-run")
    assert wrong.returncode == 2 and b"learnign_rate" in wrong.stderr


def test_an_example_shows_what_is_learnt(base, data):
    shown = finetune("-m", base, "--data", data, "--show-example")
    assert shown.returncode == 0, shown.stderr.decode()
    pieces = lines(shown.stdout)[0]["pieces"]
    assert [one["trained"] for one in pieces] == [False, True]
    assert pieces[0]["text"] == "<|im_start|>user\n第0题：0+1?<|im_end|>\n<|im_start|>assistant\n"
    assert pieces[1]["text"] == "1。<|im_end|>"
    coloured = finetune("-m", base, "--data", data, "--show-example", "--format", "table", FORCE_COLOR="1")
    assert b"\x1b[4;32m1" in coloured.stdout


def test_texts_are_packed_and_nothing_is_cut(base, tmp_path):
    texts = tmp_path / "texts.jsonl"
    long = "从前有座山，山里有座庙。" * 60
    texts.write_bytes(jsonl(*({"text": f"{n}. {long}" if n % 5 == 0 else f"短文 {n}"} for n in range(30))))
    done = finetune("-m", base, "--data", texts, "-o", tmp_path / "out", "--length", "128", "--method", "full",
                    "--precision", "fp32", "--no-guard", "--device", "cpu")  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    statistics, plan = of_type(done.stdout, "statistics")[0], of_type(done.stdout, "plan")[0]
    assert plan["task"] == "text" and plan["packing"] and statistics["tokens"]["cut"] == 0
    trained = sum(one["tokens"] for one in of_type(done.stdout, "step"))
    assert trained == statistics["tokens"]["total"]
    assert (tmp_path / "out" / "model.safetensors").is_file()


def test_preferences_are_trained_with_a_reference(base, tmp_path):
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_bytes(
        jsonl(*({"prompt": f"{n}+1?", "chosen": str(n + 1), "rejected": "不知道"} for n in range(24)))
    )  # fmt: skip
    done = finetune("-m", base, "--data", pairs, "-o", tmp_path / "out", *FAST, "--lr", "0.01", "--epochs", "2")
    assert done.returncode == 0, done.stderr.decode()
    steps = losses(done.stdout)
    assert abs(steps[1] - 0.6931) < 1e-3 and steps[max(steps)] < 0.6


def test_preferences_that_are_cut_are_counted(base, tmp_path):
    pairs = tmp_path / "pairs.jsonl"
    long = "很长的问题。" * 40
    pairs.write_bytes(
        jsonl(
            {"prompt": long, "chosen": "好", "rejected": "不好"},
            {"prompt": "短?", "chosen": "答" + long, "rejected": "不知道"},
            *({"prompt": f"{n}+1?", "chosen": str(n + 1), "rejected": "不知道"} for n in range(6)),
        )
    )
    done = finetune("-m", base, "--data", pairs, "--dry-run", *FAST[2:], "--length", "64")
    assert done.returncode == 0, done.stderr.decode()
    told = of_type(done.stdout, "statistics")[0]
    assert told["cut"] == {"length": 64, "rows": 2} and told["rows"]["empty_after_cut"] == 1
    assert told["tokens"]["cut"] > 0 and b"2 of 8 rows are cut at 64 tokens; 1 of them" in done.stderr


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of transformers, about a name of its own
def test_a_merged_model_is_one_folder(base, data, tmp_path):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    common = ("-m", base, "--data", data, *FAST, "--max-steps", "4", "--lr", "0.01")
    for name, more in (("adapter", ()), ("merged", ("--merge",))):
        done = finetune(*common, "-o", tmp_path / name, *more)
        assert done.returncode == 0, done.stderr.decode()
    names = {one.name for one in (tmp_path / "merged").iterdir()}
    assert (
        "model.safetensors" in names and "adapter_model.safetensors" not in names and "generation_config.json" in names
    )
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(tmp_path / "adapter"))
    ids = torch.arange(5, 40)[None]
    with torch.inference_mode():
        difference = (merged(ids).logits - adapted(ids).logits).abs().max()
        plain = (merged(ids).logits - AutoModelForCausalLM.from_pretrained(base)(ids).logits).abs().max()
    assert difference < 1e-4 < plain


def test_early_stopping_ends_with_the_best_checkpoint(base, data, tmp_path):
    other = tmp_path / "other.jsonl"
    other.write_bytes(jsonl(*[talk("x", "ÄÖÜ")] * 4))
    done = finetune("-m", base, "--data", data, "--eval-data", other, "-o", tmp_path / "out", *FAST, "--lr", "0.02",
                    "--save-steps", "2", "--eval-steps", "2", "--patience", "2", "--max-steps", "60")  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    evaluations = [(one["step"], one["loss"]) for one in of_type(done.stdout, "evaluation")]
    best = min(evaluations, key=lambda one: one[1])
    assert evaluations[-1][0] < 60 and evaluations[-1][0] == best[0] + 4
    assert lines(done.stdout)[-1]["best_step"] == best[0]


def test_rows_come_in_by_stdin(base, tmp_path):
    done = finetune("-m", base, "--data", "-", "-o", tmp_path / "out", *FAST, "--max-steps", "2", stdin=rows(8))
    assert done.returncode == 0, done.stderr.decode()
    assert of_type(done.stdout, "statistics")[0]["rows"]["read"] == 8


def test_two_processes_learn_what_one_learns(base, data, tmp_path):
    common = ("-m", base, "--data", data, *FAST, "--max-steps", "8", "--save-steps", "4")
    one = finetune(*common, "-o", tmp_path / "one", "--micro-batch", "4")
    two = finetune(*common, "-o", tmp_path / "two", "--micro-batch", "2", "--gpus", "2", "--sharding", "fsdp")
    assert one.returncode == two.returncode == 0, two.stderr.decode()
    plan = of_type(two.stdout, "plan")[0]
    assert (plan["processes"], plan["sharding"], plan["accumulation"]) == (2, "fsdp", 1)
    expected, found = losses(one.stdout), losses(two.stdout)
    assert expected.keys() == found.keys()
    assert all(abs(expected[step] - found[step]) < 1e-3 for step in expected)
    tokens = [[step["tokens"] for step in of_type(each.stdout, "step")] for each in (one, two)]
    assert tokens[0] == tokens[1]


def test_others_are_told(base, data, tmp_path):
    pytest.importorskip("tensorboard")
    done = finetune(
        "-m", base, "--data", data, *FAST, "-o", tmp_path / "out", "--max-steps", "2", "--report-to", "tensorboard",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert list((tmp_path / "out" / "runs").rglob("events.out.tfevents*"))


def test_a_terminal_has_a_table_a_bar_and_a_chart(base, data, tmp_path):
    import pexpect

    args = ["finetune", "-m", base, "--data", data, *FAST, "-o", tmp_path / "out", "--max-steps", "6"]
    shown = pexpect.spawn(
        str(RAGCLI), [str(one) for one in args], env={**environment(**ONE), "TERM": "xterm"}, timeout=120,
        encoding="utf-8", dimensions=(40, 110),
    )  # fmt: skip
    for expected in ("rows", "60 of 60", "method", "6/6", "loss", "6 steps, loss", "ragcli ask -m"):
        shown.expect_exact(expected)
    shown.expect(pexpect.EOF)
    shown.close()
    assert shown.exitstatus == 0
