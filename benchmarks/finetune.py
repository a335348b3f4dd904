"""What ragcli finetune costs over TRL's trainer called by hand: tokens a second, and the time to the first step.

    python benchmarks/finetune.py ../shared/data/sft/train.jsonl [--steps 12] [--rounds 2] [--model …]

Both train a LoRA of the same model on the same rows in the same order with the same settings, one after the other, in
processes of their own. The first two steps of each are left out: they set things up. The figures are medians of steps,
pooled over the rounds, so that a busy moment of the machine does not decide.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAME = "builtin/smollm2-135m-instruct-safetensors"
LENGTH, BATCH = 256, 4


def by_hand(folder: str, data: str, steps: int, out: str) -> None:
    """TRL as its documentation has it, on rows that are encoded already, so that both learn the same tokens."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    began = time.perf_counter()
    rows = Dataset.from_list([json.loads(line) for line in Path(data).read_text().splitlines()])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    loading = time.perf_counter()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    loaded = time.perf_counter()

    class Note(TrainerCallback):
        def on_train_begin(self, *_: object, **__: object) -> None:
            self.at = time.perf_counter()

        def on_log(self, args: object, state: object, *_: object, **__: object) -> None:
            """From record to record, as ragcli tells it: with the batch's making and what is logged."""
            seconds.append(time.perf_counter() - self.at)
            self.at = time.perf_counter()

    seconds: list[float] = []
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(
            output_dir=out, max_steps=steps, per_device_train_batch_size=BATCH, learning_rate=2e-4, logging_steps=1,
            lr_scheduler_type="cosine", warmup_steps=0.03, save_strategy="no", bf16=False, use_cpu=True,
            activation_checkpointing=False, report_to="none", disable_tqdm=True, seed=42, data_seed=42,
            max_length=LENGTH, dataloader_pin_memory=False,
        ),
        train_dataset=rows,
        processing_class=tokenizer,
        peft_config=LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, target_modules="all-linear"),
        callbacks=[Note()],
    )  # fmt: skip
    first = time.perf_counter()
    trainer.train()
    losses = [one["loss"] for one in trainer.state.log_history if "loss" in one]
    told = {"seconds": seconds[:steps], "losses": losses, "loading": loaded - loading, "to_first": first - began}
    Path(out, "told.json").write_text(json.dumps(told))


def encoded(folder: str, data: Path, out: Path) -> None:
    """Write the rows as ragcli encodes them, cut, for the other side."""
    from transformers import AutoTokenizer

    from ragcli.finetuning.data.reading import read_rows
    from ragcli.finetuning.data.rows import ChatRow
    from ragcli.finetuning.data.sources import parse, ready
    from ragcli.finetuning.encoding import Encoder

    encoder = Encoder(AutoTokenizer.from_pretrained(folder), Path(folder), "base")
    with out.open("w") as stream:
        for row in read_rows(ready(parse([str(data)]), out.parent), "chat"):
            assert isinstance(row, ChatRow)
            for one in encoder.conversation(row):
                if any(label >= 0 for label in one.labels[:LENGTH]):
                    stream.write(json.dumps({"input_ids": one.ids[:LENGTH], "labels": one.labels[:LENGTH]}) + "\n")


def ragcli(model: str, data: Path, steps: int, out: Path) -> dict:
    """Run the command; return the time of each step and when the first began."""
    command = [
        "ragcli", "finetune", "-m", model, "--data", str(data), "-o", str(out), "--max-steps", str(steps),
        "--batch", str(BATCH), "--micro-batch", str(BATCH), "--length", str(LENGTH), "--precision", "fp32",
        "--lr", "2e-4", "--device", "cpu", "--method", "lora", "--no-checkpointing", "--no-guard", "--log-steps", "1",
        "--save-steps", "100000",
    ]  # fmt: skip
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=True)
    total = time.perf_counter() - began
    records = [json.loads(line) for line in done.stdout.splitlines()]
    found = [one for one in records if one["type"] == "step"]
    seconds = [one["tokens"] / one["tokens_per_second"] for one in found]
    return {"seconds": seconds, "losses": [one["loss"] for one in found], "total": total}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--model", default=NAME)
    parser.add_argument("--hand", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.hand:
        folder, data, steps, out = args.hand
        by_hand(folder, data, int(steps), out)
        return
    from ragcli.models import resolve

    folder = str(resolve(args.model).path)
    print(f"{os.cpu_count()} cores, {args.model}, LoRA, {LENGTH} tokens, batch {BATCH}, {args.steps} steps")
    hand: list[float] = []
    ours: list[float] = []
    difference = 0.0
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        encoded(folder, args.data, work / "rows.jsonl")
        for number in range(args.rounds):
            out = work / f"hand-{number}"
            out.mkdir()
            script = [sys.executable, __file__, str(args.data), "--hand", folder, str(work / "rows.jsonl")]
            subprocess.run([*script, str(args.steps), str(out)], check=True, capture_output=True)
            told = json.loads((out / "told.json").read_bytes())
            mine = ragcli(args.model, args.data, args.steps, work / f"ours-{number}")
            hand += told["seconds"][2:]
            ours += mine["seconds"][2:]
            difference = max(abs(a - b) for a, b in zip(told["losses"], mine["losses"], strict=True))
            spent = mine["total"] - sum(mine["seconds"])
            print(
                f"round {number + 1}: a step by hand {statistics.median(told['seconds'][2:]):.3f} s,"
                f" ragcli {statistics.median(mine['seconds'][2:]):.3f} s; losses differ by at most {difference:.1e};"
                f" ragcli beside the steps {spent:.1f} s, loading {told['loading']:.1f} s of it"
            )
    ratio = statistics.median(ours) / statistics.median(hand) - 1
    paired = statistics.median(a / b for a, b in zip(ours, hand, strict=True)) - 1
    print(f"overhead: {ratio:+.1%} by medians, {paired:+.1%} step by step (the same rows); at most 3 % is wanted")


if __name__ == "__main__":
    main()
