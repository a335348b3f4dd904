"""eval: measures equal to trec_eval's, gates that hold and do not flap, wrong input named."""

from __future__ import annotations

import json
import random
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import DATA, environment, jsonl, lines, run
from ragcli.evaluation.gates import compare
from ragcli.evaluation.measures import per_query
from ragcli.evaluation.normalising import find, fold, fold_with_places
from ragcli.evaluation.statistics import holm, interval, paired

SAMPLE = DATA / "cmrc_sample"
PASSAGES = 60


def kept(name: str) -> bool:
    return int(name.split("_")[1]) in CORPUS_NUMBERS


CORPUS = [json.loads(line) for line in (SAMPLE / "corpus.jsonl").read_bytes().splitlines()][:PASSAGES]
CORPUS_NUMBERS = {int(row["_id"].split("_")[1]) for row in CORPUS}
QUERIES = [row for row in map(json.loads, (SAMPLE / "queries.jsonl").read_bytes().splitlines()) if kept(row["_id"])]


@pytest.fixture(scope="module")
def cmrc(tmp_path_factory):
    """A folder with a database of sixty passages (table kb), their queries, judgements and cases."""
    folder = tmp_path_factory.mktemp("cmrc")
    (folder / "corpus.jsonl").write_bytes(jsonl(*CORPUS))
    pipe = "ragcli load corpus.jsonl | ragcli split --size 2000 | ragcli embed -q -d db -t kb"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", pipe], cwd=folder, env=environment(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    (folder / "queries.jsonl").write_bytes(jsonl(*QUERIES))
    rows = ["query-id\tcorpus-id\tscore", *(f"{row['_id']}\t{row['_id'].split('_QUERY')[0]}\t1" for row in QUERIES)]
    (folder / "qrels.tsv").write_text("\n".join(rows) + "\n")
    (folder / "cases.jsonl").write_bytes(
        jsonl(
            *(
                {
                    "id": row["_id"],
                    "question": row["text"],
                    "answers": row["answers"],
                    "source": row["_id"][: row["_id"].index("_Q")],
                }
                for row in QUERIES
            )
        )
    )
    return folder


def evaluate(cmrc, *args, code=0, **more):
    done = run("eval", "-d", cmrc / "db", "-t", "kb", *args, **more)
    assert done.returncode == code, done.stderr.decode()
    return (json.loads(done.stdout) if done.stdout else None), done.stderr.decode()


def means(record, level="document"):
    return {name: one["value"] for name, one in record["levels"][level]["measures"].items()}


def test_measures_are_those_of_trec_eval(cmrc, tmp_path):
    import pytrec_eval

    record, _ = evaluate(
        cmrc, "--queries", cmrc / "queries.jsonl", "--qrels", cmrc / "qrels.tsv", "--mode", "text", "--run",
        tmp_path / "run.trec", "-M", "nDCG@10 R@1 R@5", "-M", "P@5 AP Success@1 RR", "-M", "RR@10",
    )  # fmt: skip
    with (tmp_path / "run.trec").open() as stream:
        found = pytrec_eval.parse_run(stream)
    qrels = {row["_id"]: {row["_id"].split("_QUERY")[0]: 1} for row in QUERIES}
    names = {"ndcg_cut_10": "nDCG@10", "recall_1": "R@1", "recall_5": "R@5", "P_5": "P@5", "map": "AP"}
    names |= {"success_1": "Success@1", "recip_rank": "RR"}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, set(names)).evaluate(found)
    ours = means(record)
    assert record["questions"] == len(qrels) and record["type"] == "evaluation"
    for theirs_name, name in names.items():
        value = sum(theirs.get(query, {}).get(theirs_name, 0.0) for query in qrels) / len(qrels)
        assert ours[name] == pytest.approx(value, abs=1e-6)
    first_ten = [{**one, "recip_rank": one["recip_rank"] * (one["recip_rank"] >= 0.1)} for one in theirs.values()]
    assert ours["RR@10"] == pytest.approx(sum(one["recip_rank"] for one in first_ten) / len(qrels), abs=1e-6)
    assert ours["R@5"] > 0.9


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_run_is_measured_as_trec_eval_does(data):
    import pytrec_eval

    names = st.sampled_from([f"d{n}" for n in range(12)])
    qrels = data.draw(
        st.dictionaries(st.sampled_from("abcd"), st.dictionaries(names, st.integers(0, 3), min_size=1), min_size=1)
    )
    found = data.draw(st.dictionaries(st.sampled_from("abcdx"), st.lists(names, unique=True)))
    ours = per_query(found, qrels, ["nDCG@10", "R@5", "AP", "P@5", "Success@5", "RR"])
    scored = {
        query: {name: float(99 - at) for at, name in enumerate(ranked)} for query, ranked in found.items() if ranked
    }
    theirs = pytrec_eval.RelevanceEvaluator(
        qrels, {"ndcg_cut_10", "recall_5", "map", "P_5", "success_5", "recip_rank"}
    ).evaluate(scored)
    pairs = [("nDCG@10", "ndcg_cut_10"), ("R@5", "recall_5"), ("AP", "map"), ("P@5", "P_5")]
    pairs += [("Success@5", "success_5"), ("RR", "recip_rank")]
    for query in qrels:
        for name, other in pairs:
            assert ours[name][query] == pytest.approx(theirs.get(query, {}).get(other, 0.0), abs=1e-9)


def test_cases_are_judged_by_the_chunks_that_hold_an_answer(cmrc):
    cases, said = evaluate(cmrc, cmrc / "cases.jsonl", "--mode", "text")
    judged, _ = evaluate(cmrc, "--queries", cmrc / "queries.jsonl", "--qrels", cmrc / "qrels.tsv", "--mode", "text")
    # Passages are whole chunks here, so that a chunk and its document are found together.
    assert means(cases, "chunk") == means(cases, "document") == means(judged)
    assert set(cases["levels"]) == {"chunk", "document"} and not said


def test_answers_that_no_chunk_holds_count_nothing_and_are_named(cmrc):
    rows = [
        {"id": "held", "question": QUERIES[0]["text"], "answers": QUERIES[0]["answers"]},
        {"id": "lost", "question": QUERIES[1]["text"], "answers": ["这句话不在任何文档里"]},
        {"id": "none", "question": "火星上的保修政策是什么？", "answers": []},
    ]
    record, said = evaluate(cmrc, "-", "--mode", "text", stdin=jsonl(*rows))
    assert record["questions"] == 2 and record["unheld"] == ["lost"] and record["unanswerable"] == 1
    assert record["levels"]["chunk"]["values"]["R@10"] == [1.0, 0.0]
    assert "1 of 2 cases are in no chunk" in said and "1 cases that cannot be answered" in said


def test_a_question_that_finds_nothing_counts_nothing(cmrc):
    rows = [{"id": row["_id"], "question": row["text"], "answers": row["answers"]} for row in QUERIES[:4]]
    rows[0]["question"] = "zzzz qqqq"
    record, _ = evaluate(cmrc, "-", "--mode", "text", stdin=jsonl(*rows))
    values = record["levels"]["chunk"]["values"]["R@10"]
    assert values[0] == 0.0 and len(values) == 4
    assert means(record, "chunk")["R@10"] == pytest.approx(sum(values) / 4)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("trec", "{q} 0 {d} 1\n"),
        ("trec by tabs", "{q}\t0\t{d}\t1\n"),
        ("beir without a header", "{q}\t{d}\t1\n"),
        ("crlf", "query-id\tcorpus-id\tscore\r\n{q}\t{d}\t1\r\n"),
    ],
)
def test_forms_of_judgements(cmrc, tmp_path, form, text):
    query = QUERIES[0]["_id"]
    (tmp_path / "qrels").write_text(text.format(q=query, d=query.split("_QUERY")[0]), newline="")
    record, said = evaluate(cmrc, "--queries", cmrc / "queries.jsonl", "--qrels", tmp_path / "qrels", "--mode", "text")
    assert record["questions"] == 1 and means(record)["R@10"] == 1.0
    assert f"{len(QUERIES) - 1} questions without a judgement were left out" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no judgements"),
        ("DEV_0_QUERY_0 0 DEV_0\nx\n", "line 1: the grade 'DEV_0' is no whole number"),
        ("DEV_0_QUERY_0 0 DEV_0 1\na b\n", "line 2: it has 2 columns"),
        ("DEV_0_QUERY_0 0 DEV_0 1\nDEV_0_QUERY_0 0 DEV_0 0\n", "line 2: DEV_0 has two grades"),
        (
            "DEV_0_QUERY_0 0 DEV_0 1\nDEV_0_QUERY_0 0 DEV_999 1\n",
            "1 documents of 2 that the table does not have: DEV_999",
        ),
        ("DEV_0_QUERY_0 0 DEV_0 1\nNOBODY 0 DEV_0 1\n", "1 questions of 2 that the queries do not have: NOBODY"),
    ],
)
def test_wrong_judgements_are_a_sentence(cmrc, tmp_path, text, said):
    (tmp_path / "qrels").write_text(text)
    _, error = evaluate(
        cmrc, "--queries", cmrc / "queries.jsonl", "--qrels", tmp_path / "qrels", "--mode", "text", code=1
    )
    assert said in error and error.count("\n") <= 2


def test_what_the_table_does_not_have_is_never_found_where_that_is_wished(cmrc, tmp_path):
    text = (cmrc / "qrels.tsv").read_text().replace("DEV_0_QUERY_0\tDEV_0\t", "DEV_0_QUERY_0\tDEV_999\t")
    (tmp_path / "qrels").write_text(text)
    files = ("--queries", cmrc / "queries.jsonl", "--qrels", tmp_path / "qrels", "--mode", "text")
    record, said = evaluate(cmrc, *files, "--skip-bad", code=3)
    at = record["levels"]["document"]["queries"].index("DEV_0_QUERY_0")
    assert record["levels"]["document"]["values"]["R@10"][at] == 0.0
    assert "DEV_999" in said


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"answers": ["x"]}, "there is no question"),
        ({"question": "a"}, "it does not say what the answers are"),
        ({"question": "a", "answers": 7}, "the answers must be a list of texts"),
        (
            {"question": "a", "answers": ["b"], "source": "nowhere.md"},
            "the source 'nowhere.md', of which the table has nothing",
        ),
        ({"question": "a", "answers": []}, "no case has an answer"),
        ({"type": "answer", "question": "a", "answers": ["b"]}, "expected a case, found a answer record"),
    ],
)
def test_wrong_cases_are_a_sentence(cmrc, row, said):
    _, error = evaluate(cmrc, "-", "--mode", "text", stdin=jsonl(row), code=1)
    assert said in error


def test_two_cases_with_one_id_are_an_error(cmrc):
    row = {"id": "a", "question": "b", "answers": ["c"]}
    _, error = evaluate(cmrc, "-", "--mode", "text", stdin=jsonl(row, row), code=1)
    assert "stdin, line 2: the id 'a' is that of a case before it" in error


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "name a file of cases, or --queries with --qrels"),
        (("cases", "--queries", "q"), "name a file of cases, or --queries with --qrels"),
        (("--queries", "q"), "name a file of cases, or --queries with --qrels"),
        (("cases", "-M", "nDCG@"), "there is no measure 'nDCG@'"),
        (("cases", "-M", "ERR@20"), "there is no measure 'ERR@20'"),
        (("cases", "-M", "R"), "there is no measure 'R'"),
        (("cases", "--fail-under", "R@5"), "--fail-under 'R@5' is no rule"),
        (("cases", "--fail-under", "R@5=7"), "is no rule"),
        (("cases", "--fail-under", "XX@5=0.5"), "there is no measure 'XX@5'"),
        (("cases", "--depth", "0"), "--depth is 0"),
        (("cases", "--baseline", "nowhere.json"), "--baseline nowhere.json cannot be read"),
        (("nowhere.jsonl",), "nowhere.jsonl cannot be read"),
    ],
)
def test_wrong_usage_is_a_sentence(cmrc, args, said):
    args = [str(cmrc / "cases.jsonl") if arg == "cases" else arg for arg in args]
    _, error = evaluate(cmrc, *args, "--mode", "text", code=2)
    assert said in error


def test_a_rule_that_is_not_met_is_exit_code_4(cmrc):
    args = (cmrc / "cases.jsonl", "--mode", "text")
    record, said = evaluate(cmrc, *args, "--fail-under", "R@10=0.5", "--fail-under", "document:P@3>=0.1")
    assert not said and "P@3" in record["levels"]["document"]["measures"]
    record, said = evaluate(cmrc, *args, "--fail-under", "R@10=0.5", "--fail-under", "document:P@5=0.5", code=4)
    assert said.startswith("ragcli eval: P@5 (document) is 0.2") and record is not None
    _, said = evaluate(cmrc, *args, "--level", "chunk", "--fail-under", "document:R@1=1", code=2)
    assert "nothing is measured at that level" in said


def test_unchanged_runs_never_fail_and_a_loss_does(cmrc, tmp_path):
    args = (cmrc / "cases.jsonl", "--mode", "text")
    record, _ = evaluate(cmrc, *args)
    (tmp_path / "before.json").write_bytes(json.dumps(record).encode())
    for _ in range(3):
        again, said = evaluate(cmrc, *args, "--baseline", tmp_path / "before.json")
        assert not said and all(change["difference"] == 0 for change in again["baseline"])
        assert again["levels"] == record["levels"]
    # the same questions, each asked in words that only every second passage has
    worse = [
        {**row, "question": row["question"] if at % 2 else "保修期是多久？"}
        for at, row in enumerate(lines((cmrc / "cases.jsonl").read_bytes()))
    ]
    (tmp_path / "worse.jsonl").write_bytes(jsonl(*worse))
    lost, said = evaluate(
        cmrc, tmp_path / "worse.jsonl", "--mode", "text", "--baseline", tmp_path / "before.json", code=4
    )
    assert "R@5 (document) fell from" in said and any(change["lost"] for change in lost["baseline"])
    _, said = evaluate(cmrc, *args, "--baseline", cmrc / "cases.jsonl", code=1)
    assert "is no evaluation" in said


def test_a_baseline_of_other_questions_compares_those_that_both_have(cmrc, tmp_path):
    rows = lines((cmrc / "cases.jsonl").read_bytes())
    (tmp_path / "first.jsonl").write_bytes(jsonl(*rows[:30]))
    record, _ = evaluate(cmrc, tmp_path / "first.jsonl", "--mode", "text")
    (tmp_path / "before.json").write_bytes(json.dumps(record).encode())
    (tmp_path / "second.jsonl").write_bytes(jsonl(*rows[10:40]))
    _, said = evaluate(cmrc, tmp_path / "second.jsonl", "--mode", "text", "--baseline", tmp_path / "before.json")
    assert "10 questions of the baseline are not in this evaluation, and 10 not in the baseline" in said


def values(*numbers):
    return {"document": {"R@5": {f"q{at}": float(number) for at, number in enumerate(numbers)}}}


def test_chance_is_no_loss():
    """Twenty runs of a search that finds the same part of the questions, but others each time: none is a loss."""
    rng = random.Random(5)
    before = [float(rng.random() < 0.8) for _ in range(200)]
    for _ in range(20):
        after = list(before)
        for at in rng.sample(range(200), 10):
            after[at] = 1 - after[at] if rng.random() < 0.5 else after[at]
        change = compare(values(*before), values(*after)).changes[0]
        assert not change.lost or change.paired.better * 3 < change.paired.worse
    dropped = [0.0 if at % 8 == 0 else one for at, one in enumerate(before)]
    assert compare(values(*before), values(*dropped)).lost
    assert not compare(values(*dropped), values(*before)).lost


def test_intervals_hold_the_mean_as_often_as_they_say():
    import numpy as np

    rng = np.random.default_rng(3)
    held = 0
    for _ in range(200):
        found = interval((rng.random(80) < 0.7).astype(float), samples=1000)
        held += found.low <= 0.7 <= found.high
    assert 178 <= held <= 200


def test_paired_and_holm():
    same = paired([1, 0, 1], [1, 0, 1])
    assert (same.difference, same.p, same.better, same.worse) == (0.0, 1.0, 0, 0)
    up = paired([0.0] * 12, [1.0] * 12)
    assert up.p < 0.01 and up.better == 12 and up.low == up.high == 1.0
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    with pytest.raises(ValueError):
        interval([])


def test_each_question_is_written(cmrc, tmp_path):
    record, _ = evaluate(cmrc, cmrc / "cases.jsonl", "--mode", "text", "--per-query", tmp_path / "each.jsonl")
    rows = lines((tmp_path / "each.jsonl").read_bytes())
    assert [row["id"] for row in rows] == record["levels"]["chunk"]["queries"]
    found = sum(row["chunk"]["first_right"] is not None and row["chunk"]["first_right"] <= 10 for row in rows)
    assert means(record, "chunk")["R@10"] == pytest.approx(found / len(rows))


def test_people_see_a_table(cmrc):
    done = run("eval", "-d", cmrc / "db", "-t", "kb", cmrc / "cases.jsonl", "--mode", "text", "--format", "table")
    text = done.stdout.decode()
    assert "nDCG@10" in text and "95 %" in text and max(map(len, text.splitlines())) <= 80


def test_a_source_is_named_by_its_path_or_the_end_of_it(kb):
    rows = [
        {"id": str(n), "question": "手机的保修期是多久？", "answers": ["二十四个月"], "source": source}
        for n, source in enumerate(["examples/售后/保修条款.md", "售后/保修条款.md", "./保修条款.md"])
    ]
    done = run("eval", "-d", kb, "-t", "kb", "-", "--mode", "text", stdin=jsonl(*rows))
    record = json.loads(done.stdout)
    assert means(record, "chunk")["R@5"] == 1.0 and "unheld" not in record


@pytest.mark.parametrize(
    ("text", "answer", "is_held"),
    [
        ("保修期为二十四\n个月。", "二十四个月", True),
        ("The warranty\nlasts New  York time", "new york", True),
        ("成立于2012年", "12", False),
        ("共 12 台", "12", True),
        ("价格为 3,000 元", "3000元", True),
        ("第2、3、4条", "3", True),
        ("长 3.5 米", "3", False),
        ("长 3.5 米", "3.5", True),
        ("start", "art", False),
        ("C# 与 C++", "C++", True),
        ("语言 C#", "C++", False),
        ("繁體字發展", "繁体字发展", True),
        ("ＡＢＣ公司", "abc公司", True),
        ("「战史演武」&「争霸演武」", "「战史演武」&「争霸演武」", True),
        ("达95%以上", "95％", True),
        ("He said so.", "said so", True),
    ],
)
def test_a_text_holds_an_answer_as_a_reader_sees_it(text, answer, is_held):
    assert (find(fold(answer), fold(text)) >= 0) is is_held


@settings(max_examples=300)
@given(st.text() | st.text(alphabet="1,.a 中\n３．，\x00\x01\x02B-"))
def test_folding_leads_back(text):
    made = fold_with_places(text)
    assert made.text == fold(text) and len(made.places) == len(made.text)
    assert made.places == sorted(made.places) and all(0 <= place < len(text) for place in made.places)
