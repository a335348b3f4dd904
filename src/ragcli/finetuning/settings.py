"""The settings of a run: what the user said, what was chosen, and a file that repeats it."""

from __future__ import annotations

from dataclasses import dataclass

METHODS = ("auto", "full", "lora", "qlora")
SHARDINGS = ("auto", "ddp", "fsdp", "zero3")
SCHEDULES = ("cosine", "linear", "constant", "constant_with_warmup")
PRECISIONS = ("auto", "bf16", "fp16", "fp32")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A run, with nothing left open (``auto`` and None stand only before `ragcli.finetuning.planning` has chosen).

    Args:
        model: the base: a name or a folder.
        output: the folder that the tuned model goes to.
        task: one of ``data.rows.TASKS``.
        method: full, lora or qlora.
        rank: of LoRA's matrices.
        alpha: of LoRA; its update counts ``alpha / rank`` times.
        dropout: of LoRA.
        targets: names of the modules that get adapters; ``all-linear`` for each but the last.
        learning_rate: the highest of the schedule.
        schedule: one of ``SCHEDULES``.
        warmup: part of the steps in which the rate rises.
        weight_decay: of AdamW.
        epochs: how often the data is seen; 0 leaves it to the rows: fewer rows, more often.
        max_steps: the end, where it comes first; 0 for none.
        batch: rows of one step, over all processes and accumulated passes.
        micro_batch: rows of one pass of one process.
        length: tokens of a row at most.
        packing: rows share a sequence.
        checkpointing: activations are computed again in the backward pass.
        precision: one of ``PRECISIONS``.
        neftune: noise on the embeddings; 0 for none.
        patience: evaluations without a better loss after which it ends; 0 for no early stop.
        log_steps: steps between two records.
        eval_steps: steps between two evaluations; 0 for one at the end of each epoch.
        save_steps: steps between two checkpoints; 0 for one at the end of each epoch.
        keep: checkpoints that are kept.
        beta: of DPO: how far the model may go from its base.
        temperature: of the contrastive loss of embeddings.
        seed: of the order, of the adapters and of dropout.
        device: auto, cpu, cuda or mps.
        processes: how many train together, over all machines.
        sharding: what each of them holds; one of ``SHARDINGS``.
        merge: the adapter is put into the weights at the end.
        trust_remote_code: the model's own code is run.
        report_to: tensorboard, wandb or swanlab.
    """

    model: str
    output: str
    task: str = "chat"
    method: str = "auto"
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: tuple[str, ...] = ("all-linear",)
    learning_rate: float = 0.0
    schedule: str = "cosine"
    warmup: float = 0.03
    weight_decay: float = 0.0
    epochs: float = 0.0
    max_steps: int = 0
    batch: int = 0
    micro_batch: int = 0
    length: int = 0
    packing: bool = False
    checkpointing: bool = True
    precision: str = "auto"
    neftune: float = 0.0
    patience: int = 0
    log_steps: int = 1
    eval_steps: int = 0
    save_steps: int = 0
    keep: int = 2
    beta: float = 0.1
    temperature: float = 0.01
    seed: int = 42
    device: str = "auto"
    processes: int = 1
    sharding: str = "auto"
    merge: bool = False
    trust_remote_code: bool = False
    report_to: tuple[str, ...] = ()

    @property
    def accumulation(self) -> int:
        """Passes of one process for one step."""
        return max(1, self.batch // (self.micro_batch * self.processes))
