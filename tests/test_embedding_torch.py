"""The torch backend, against sentence-transformers itself: the built-in model and tiny models made here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragcli.embedding.onnx import OnnxEmbedder
from ragcli.embedding.opening import open_embedder
from ragcli.embedding.profile import profile
from ragcli.errors import ModelError
from ragcli.models import ModelFolder, resolve
from ragcli.models.builtin import weights
from ragcli.models.e5 import PackedModel
from ragcli.models.e5_onnx import write_onnx

pytest.importorskip("torch")
pytest.importorskip("transformers")
sentence_transformers = pytest.importorskip("sentence_transformers")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

TEXTS = ["short", "保修期为两年，自购买之日起计算。", "a much longer text about warranties " * 5, "", "x\ty"]


@pytest.fixture(scope="module")
def builtin() -> Path:
    return resolve().path


def peer(folder: Path, kind: str) -> np.ndarray:
    model = sentence_transformers.SentenceTransformer(str(folder), device="cpu").float()
    prompt = model.prompts.get(kind) or ""
    return model.encode(TEXTS, prompt=prompt)  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", ["query", "passage"])
def test_the_built_in_model_in_full_precision(builtin: Path, kind: Any, tmp_path: Path) -> None:
    from ragcli.embedding.torch import TorchEmbedder

    wanted = peer(builtin, kind)
    how = profile(resolve())
    np.testing.assert_allclose(TorchEmbedder(resolve(), how, "cpu").encode(TEXTS, kind), wanted, atol=1e-3)
    write_onnx(PackedModel(weights()), tmp_path / "full.onnx", full=True)
    np.testing.assert_allclose(
        OnnxEmbedder(resolve(), how, tmp_path / "full.onnx").encode(TEXTS, kind), wanted, atol=1e-3
    )


def tokenizer(side: str, end: str | None) -> Any:
    """A tokenizer of bytes; ``end`` closes each text, as Qwen3-Embedding's does."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "[PAD]", "[CLS]", "[END]"]
    made = Tokenizer(models.BPE(vocab={piece: at for at, piece in enumerate(pieces)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    template = "[CLS] $A" if end is None else f"$A {end}"
    special = [(one, pieces.index(one)) for one in ("[CLS]", "[END]")]
    made.post_processor = processors.TemplateProcessing(single=template, special_tokens=special)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", cls_token="[CLS]", padding_side=side, model_max_length=128
    )


def save(folder: Path, net: Any, words: Any, pooling: str, prompts: dict[str, str], normalize: bool) -> Path:
    """Write a model folder with sentence-transformers' files in the form that hubs hold."""
    net.save_pretrained(folder)
    words.save_pretrained(folder)
    kinds = ["Transformer", "Pooling", "Normalize"][: 3 if normalize else 2]
    modules = []
    for at, kind in enumerate(kinds):
        path = "" if at == 0 else f"{at}_{kind}"
        (folder / path).mkdir(exist_ok=True)
        modules.append({"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"})
    (folder / "modules.json").write_text(json.dumps(modules))
    names = ["cls_token", "mean_tokens", "lasttoken"]
    modes = {f"pooling_mode_{name}": name == pooling for name in names}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 32, **modes}))
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 64, "do_lower_case": False}))
    return folder


def bert(folder: Path, pooling: str, prompts: dict[str, str], normalize: bool = True) -> Path:
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(1)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    net = BertModel(BertConfig(vocab_size=259, max_position_embeddings=128, **sizes))
    return save(folder, net, tokenizer("right", None), pooling, prompts, normalize)


def qwen(folder: Path, side: str) -> Path:
    import torch
    from transformers import Qwen3Config, Qwen3Model

    torch.manual_seed(2)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    net = Qwen3Model(Qwen3Config(vocab_size=259, num_key_value_heads=2, head_dim=8, **sizes))
    prompts = {"query": "Instruct: find\nQuery:", "document": ""}
    return save(folder, net, tokenizer(side, "[END]"), "lasttoken", prompts, True)


@pytest.mark.parametrize("kind", ["query", "passage"])
@pytest.mark.parametrize(
    ("pooling", "prompts", "normalize"),
    [
        ("cls_token", {"query": "Represent this: ", "document": ""}, True),
        ("mean_tokens", {"query": "query: ", "passage": "passage: "}, True),
        ("mean_tokens", {"query": "q: "}, False),
    ],
)
def test_bert_like_families(tmp_path: Path, pooling: str, prompts: dict[str, str], normalize: bool, kind: Any) -> None:
    folder = bert(tmp_path / "tiny", pooling, prompts, normalize)
    got = open_embedder(str(folder), device="cpu").encode(TEXTS, kind)
    np.testing.assert_allclose(got, peer(folder, kind), atol=1e-4)
    lengths = np.linalg.norm(got, axis=1)
    assert bool(np.allclose(lengths, 1, atol=1e-5)) is normalize


@pytest.mark.parametrize("kind", ["query", "passage"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_last_token_families(tmp_path: Path, side: str, kind: Any) -> None:
    folder = qwen(tmp_path / "tiny", side)
    got = open_embedder(str(folder), device="cpu").encode(TEXTS, kind)
    np.testing.assert_allclose(got, peer(folder, kind), atol=1e-4)
    # The end is there although the text was cut, and each text has its vector whatever it is padded with.
    alone = np.concatenate([open_embedder(str(folder), device="cpu").encode([text], kind) for text in TEXTS])
    np.testing.assert_allclose(got, alone, atol=1e-4)


def test_truncation_is_told(tmp_path: Path) -> None:
    embedder = open_embedder(str(bert(tmp_path / "tiny", "mean_tokens", {})), device="cpu")
    lost: list[tuple[int, int]] = []
    embedder.encode(["a", "b" * 100], "passage", on_truncated=lambda place, tokens: lost.append((place, tokens)))
    assert lost == [(1, 101 - 64)]


def test_damaged_weights_are_a_model_error(tmp_path: Path) -> None:
    folder = bert(tmp_path / "tiny", "mean_tokens", {})
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelError, match="tiny"):
        open_embedder(str(folder), device="cpu")


def test_weights_that_give_no_numbers_are_a_model_error(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = bert(tmp_path / "tiny", "mean_tokens", {})
    tensors = load_file(folder / "model.safetensors")
    tensors["embeddings.word_embeddings.weight"][:] = np.nan
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="numbers"):
        open_embedder(str(folder), device="cpu").encode(["a"], "query")


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    import torch

    missing = next(name for name in ("mps", "cuda") if not getattr(torch, name).is_available())
    with pytest.raises(ModelError, match=missing):
        open_embedder(str(bert(tmp_path / "tiny", "mean_tokens", {})), device=missing)


def test_both_backends_of_one_folder_have_one_contract(builtin: Path) -> None:
    from ragcli.embedding.torch import TorchEmbedder

    folder = ModelFolder("x", builtin, "h")
    how = profile(folder)
    onnx = OnnxEmbedder(folder, how, builtin / "onnx" / "model_int8.onnx")
    assert TorchEmbedder(folder, how, "cpu").contract == onnx.contract
