"""Fine-tuning of embedding models and rerankers: what is trained is what ``embed``, ``query`` and ``--rerank`` use."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import chunk, jsonl, lines, run
from ragcli.embedding.onnx import OnnxEmbedder, graph_of
from ragcli.embedding.opening import open_embedder
from ragcli.embedding.profile import profile
from ragcli.embedding.tokens import TokenIds, load_tokenizer
from ragcli.embedding.torch import TorchEmbedder
from ragcli.errors import ModelError, UsageError
from ragcli.finetuning import prepared
from ragcli.finetuning.data.rows import PairRow, Place, ScoredRow
from ragcli.finetuning.encoders import TextIds
from ragcli.finetuning.recipe import Job
from ragcli.finetuning.recipes.embedding import EmbeddingRecipe, embedded
from ragcli.finetuning.recipes.reranker import RerankerRecipe
from ragcli.finetuning.retrieval_measures import means
from ragcli.finetuning.settings import Settings
from ragcli.models.folder import ModelFolder, resolve
from ragcli.reranking import CrossEncoder
from tiny_models import tiny_bert

pytest.importorskip("trl")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
datasets = pytest.importorskip("datasets")
pytest.importorskip("sentence_transformers")
contrastive = pytest.importorskip("ragcli.finetuning.contrastive")
pair_scoring = pytest.importorskip("ragcli.finetuning.pair_scoring")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

TEXTS = [
    "保修期为两年，自购买之日起计算。",
    "Employees get 15 days of paid leave.",
    "The pump P-4711 stops at 3 bar.",
    "",
    "x\ty",
    "a much longer text about warranties and leave " * 40,
]


def tiny(folder: Path, kind: str = "BertModel", labels: int = 1) -> ModelFolder:
    return ModelFolder(str(tiny_bert(folder, kind, labels)), folder, "")


@pytest.fixture
def encoder(tmp_path: Path) -> ModelFolder:
    """An embedding model that wants prefixes and the first token, said in sentence-transformers' files."""
    made = tiny(tmp_path / "encoder")
    modules = [
        {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for at, (kind, path) in enumerate((("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")))
    ]
    (made.path / "modules.json").write_text(json.dumps(modules))
    (made.path / "1_Pooling").mkdir()
    (made.path / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    prompts = {"query": "frage: ", "passage": "text: "}
    (made.path / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}))
    (made.path / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 100}))
    return made


def job(base: ModelFolder, work: Path, **more: Any) -> Job:
    given: dict[str, Any] = {
        "method": "full",
        "learning_rate": 1e-3,
        "batch": 8,
        "micro_batch": 8,
        "precision": "fp32",
        "length": 100,
        "device": "cpu",
        "checkpointing": False,
    }
    settings = Settings(model=base.id, output=str(work / "out"), task="embedding", **{**given, **more})
    return Job(settings=settings, base=base, work=work, extra={})


def rows(count: int, **more: Any) -> list[PairRow]:
    """Part names: a query has one, the passage has it among other words."""
    return [
        PairRow(query=f"{name(n)} part", positive=f"no. {name(n)}: a valve", place=Place("a.jsonl", n + 1), **more)
        for n in range(count)
    ]


def name(number: int) -> str:
    return chr(97 + number % 26) * 3 + chr(65 + number // 26) * 3


def encoded(recipe: Any, given: list[Any], this: Job, name: str = prepared.TRAIN) -> Any:
    prepared.write(recipe.encode(given, this.settings, this.base), this.work, name)
    return prepared.read(this.work, name)


def trainer(recipe: Any, this: Job, model: Any, train: Any, evaluation: Any = None, **more: Any) -> Any:
    """The recipe's trainer with the run's watch."""
    from ragcli.finetuning.stopping import Stop
    from ragcli.finetuning.trainer import Watch

    watch = Watch(say=lambda record: None, place=str, checkpoints=this.work / "ck", keep=2, stop=Stop())
    settings = this.settings
    arguments = {
        "output_dir": str(this.work / "output"),
        "per_device_train_batch_size": settings.micro_batch,
        "gradient_accumulation_steps": settings.accumulation,
        "learning_rate": settings.learning_rate,
        "num_train_epochs": settings.epochs or 1,
        "max_steps": settings.max_steps or -1,
        "seed": settings.seed,
        "logging_steps": 1,
        "report_to": "none",
        "save_strategy": "no",
        "use_cpu": True,
        "disable_tqdm": True,
        **more,
    }
    return recipe.trainer(this, model, train, evaluation, arguments, watch)


def batch(given: list[PairRow], this: Job) -> tuple[list[dict[str, Any]], dict[str, Any], list[dict[str, Any]]]:
    """The features and labels that the loss gets, and the rows they came from."""
    made = [one for one in EmbeddingRecipe().encode(given, this.settings, this.base) if not one["empty"]]
    ids = TextIds(this.base.path, 100)
    got = contrastive.PairCollator(lambda *_: {}, pad=ids.pad, side=ids.side)(made)
    names = ("input_ids", "attention_mask")
    return [{one: got[f"{kind}_{one}"] for one in names} for kind in ("query", "passage")], got["label"], made


# What is seen in training is what embed and query send


def test_token_ids_and_vectors_of_the_built_in_model(tmp_path: Path) -> None:
    base = resolve(None)
    how = profile(base)
    this = job(base, tmp_path, length=512)
    ids = TextIds(base.path, how.max_tokens)
    theirs = TokenIds(load_tokenizer(base.path), how.max_tokens)
    model = EmbeddingRecipe().load(this)
    embedder = TorchEmbedder(base, how, "cpu")
    graph = graph_of(base.path)
    assert graph is not None
    fast = OnnxEmbedder(base, how, graph)
    kinds: list[tuple[Any, str]] = [("query", how.query), ("passage", how.passage)]
    for kind, prefix in kinds:
        ours = ids([prefix + text for text in TEXTS])
        assert ours == [theirs(prefix + text) for text in TEXTS]
        mine = embedded(this, model, [one for one, _ in ours])
        np.testing.assert_allclose(mine, embedder.encode(TEXTS, kind), atol=1e-4)
        assert (mine * fast.encode(TEXTS, kind)).sum(axis=1).min() > 0.98


def test_what_the_profile_says_is_what_is_trained(encoder: ModelFolder, tmp_path: Path) -> None:
    this = job(encoder, tmp_path)
    how = profile(encoder)
    assert (how.pooling, how.query, how.max_tokens) == ("cls", "frage: ", 100)
    (row,) = EmbeddingRecipe().encode(
        [PairRow(query=TEXTS[0], positive=TEXTS[5], place=Place("a", 1))], this.settings, encoder
    )
    assert len(row["positive"]) == 100 and row["cut"] == row["length"] - 100 > 1000
    assert row["tokens"] == row["length"] + len(row["query"])
    model = EmbeddingRecipe().load(this)
    mine = embedded(this, model, [row["query"], row["positive"]])
    embedder = TorchEmbedder(encoder, how, "cpu")
    np.testing.assert_allclose(mine[:1], embedder.encode([TEXTS[0]], "query"), atol=1e-5)
    np.testing.assert_allclose(mine[1:], embedder.encode([TEXTS[5]], "passage"), atol=1e-5)


# The loss


def test_the_loss_is_the_librarys_where_rows_are_plain(encoder: ModelFolder, tmp_path: Path) -> None:
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    this = job(encoder, tmp_path)
    model = EmbeddingRecipe().load(this).eval()
    given = [replace(row, negatives=(f"nothing of {at}",)) for at, row in enumerate(rows(6))]
    features, labels, made = batch(given, this)
    ours = contrastive.KnownRankingLoss(model, scale=20.0, mini_batch_size=8)(features, labels)
    ids = TextIds(encoder.path, 100)
    collate = contrastive.PairCollator(lambda *_: {}, pad=ids.pad)
    columns = []
    for name in ("query", "positive", "negatives"):
        texts = [row[name] for row in made]  # one negative each
        none: dict[str, list[int]] = {"negatives": [], "negative_ids": [], "negative_sizes": []}
        got = collate([{**made[0], **none, "query": text} for text in texts])
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        back = [order.index(at) for at in range(len(texts))]
        columns.append({one: got[f"query_{one}"][back] for one in ("input_ids", "attention_mask")})
    theirs = MultipleNegativesRankingLoss(model, scale=20.0)(columns, None)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-5)


def test_rows_of_any_number_of_negatives_lose_none_of_them(encoder: ModelFolder, tmp_path: Path) -> None:
    this = job(encoder, tmp_path)
    given = [replace(row, negatives=tuple(f"other {at}.{n}" for n in range(at))) for at, row in enumerate(rows(4))]
    features, labels, _ = batch(given, this)
    assert len(features[0]["input_ids"]) == 4
    assert len(features[1]["input_ids"]) == 4 + 0 + 1 + 2 + 3 == len(set(labels["passage"].tolist()))


def test_what_answers_is_no_negative(encoder: ModelFolder, tmp_path: Path) -> None:
    this = job(encoder, tmp_path)
    model = EmbeddingRecipe().load(this).eval()
    loss = contrastive.KnownRankingLoss(model, scale=20.0, mini_batch_size=8)

    def value(given: list[PairRow]) -> float:
        features, labels, _ = batch(given, this)
        return float(loss(features, labels))

    one, two = rows(2)
    # The same passage twice, the same query with two passages, and a passage that is known to answer: no row is left
    # with anything to tell its own passage from.
    assert value([one, replace(two, positive=one.positive)]) == 0
    assert value([one, replace(two, query=one.query)]) == 0
    both = [replace(one, known=(two.positive,)), replace(two, known=(one.positive,))]
    assert value(both) == 0
    assert value([one, two]) > 0.01
    # A negative that the row itself says answers is left out, and counted.
    (row,) = EmbeddingRecipe().encode([replace(one, negatives=(one.positive, "n", "n"))], this.settings, encoder)
    assert (row["contradictions"], len(row["negative_ids"])) == (1, 1)


def test_a_batch_in_pieces_has_the_same_loss_and_gradients(encoder: ModelFolder, tmp_path: Path) -> None:
    this = job(encoder, tmp_path)
    model = EmbeddingRecipe().load(this)
    model.eval()  # without dropout
    given = [replace(row, negatives=("n", f"m {at}")[: at % 3]) for at, row in enumerate(rows(8))]
    found = []
    for size in (8, 3):
        model.zero_grad()
        features, labels, _ = batch(given, this)
        loss = contrastive.KnownRankingLoss(model, scale=20.0, mini_batch_size=size)(features, labels)
        loss.backward()
        found.append((loss.item(), [one.grad.clone() for one in model.parameters() if one.grad is not None]))
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-6)
    for whole, pieces in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(whole, pieces, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(("count", "size", "processes"), [(33, 8, 1), (33, 8, 2), (3, 8, 2), (16, 8, 1), (1, 8, 3)])
def test_every_row_is_in_a_full_batch(count: int, size: int, processes: int) -> None:
    sampler = contrastive.FullBatches(range(count), size, seed=1, processes=processes)
    first = list(sampler)
    assert len(first) == len(sampler) and len(first) % processes == 0
    assert len({len(one) for one in first}) == 1 and len(first[0]) <= size
    assert {row for one in first for row in one} == set(range(count))
    assert first == list(sampler)
    sampler.sampler.set_epoch(1)
    assert count < 3 or first != list(sampler)
    # Two processes see in a step what one sees with a batch twice as large.
    if processes == 2 and count > size * 2:
        alone = list(contrastive.FullBatches(range(count), size * 2, seed=1))
        assert [a + b for a, b in zip(first[::2], first[1::2], strict=True)] == alone


# Whole runs


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_run_learns_and_its_folder_is_complete(method: str, encoder: ModelFolder, tmp_path: Path) -> None:
    recipe = EmbeddingRecipe()
    this = job(encoder, tmp_path, method=method, max_steps=80, learning_rate=2e-3)
    train, held = encoded(recipe, rows(40), this), encoded(recipe, rows(60)[40:], this, prepared.EVALUATION)
    model = recipe.load(this)
    before = means(recipe.values(this, model, train))
    run_of = trainer(recipe, this, model, train, held)
    run_of.train()
    losses = [one["loss"] for one in run_of.state.log_history if "loss" in one]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5]), losses[-5:]
    assert np.isfinite(run_of.evaluate()["eval_loss"])
    after = means(recipe.values(this, model, train))
    assert after["ndcg@10"] > before["ndcg@10"] + 0.05
    out = tmp_path / "out"
    out.mkdir()
    texts = [row["query"] for row in train][:8]
    trained = embedded(this, model, texts)
    recipe.save(this, model, out)
    written = ModelFolder(str(out), out, "")
    assert profile(written) == profile(encoder)
    assert (out / "tokenizer.json").read_bytes() == (encoder.path / "tokenizer.json").read_bytes()
    queries = [row.query for row in rows(8)]
    np.testing.assert_allclose(
        TorchEmbedder(written, profile(written), "cpu").encode(queries, "query"), trained, atol=1e-4
    )
    fast = open_embedder(str(out), device="cpu")
    assert isinstance(fast, OnnxEmbedder)
    assert (fast.encode(queries, "query") * trained).sum(axis=1).min() > 0.95
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(out), device="cpu").encode_query(queries)
    np.testing.assert_allclose(theirs, trained, atol=1e-4)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_checkpoint_brings_back_what_was_trained(method: str, encoder: ModelFolder, tmp_path: Path) -> None:
    recipe = EmbeddingRecipe()
    this = job(encoder, tmp_path, method=method, epochs=4.0)
    train = encoded(recipe, rows(16), this)

    def losses(steps: int, resume: str | None) -> tuple[Any, list[float]]:
        made = trainer(
            recipe, this, recipe.load(this), train, save_strategy="steps", save_steps=4, lr_scheduler_type="constant",
            max_steps=steps,
        )  # fmt: skip
        made.train(resume_from_checkpoint=resume)
        return made, [one["loss"] for one in made.state.log_history if "loss" in one]

    _, whole = losses(8, None)
    shutil.rmtree(tmp_path / "ck", ignore_errors=True)
    shutil.rmtree(tmp_path / "output", ignore_errors=True)
    made, _ = losses(4, None)
    (kept,) = [*tmp_path.glob("*/checkpoint-4")]
    _, rest = losses(8, str(kept))
    np.testing.assert_allclose(rest, whole, rtol=1e-4)
    assert isinstance(made, contrastive.PairTrainer)


def test_prefixes_that_are_empty_on_purpose_stay_so(tmp_path: Path) -> None:
    base = tiny(tmp_path / "plain")  # no word on pooling or prefixes, and a name that says nothing
    this = job(base, tmp_path)
    recipe = EmbeddingRecipe()
    out = tmp_path / "e5-of-mine"  # whose name would say that there are prefixes
    out.mkdir()
    recipe.save(this, recipe.load(this), out)
    assert profile(ModelFolder(str(out), out, "")) == profile(base)
    assert profile(base).query == ""


def test_a_target_that_is_not_there(encoder: ModelFolder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere") as error:
        EmbeddingRecipe().load(job(encoder, tmp_path, method="lora", targets=("nowhere",)))
    assert "query" in str(error.value.hint)


def test_a_table_of_the_base_refuses_the_tuned_model(encoder: ModelFolder, tmp_path: Path) -> None:
    this = job(encoder, tmp_path, max_steps=2)
    recipe = EmbeddingRecipe()
    model = recipe.load(this)
    trainer(recipe, this, model, encoded(recipe, rows(8), this)).train()
    out = tmp_path / "tuned"
    out.mkdir()
    recipe.save(this, model, out)
    chunks = jsonl(*(chunk(at, text) for at, text in enumerate(TEXTS[:3])))
    db = tmp_path / "db"
    assert run("embed", "-d", db, "-t", "kb", "-m", encoder.path, "--device", "cpu", stdin=chunks).returncode == 0
    for command in (["query", "-m", out, "保修"], ["embed", "-m", out]):
        done = run(command[0], "-d", db, "-t", "kb", *command[1:], "--device", "cpu", stdin=chunks)
        said = done.stderr.decode()
        assert done.returncode == 1, said
        assert str(encoder.path) in said and str(out) in said
        assert f"ragcli embed -t kb-2 -m {out}" in said
    # Doing as it says works.
    assert run("embed", "-d", db, "-t", "kb-2", "-m", out, "--device", "cpu", stdin=chunks).returncode == 0
    found = run("query", "-d", db, "-t", "kb-2", "保修期", "--device", "cpu", "--format", "jsonl")
    assert found.returncode == 0 and lines(found.stdout)[0]["hits"]


# Rerankers


@pytest.mark.parametrize(("kind", "labels"), [("BertForSequenceClassification", 1), ("BertModel", 1)])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_reranker_learns_and_query_takes_it(kind: str, labels: int, method: str, tmp_path: Path) -> None:
    base = tiny(tmp_path / "base", kind, labels)
    recipe = RerankerRecipe()
    this = job(base, tmp_path, method=method, max_steps=40, length=128, learning_rate=3e-3)
    given: list[Any] = rows(6)
    given += [replace(row, negatives=(f"nothing of {at}",)) for at, row in enumerate(rows(24)[6:])]
    given += [ScoredRow(query="part", passage="a valve", score=0.9, place=Place("a", 99))]
    train = encoded(recipe, given, this)
    assert train[0]["labels"] == [1.0] and train[0]["drawn"] == 0
    assert train[5]["labels"] == [1.0, 0.0, 0.0, 0.0] and train[5]["drawn"] == 3
    assert train[8]["labels"] == [1.0, 0.0] and train[8]["drawn"] == 0
    assert train[24]["labels"] == [pytest.approx(0.9)]
    assert bool(recipe.notes(this)) == (kind == "BertModel")
    model = recipe.load(this)
    made = trainer(recipe, this, model, train, train)
    assert isinstance(made, pair_scoring.ScoreTrainer)
    made.train()
    losses = [one["loss"] for one in made.state.log_history if "loss" in one]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5]), losses
    good, bad = model.predict([("zzzAAA part", "no. zzzAAA: a valve"), ("zzzAAA part", "nothing of 7")])
    assert good > bad + 0.2
    assert 0 < means(recipe.values(this, model, train))["ndcg@10"] <= 1
    assert set(recipe.general(this, model)) == {
        f"general_{one}@10_{two}" for one in ("ndcg", "rr") for two in ("zh", "en")
    }
    out = tmp_path / "out"
    out.mkdir()
    pairs = [("dddAAA part", "no. dddAAA: a valve"), ("dddAAA part", "no. eeeAAA: a valve"), ("保修", "long " * 90)]
    wanted = model.predict(pairs, activation_fn=torch.nn.Identity(), show_progress_bar=False)
    recipe.save(this, model, out)
    used = CrossEncoder(str(out), "out", device="cpu")
    got = [used.score(query, [passage])[0] for query, passage in pairs]
    np.testing.assert_allclose(got, wanted, atol=1e-4)
    assert used.limit == 128 and used.truncated == 1


def test_a_reranker_of_what_writes_text(tmp_path: Path) -> None:
    base = tiny(tmp_path / "base")
    config = json.loads((base.path / "config.json").read_text())
    (base.path / "config.json").write_text(json.dumps({**config, "architectures": ["LlamaForCausalLM"]}))
    with pytest.raises(ModelError, match="writes text"):
        RerankerRecipe().load(job(base, tmp_path))


@pytest.mark.parametrize("recipe", [EmbeddingRecipe(), RerankerRecipe()])
def test_qlora_is_for_language_models(recipe: Any, encoder: ModelFolder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="QLoRA"):
        recipe.load(job(encoder, tmp_path, method="qlora"))


def test_query_reranks_with_the_folder(tmp_path: Path, kb: Path) -> None:
    base = tiny(tmp_path / "base", "BertForSequenceClassification")
    recipe = RerankerRecipe()
    this = job(base, tmp_path, length=128)
    out = tmp_path / "out"
    out.mkdir()
    recipe.save(this, recipe.load(this), out)
    done = run("query", "-d", kb, "-t", "kb", "--rerank", out, "保修期", "--format", "jsonl", "--device", "cpu")
    assert done.returncode == 0, done.stderr.decode()
    assert all("rerank" in hit["scores"] for hit in lines(done.stdout)[0]["hits"])
