"""``--rerank``: a real cross-encoder (tiny, random weights) against sentence-transformers' own scores."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from conftest import environment, lines, run
from ragcli.errors import ModelError
from tiny_models import tiny_bert

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
sentence_transformers = pytest.importorskip("sentence_transformers")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

QUESTION = "手机的保修期是多久？"
TEXTS = ["保修期为两年。", "Employees get 15 days of paid leave.", "", "long " * 400, "🙂 x\ty", "保修" * 30]


def save(folder: Path, labels: int, kind: str = "BertForSequenceClassification") -> Path:
    return tiny_bert(folder, kind, labels, hidden=32, window=512, spread=0.3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("reranker"), 1)


def peer(folder: Path, question: str, texts: list[str]) -> np.ndarray:
    model = sentence_transformers.CrossEncoder(str(folder), device="cpu", activation_fn=torch.nn.Identity())
    return model.predict([(question, text) for text in texts], show_progress_bar=False)  # type: ignore[no-any-return]


def test_scores_are_those_of_sentence_transformers(folder: Path) -> None:
    from ragcli.reranking import CrossEncoder

    model = CrossEncoder(str(folder), "tiny", device="cpu")
    scores = model.score(QUESTION, TEXTS)
    np.testing.assert_allclose(scores, peer(folder, QUESTION, TEXTS), atol=1e-4)
    assert len({round(score, 3) for score in scores}) == len(TEXTS)
    assert (model.read, model.truncated, model.limit) == (6, 1, 512)
    assert model.score("\ud800", ["\udfff"])  # what UTF-8 cannot hold is no crash
    assert model.score(QUESTION, []) == []


def test_the_command_orders_by_the_cross_encoder(kb: Path, folder: Path) -> None:
    done = run("query", "-d", kb, "-t", "kb", "-k", 5, "--rerank", folder, "--explain", QUESTION, "paid leave")
    assert done.returncode == 0, done.stderr.decode()
    results = lines(done.stdout)
    assert [result["query"] for result in results] == [QUESTION, "paid leave"]
    plain = [hit["id"] for hit in lines(run("query", "-d", kb, "-t", "kb", "-k", 5, QUESTION).stdout)[0]["hits"]]
    assert [hit["id"] for hit in results[0]["hits"]] != plain
    for result in results:
        hits = result["hits"]
        scores = [hit["score"] for hit in hits]
        assert len(hits) == 5
        assert scores == sorted(scores, reverse=True)
        texts = ["\n".join(filter(None, (hit["header"], hit["text"]))) for hit in hits]
        np.testing.assert_allclose(scores, peer(folder, result["query"], texts), atol=1e-4)
        for hit in hits:
            assert sum(stage["contribution"] for stage in hit["explain"].values()) == pytest.approx(hit["score"])
            assert hit["explain"]["rerank"]["rank"] == hit["rank"]


def test_what_the_reranker_does_not_read_is_said(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "a.txt").write_text("保修期。" * 150, encoding="utf-8")
    pipe = f"ragcli load a.txt | ragcli split | ragcli embed -q -t kb && ragcli ask -t kb --rerank '{folder}' 保修期"
    done = subprocess.run(["bash", "-c", pipe], cwd=tmp_path, env=environment(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert "1 of 1 hits were longer than the 512 tokens" in done.stderr.decode()


@pytest.mark.parametrize(
    ("labels", "kind", "said"),
    [(2, "BertForSequenceClassification", "it has 2 outputs"), (1, "BertModel", "it has no weights for classifier")],
)
def test_another_kind_of_model_is_refused(kb: Path, tmp_path: Path, labels: int, kind: str, said: str) -> None:
    done = run("query", "-d", kb, "-t", "kb", "--rerank", save(tmp_path / "m", labels, kind), "保修期")
    assert done.returncode == 1
    assert said in done.stderr.decode()
    assert done.stdout == b""
    with pytest.raises(ModelError, match="cannot be loaded"):
        from ragcli.reranking import CrossEncoder

        CrossEncoder(str(tmp_path), "nothing")


def test_a_reranker_may_be_asked_by_several_threads(folder: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from ragcli.reranking import CrossEncoder

    model = CrossEncoder(str(folder), "tiny", device="cpu")
    alone = model.score(QUESTION, TEXTS)
    with ThreadPoolExecutor(8) as pool:
        for scores in pool.map(lambda _: model.score(QUESTION, TEXTS), range(64)):
            np.testing.assert_allclose(scores, alone, atol=1e-5)
    assert model.truncated == 65


def test_a_comparison_has_rows_with_it(folder: Path, tmp_path: Path) -> None:
    from test_eval_compare import CASES, compare, put

    grid = f'documents = "corpus.jsonl"\ncases = "few.jsonl"\nmodes = "text"\nrerankers = ["none", "{folder}"]\n'
    put(tmp_path, grid)
    (tmp_path / "few.jsonl").write_text("".join(json.dumps(case) + "\n" for case in CASES[:5]))
    records, said = compare(tmp_path)
    plain, reranked, advice = records
    assert [row["name"] for row in records[:-1]] == [
        "full text, size 800",
        f"full text, reranked by {folder}, size 800",
    ]
    assert reranked["values"] != plain["values"], "random weights order otherwise"
    assert advice["row"] == 1 and reranked["against_text"]["than"] == 1
    assert reranked["truncated"]["hits"] > 0 and "longer than" in "".join(advice["warnings"])
    again, said = compare(tmp_path)
    assert again == records and "0 stages computed" in said
