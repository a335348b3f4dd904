"""Tiny models with random weights and vocabularies of their own: real ones, and quick to train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conftest import DATA

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WINDOW = 512


def tiny_chat_model(
    folder: Path, *, layers: int = 2, hidden: int = 64, vocabulary: int = 1000, window: int = WINDOW
) -> Path:
    """Write a Llama of a few hundred thousand parameters, whose vocabulary is learnt from the test data."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    made.train([str(DATA / "sft" / "train.jsonl")], trainer)
    tokenizer: Any = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=TEMPLATE
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=hidden,
            intermediate_size=2 * hidden,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=window,
            tie_word_embeddings=False,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_bert(
    folder: Path, kind: str = "BertModel", labels: int = 1, *, hidden: int = 64, window: int = 128, spread: float = 0.15
) -> Path:
    """Write a BERT of two layers that reads bytes, its weights spread widely enough to tell texts apart."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    pieces = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "[PAD]", "[CLS]", "[SEP]"]
    made = Tokenizer(models.BPE(vocab={piece: at for at, piece in enumerate(pieces)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(one, pieces.index(one)) for one in ("[CLS]", "[SEP]")],
    )
    tokenizer: Any = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", model_max_length=window
    )
    torch.manual_seed(3)
    config = transformers.BertConfig(
        vocab_size=len(pieces),
        max_position_embeddings=window,
        pad_token_id=pieces.index("[PAD]"),
        num_labels=labels,
        hidden_size=hidden,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=2 * hidden,
    )
    net = getattr(transformers, kind)(config)
    for weight in net.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, std=spread)
    net.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
