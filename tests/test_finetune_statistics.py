"""Training data counted before the start: numbers that add up, copies, contradictions, overlap; hard negatives."""

from __future__ import annotations

import json
import random
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import DATA, environment, jsonl
from ragcli.errors import UsageError
from ragcli.evaluation.normalising import find as find_in
from ragcli.evaluation.normalising import fold
from ragcli.finetuning.data.mining import MARGIN, OUTCOMES, mine
from ragcli.finetuning.data.reading import read_rows
from ragcli.finetuning.data.rows import ChatRow, PairRow, Place, PreferenceRow, ScoredRow, TextRow
from ragcli.finetuning.data.sources import Source, parse
from ragcli.finetuning.data.statistics import LENGTHS, Statistics, language
from ragcli.report import Report

TRAIN, VALID = DATA / "sft" / "train.jsonl", DATA / "sft" / "valid.jsonl"


def chat(asked: str, answered: str, line: int = 1, **more) -> ChatRow:
    messages = ({"role": "user", "content": asked}, {"role": "assistant", "content": answered})
    return ChatRow(messages=messages, place=Place("a.jsonl", line, form="messages", **more))


def of(*rows, evaluation=(), length: int = 10) -> dict:
    made = Statistics()
    for row in rows:
        made.add(row, length)
    for row in evaluation:
        made.add_evaluation(row)
    return made.record()


def test_a_real_file_with_everything_in_it_adds_up(tmp_path):
    data = TRAIN.read_bytes()
    first = data.splitlines()[0]
    asked = json.loads(first)["messages"][0]
    other = {"messages": [asked, {"role": "assistant", "content": "另一个回答。"}]}
    spaced = first.replace(b'"content": "', b'"content": "  ', 1)
    bad = [{"messages": [asked]}, {"foo": 1}, {"query": "q", "positive": "p"}]
    path = tmp_path / "train.jsonl"
    path.write_bytes(data + spaced + b"\n" + jsonl(other, *bad) + VALID.read_bytes().splitlines()[0] + b"\n{")
    made = Statistics(length=100)
    sources = [Source(str(path), 1.5), Source(str(VALID), 0.5)]
    left: list[str] = []

    def left_out(place: Place, reason: str) -> None:
        left.append(reason)
        made.add_left_out(place, reason)

    seen = total = trained = 0
    sampled: list[int] = []
    for row in read_rows(sources, "chat", seed=5, on_bad=made.add_bad, on_left_out=left_out):
        length = sum(len(message["content"]) for message in row.messages)
        if row.place.line == 2 and row.place.source == str(path):
            made.add_empty(row)
            continue
        if row.place.source == str(VALID):
            sampled.append(row.place.line)
        seen, total, trained = seen + 1, total + length, trained + min(length, 100)
        made.add(row, length, max(0, length - 100))
    for row in read_rows([Source(str(VALID))], "chat"):
        made.add_evaluation(row)
    record = made.record()
    rows = record["rows"]
    assert rows["read"] == rows["kept"] + rows["empty"] + rows["bad"] + rows["left_out"] == 12 + 2 + 3 + 1 + 1 + 3
    assert (rows["empty"], rows["bad"], rows["left_out"], rows["seen"]) == (1, 4, len(left), seen)
    assert record["bad"] == {"form": 1, "json": 1, "no_assistant": 1, "task": 1}
    assert record["tokens"] == {"total": total, "cut": total - trained, "trained": trained}
    assert sum(record["sources"].values()) == sum(record["forms"].values()) == rows["kept"] + rows["empty"]
    assert sum(record["languages"].values()) == rows["kept"] and set(record["languages"]) == {"zh", "en"}
    assert record["duplicates"] == 1 + (1 in sampled)  # and the first row of valid.jsonl, which is in both
    assert record["contradictions"] == 3
    assert record["overlap"]["evaluation"] == 3 and record["overlap"]["exact"] == 1 + len(sampled)
    warnings = made.warnings()
    assert (
        "4 of 22 rows cannot be used: 1 of no known form, 1 not a JSON object, 1 without an assistant turn"
        in warnings[0]
    )
    assert any(f"{record['cut']['rows']} of {seen} rows are cut at 100 tokens" in one for one in warnings)
    assert all(one.endswith(".") and "\n" not in one for one in warnings)
    assert json.loads(json.dumps(record)) == record and record["type"] == "statistics"


def test_copies_contradictions_and_overlap():
    rows = [
        chat("问", "答", 1),
        chat("问 ", "答", 2),
        chat("问", "别的", 3),
        chat("另问", "答", 4),
        chat("问", "答", 1, repeat=1),
    ]
    record = of(*rows, evaluation=[chat("另问", "答"), chat("问", "第三")])
    assert record["rows"]["seen"] == 5 and record["rows"]["kept"] == 4
    assert record["duplicates"] == 1  # a weight's repetition is none
    assert record["contradictions"] == 3
    assert record["overlap"] == {"evaluation": 2, "exact": 1, "prompt": 3}
    said = Statistics()
    for row in rows:
        said.add(row, 5)
    assert said.warnings() == [
        "1 of 4 rows repeats a row before, word for word.",
        "3 of 4 rows have the prompt of another row and another answer.",
    ]
    assert of(chat("a", "b"), chat("a", "B"))["duplicates"] == 0
    assert Statistics().warnings() == [] and Statistics().record()["rows"]["read"] == 0


def test_several_passages_for_a_query_are_no_contradiction_and_two_scores_are():
    place = Place("a.jsonl", 1)
    pairs = [PairRow(query="q", positive=one, place=place) for one in ("a", "b", "a")]
    record = of(*pairs, evaluation=[PairRow(query="q", positive="c", place=place)])
    assert (record["contradictions"], record["duplicates"], record["overlap"]["prompt"]) == (0, 1, 3)
    scored = [ScoredRow(query="q", passage="p", score=score, place=place) for score in (1.0, 0.0)]
    assert of(*scored)["contradictions"] == 2
    preferences = [
        PreferenceRow(messages=({"role": "user", "content": "q"},), chosen="a", rejected=one, place=place)
        for one in "bc"
    ]
    record = of(*preferences, evaluation=preferences[:1])
    assert (record["contradictions"], record["overlap"]) == (0, {"evaluation": 1, "exact": 1, "prompt": 1})
    texts = [TextRow(text=one, place=place) for one in ("长文。", "长文。", "别的。")]
    assert (of(*texts, evaluation=texts[2:])["duplicates"], of(*texts)["overlap"]["prompt"]) == (1, 0)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 9000), min_size=1, max_size=60))
def test_percentiles_are_those_of_the_sorted_lengths(lengths):
    made = Statistics()
    for at, length in enumerate(lengths):
        made.add(chat(str(at), "a", at), length)
    record = made.record()
    ordered = sorted(lengths)
    for percent in (50, 90, 95, 99):
        assert record["lengths"][f"p{percent}"] == ordered[-(-len(ordered) * percent // 100) - 1]
    assert record["lengths"]["max"] == ordered[-1]
    assert record["longer_than"] == {str(limit): sum(length > limit for length in lengths) for limit in LENGTHS}


LANGUAGES = {
    "保修期为两年。": "zh",
    "如何使用 transformers 的 device_map 参数来加载大模型": "zh",
    "The warranty": "en",
    "Le café est fermé": "en",
    "保証期間は二年です": "other",
    "Гарантия два года": "other",
    "12345 !!": "none",
}


@pytest.mark.parametrize(("text", "wanted"), LANGUAGES.items())
def test_languages(text, wanted):
    assert language(text) == wanted


def test_memory_is_a_few_bytes_a_row():
    import tracemalloc

    made = Statistics()
    rows = [chat(f"问题{at}", f"回答{at}", at) for at in range(300)]
    tracemalloc.start()
    for turn in range(20):
        for row in rows:
            made.add(row, 100 + turn)
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert taken / 6_000 < 40


CMRC = DATA / "cmrc_sample"
COPY, PART = "copy of the first", "a part of the second"


@pytest.fixture(scope="module")
def mined(tmp_path_factory: pytest.TempPathFactory):
    """A real table of real passages, with a copy and a part of two of them; what searches it; and its pairs."""
    from ragcli.embedding import open_embedder
    from ragcli.retrieval import search
    from ragcli.store import Table

    folder = tmp_path_factory.mktemp("mining")
    passages = [json.loads(line) for line in (CMRC / "corpus.jsonl").read_bytes().splitlines()][:26]
    more = [
        {"_id": COPY, "text": passages[0]["text"].replace("。", "！", 1)},
        {"_id": PART, "text": passages[1]["text"][: len(passages[1]["text"]) // 2]},
    ]
    (folder / "corpus.jsonl").write_bytes(jsonl(*passages, *more))
    pipe = "ragcli load corpus.jsonl | ragcli split | ragcli embed -q -d db -t kb"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", pipe], cwd=folder, env=environment(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    table, embedder = Table.open(str(folder / "db"), "kb"), open_embedder()
    texts = {one["text"] for one in passages}
    rows = [row for row in read_rows(parse([str(CMRC)]), "embedding") if row.positive in texts]

    def find(questions, k):
        return search(questions, table, embedder=embedder, k=k)

    return find, rows


def test_mined_negatives_do_not_answer(mined):
    find, rows = mined
    report = Report("mine")
    out = list(mine(rows, find, negatives=3, report=report))
    counts = report.counts
    assert [row.query for row in out] == [row.query for row in rows] and counts["rows"] == len(rows) > 60
    assert counts["hits"] == sum(counts[one] for one in OUTCOMES)
    assert counts["taken"] == sum(len(row.negatives) for row in out) > 2 * len(rows)
    for row in out:
        assert len(set(row.negatives)) == len(row.negatives) <= 3
        for negative in row.negatives:
            assert fold(negative) not in fold(row.positive) and fold(row.positive) not in fold(negative)
            assert not any(find_in(fold(answer), fold(negative)) >= 0 for answer in row.answers)
    firsts = [row for row in rows if row.positive == rows[0].positive]
    assert counts["positive"] >= len(rows) + len(firsts)  # the positive, its copy, its part
    assert counts["near"] > 0 and counts["positive_not_found"] == 0
    assert list(mine(rows, find, negatives=3)) == out


def test_the_margin_keeps_out_what_is_nearly_as_good(mined):
    find, rows = mined
    some = rows[:30]
    for row, strict, loose in zip(
        some, mine(some, find, depth=40), mine(some, find, depth=40, margin=None), strict=True
    ):
        (result,) = find(iter([row.query]), 40)
        cosine = {hit.text: hit.scores["vector"] for hit in result.hits}
        right = max(score for text, score in cosine.items() if fold(text) in fold(row.positive))
        assert all(cosine[one] <= MARGIN * right for one in strict.negatives)
        assert len(loose.negatives) == 4
    skipped = list(mine(some, find, skip=10, margin=None))
    ranked = [[hit.text for hit in result.hits] for result in find((row.query for row in some), 50)]
    assert all(texts.index(one) >= 10 for row, texts in zip(skipped, ranked, strict=True) for one in row.negatives)


def test_known_passages_their_own_negatives_and_answers_are_respected(mined):
    find, rows = mined
    (plain,) = mine(rows[:1], find, margin=None)
    report = Report("mine")
    known = PairRow(
        query=plain.query, positive=plain.positive, known=plain.negatives[:1], negatives=plain.negatives[1:2],
        answers=(plain.negatives[2].split("，")[1],), place=plain.place,
    )  # fmt: skip
    (row,) = mine([known], find, margin=None, report=report)
    assert row.negatives[0] == plain.negatives[1] and len(row.negatives) == 4
    assert not {plain.negatives[0], plain.negatives[2]} & set(row.negatives)
    assert len(set(row.negatives)) == 4 and row.known == known.known
    assert (report.counts["known"], report.counts["answers"], report.counts["copy"]) == (1, 1, 1)
    (full,) = mine([plain], find)
    assert full == plain


def test_without_the_positive_among_the_hits_nothing_is_taken_by_margin(mined):
    find, rows = mined
    far = PairRow(query=rows[0].query, positive="这一段不在表里，谁也没有见过它。", place=rows[0].place)
    report = Report("mine")
    assert list(mine([far], find, report=report)) == [far]
    assert report.counts["positive_not_found"] == report.counts["hits"] > 0 and report.counts["rows_without"] == 1
    (taken,) = mine([far], find, margin=None)
    assert len(taken.negatives) == 4


def test_mining_is_lazy_and_checks_its_numbers_at_once(mined):
    find, rows = mined
    drawn: list[PairRow] = []

    def endless():
        while True:
            drawn.append(random.Random(len(drawn)).choice(rows))
            yield drawn[-1]

    next(mine(endless(), find))
    assert len(drawn) <= 64
    for wrong in ({"negatives": 0}, {"skip": -1}, {"depth": 3, "skip": 3}, {"margin": 0.0}, {"margin": 1.5}):
        with pytest.raises(UsageError):
            mine(rows, find, **wrong)
    assert list(mine([], find)) == []
