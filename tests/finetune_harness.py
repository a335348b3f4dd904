"""A run of several processes, small and real, as a program: what the tests of the launcher and of sharding start.

    python tests/finetune_harness.py '{"entry": "train", "work": "...", "processes": 2, ...}'

It ends as ragcli does: an error is a sentence on stderr and an exit code.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from ragcli.errors import InputError, ModelError, RagcliError
from ragcli.finetuning import ranks
from ragcli.finetuning.launch import launch, processes_for
from ragcli.finetuning.nodes import NodeSettings
from ragcli.finetuning.settings import Settings

VOCABULARY = 384


# ------------------------------------------------------------ entries without a model


def say(spec: dict) -> dict:
    """Every rank writes on both streams; all agree on a flag that one has."""
    sys.stdout.write(f"stdout of {ranks.rank()}\n")
    sys.stdout.flush()
    os.write(1, f"bytes of {ranks.rank()}\n".encode())
    sys.stderr.write(f"stderr of {ranks.rank()}\n")
    agreed = [ranks.any_of(False), ranks.any_of(ranks.rank() == ranks.world() - 1)]
    threads = os.environ.get("OMP_NUM_THREADS")
    return {"world": ranks.world(), "rank": ranks.rank(), "agreed": agreed, "threads": threads}


def fail(spec: dict) -> None:
    """One rank fails, or all; the others wait for it in a collective operation."""
    wanted = spec.get("ranks", [0])
    if ranks.rank() in wanted:
        how = spec["how"]
        if how == "model":
            raise ModelError("the model has no head 头.", hint="Take another.")
        if how == "input":
            raise InputError("train.jsonl:12: no assistant turn.")
        if how == "bug":
            raise KeyError("no_such_key")
        if how == "memory":
            import torch

            torch.empty(1 << 46)
        if how == "exit":
            raise SystemExit(3)
        if how == "silent":
            os._exit(0)
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
    ranks.barrier()
    time.sleep(600)


def wait(spec: dict) -> Any:
    """Work in steps until a signal comes, and save then; or never answer one."""
    asked = []
    if spec.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
        signal.signal(signal.SIGINT, lambda *_: asked.append(1))
    work = Path(spec["work"])
    for step in range(100_000):
        if step == 3:
            (work / f"ready-{ranks.rank()}").write_text(str(os.getpid()))
        time.sleep(0.05)
        if ranks.any_of(bool(asked)):
            time.sleep(spec.get("saving", 0.0))
            (work / f"saved-{ranks.rank()}").write_text(f"{step} {len(asked)}")
            raise KeyboardInterrupt
    return None


# ------------------------------------------------------------ training


def rows(count: int, seed: int = 0) -> list[dict]:
    """Rows of token ids of different lengths, part of them without loss."""
    import random

    chosen = random.Random(seed)
    made = []
    for _ in range(count):
        length = chosen.randint(6, 40)
        start, step = chosen.randrange(3, VOCABULARY), chosen.randrange(1, 5)
        ids = [3 + (start + step * n) % (VOCABULARY - 3) for n in range(length)]
        prompt = chosen.randint(1, length // 2)
        made.append({"input_ids": ids, "labels": [-100] * prompt + ids[prompt:]})
    return made


def tiny(folder: Path, tied: bool = True) -> Path:
    """A small Llama with random weights, and a tokenizer, as a folder."""
    import torch
    from tokenizers import Tokenizer, models
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 3, "num_attention_heads": 4}
    config = LlamaConfig(
        vocab_size=VOCABULARY, num_key_value_heads=2, max_position_embeddings=128, tie_word_embeddings=tied, **sizes
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    vocabulary = {"<pad>": 0, "<s>": 1, "</s>": 2, **{f"t{n}": n for n in range(3, VOCABULARY)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    ).save_pretrained(folder)
    return folder


def reloaded(spec: dict, method: str, state: dict) -> float:
    """How far the logits of what was saved are from those of the base with the trained state put in."""
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM

    from ragcli.finetuning import sharded

    base = AutoModelForCausalLM.from_pretrained(spec["model"], dtype=torch.float32)
    ids = torch.tensor([rows(1)[0]["input_ids"]])
    with torch.no_grad():
        untrained = base(ids).logits.clone()
        if method == "lora":
            base = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear"))
        sharded.put(base, state)
        ours = base.eval()(ids).logits
        saved: Any
        if method == "lora":
            plain = AutoModelForCausalLM.from_pretrained(spec["model"], dtype=torch.float32)
            saved = PeftModel.from_pretrained(plain, spec["final"])
        else:
            saved = AutoModelForCausalLM.from_pretrained(spec["final"], dtype=torch.float32)
        theirs = saved.eval()(ids).logits
    assert float((ours - untrained).abs().max()) > 1e-3
    return float((ours - theirs).abs().max())


def train(spec: dict) -> dict:
    """Train with TRL's SFTTrainer; return the loss of each step."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from ragcli.finetuning import sharded, sharding

    work = Path(spec["work"])
    settings = Settings(model=spec["model"], output=str(work), device="cpu", precision="fp32")
    torch.manual_seed(42)
    batch, micro = spec.get("batch", 8), spec.get("micro", 2)
    method = spec.get("method", "full")
    kind = spec.get("sharding", "ddp")
    settings = Settings(
        model=spec["model"],
        output=str(work),
        method=method,
        batch=batch,
        micro_batch=micro,
        processes=ranks.world(),
        device="cpu",
        precision=spec.get("precision", "fp32"),
        checkpointing=spec.get("checkpointing", False),
    )
    more: dict = {}
    if method == "qlora":
        storage = getattr(torch, spec.get("storage") or sharding.quantized_storage(kind, settings.precision))
        more["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_quant_storage=storage,
            bnb_4bit_compute_dtype=torch.float32,
        )  # fmt: skip
    model = AutoModelForCausalLM.from_pretrained(spec["model"], dtype=torch.float32, **more)
    model.config.use_cache = False
    if method in ("lora", "qlora"):
        from peft import LoraConfig, get_peft_model

        torch.manual_seed(7)
        model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", lora_dropout=0.0))
    losses: list[float] = []

    class Note(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                losses.append(logs["loss"])

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if spec.get("slow"):
                time.sleep(spec["slow"])
            (work / f"step-{ranks.rank()}").write_text(str(state.global_step))

    class Trainer(sharding.Sharded, SFTTrainer):
        if spec.get("hands_off"):

            def create_accelerator_and_postprocess(self) -> None:
                SFTTrainer.create_accelerator_and_postprocess(self)

    given = {} if spec.get("bare") else sharding.arguments(settings, kind)
    arguments = SFTConfig(
        output_dir=str(work / "run"),
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=settings.accumulation,
        max_steps=spec.get("steps", 20),
        learning_rate=spec.get("rate", 3e-3),
        lr_scheduler_type="linear",
        warmup_steps=2,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps" if spec.get("save") else "no",
        save_steps=spec.get("save") or 500,
        report_to=[],
        disable_tqdm=True,
        seed=42,
        data_seed=42,
        max_length=None,
        packing=False,
        bf16=spec.get("precision") == "bf16",
        **({"use_cpu": True} | given),
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(rows(spec.get("rows", 200))),
        processing_class=AutoTokenizer.from_pretrained(spec["model"]),
        callbacks=[Note()],
    )
    trainer.train(resume_from_checkpoint=spec.get("resume"))
    state = sharded.whole_state(trainer.model)
    held = sum((p.to_local() if hasattr(p, "to_local") else p).numel() for p in trainer.model.parameters())
    total = sum(p.numel() for p in trainer.model.parameters())
    kinds = sorted({type(p.data).__name__ for p in trainer.model.parameters()})
    trained = sum(p.numel() for group in trainer.optimizer.param_groups for p in group["params"])
    if spec.get("final"):
        trainer.save_model(spec["final"])
    differs = None
    if ranks.is_first():
        torch.save(state, work / "state.pt")
        if spec.get("final"):
            differs = reloaded(spec, method, state)
    backend = None
    if ranks.world() > 1:
        backend = torch.distributed.get_backend()
    return {
        "differs": differs,
        "losses": losses, "held": held, "total": total, "kinds": kinds, "world": ranks.world(), "backend": backend,
        "trained": trained, "wrapped": type(trainer.model_wrapped).__name__, "threads": torch.get_num_threads(),
    }  # fmt: skip


def several(spec: dict) -> dict:
    """Train one after another in the same processes: importing takes longer than training here."""
    from accelerate.state import AcceleratorState

    if spec.get("make") and ranks.is_first():
        for name in ("tied", "untied"):
            tiny(Path(spec["make"]) / name, tied=name == "tied")
    ranks.barrier()
    found = {}
    for name, one in spec["runs"].items():
        AcceleratorState._reset_state(reset_partial_state=True)
        own = {**{key: value for key, value in spec.items() if key not in ("runs", "entry")}, **one}
        own["work"] = str(Path(spec["work"]) / name)
        Path(own["work"]).mkdir(parents=True, exist_ok=True)
        try:
            found[name] = train(own)
        except RagcliError as error:
            if not one.get("fails"):
                raise
            found[name] = {"error": f"{type(error).__name__}: {error.message}", "rank": ranks.rank()}
    return found


ENTRIES = {"several": several, "say": say, "fail": fail, "wait": wait, "train": train}


def main() -> int:
    """Run what the one argument says."""
    spec = json.loads(sys.argv[1])
    try:
        processes = processes_for(spec.get("processes"), "cpu")
        value = launch(
            ENTRIES[spec["entry"]],
            (spec,),
            processes=processes,
            device="cpu",
            work=Path(spec["work"]),
            nodes=NodeSettings.from_environment(),
            grace=spec.get("grace", 20.0),
            timeout=spec.get("timeout", 120.0),
            agreement=spec.get("agreement", ""),
            apart=spec.get("apart", False),
        )
    except KeyboardInterrupt:
        return 130
    except RagcliError as error:
        sys.stderr.write(f"{type(error).__name__}: {error.message}\n")
        if error.hint:
            sys.stderr.write(f"  hint: {error.hint}\n")
        return error.exit_code
    if ranks.is_first():
        sys.stdout.write("RESULT " + json.dumps(value) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
