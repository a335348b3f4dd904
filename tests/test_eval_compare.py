"""eval --compare: measured as eval does, nothing computed twice, killed runs gone on with, what fails named."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from conftest import DATA, RAGCLI, ROOT, environment, jsonl, lines, run
from ragcli.config import parse
from ragcli.errors import UsageError
from ragcli.evaluation.comparing.differences import against, can_show, smallest_seen
from ragcli.evaluation.comparing.grid import Splitter, read_grid
from ragcli.evaluation.comparing.indexing import Indexed
from ragcli.evaluation.comparing.recommending import choose
from ragcli.evaluation.comparing.rows import Row
from ragcli.evaluation.comparing.searching import Latency
from ragcli.evaluation.statistics import Interval, paired
from ragcli.models import resolve
from test_pages import check

SAMPLE = DATA / "cmrc_sample"
CORPUS = [json.loads(line) for line in (SAMPLE / "corpus.jsonl").read_bytes().splitlines()][:24]
NAMES = {row["_id"] for row in CORPUS}
QUERIES = [json.loads(line) for line in (SAMPLE / "queries.jsonl").read_bytes().splitlines()]
QUERIES = [row for row in QUERIES if row["_id"].split("_QUERY")[0] in NAMES][:40]
CASES = [
    {"id": row["_id"], "question": row["text"], "answers": row["answers"], "source": row["_id"].split("_QUERY")[0]}
    for row in QUERIES
]
HOSTILE = "<script>alert(1)</script> 保修期多久？ zzzz"
GRID = """
documents = "corpus.jsonl"
cases = "cases.jsonl"
models = ["builtin", "broken"]
splitters = [{size = 160}, {size = 2000}]
modes = ["vector", "hybrid"]
measures = ["R@1", "RR@10"]
"""


def put(folder: Path, grid: str = GRID) -> Path:
    """Write documents, cases, a model that cannot be run, and the grid."""
    (folder / "corpus.jsonl").write_bytes(jsonl(*CORPUS))
    hostile = {"id": "hostile", "question": HOSTILE, "answers": CASES[0]["answers"], "source": CASES[0]["source"]}
    (folder / "cases.jsonl").write_bytes(jsonl(*CASES, hostile, {"id": "none", "question": "火星？", "answers": []}))
    (folder / "grid.toml").write_text(grid)
    return folder


def model(folder: Path, graph: bytes) -> None:
    """Write a model's folder with another graph than the built-in one's."""
    shutil.copytree(resolve().path, folder, ignore=shutil.ignore_patterns("*.safetensors", "ragcli.json", "*.onnx"))
    config = json.loads((folder / "config.json").read_bytes())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_size": 16}))
    (folder / "onnx").mkdir(exist_ok=True)
    (folder / "onnx" / "model.onnx").write_bytes(graph)


def bag_of_tokens() -> bytes:
    """A graph that gives each token a vector of its own, drawn once: what is alike shares tokens. It is very quick."""
    from onnx import TensorProto, helper, numpy_helper

    vectors = np.random.default_rng(1).normal(size=(250_037, 16)).astype(np.float32)
    nodes = [helper.make_node("Gather", ["vectors", "input_ids"], ["states"])]
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, [None, None])
    states = helper.make_tensor_value_info("states", TensorProto.FLOAT, [None, None, 16])
    graph = helper.make_graph(nodes, "bag", [ids], [states], [numpy_helper.from_array(vectors, "vectors")])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 9
    return made.SerializeToString()


def compare(folder: Path, *args: str | Path, code: int = 0, **more: str) -> tuple[list[dict], str]:
    done = run("eval", "--compare", "grid.toml", "--work", "work", *args, cwd=folder, **more)
    assert done.returncode == code, done.stderr.decode()
    return lines(done.stdout), done.stderr.decode()


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, list[dict], str]:
    """A comparison of two splitters and two models, of which one cannot be run; with its page."""
    folder = put(tmp_path_factory.mktemp("compare"))
    model(folder / "broken", b"no graph")
    records, said = compare(folder, "--html", "report.html", code=3)
    return folder, records, said


def rows_of(records: list[dict]) -> dict[str, dict]:
    return {row["name"]: row for row in records if row["type"] == "comparison"}


def test_a_row_for_each_and_full_text_always(made):
    _, records, said = made
    assert [record["type"] for record in records] == ["comparison"] * 10 + ["recommendation"]
    assert list(rows_of(records)) == [
        f"{search}, {splitter}"
        for splitter in ("size 160", "size 2000")
        for search in ("full text", "vector, builtin", "hybrid, builtin", "vector, broken", "hybrid, broken")
    ]
    for row in records[:-1]:
        if row["model"] == "broken":
            assert (
                "model.onnx" in row["error"]
                and "cannot be run" in row["error"]
                and row["measures"] == {}
                and row["against_best"] is None
            )
            assert f"failed: row {row['row']}, {row['name']}" in said
            continue
        assert row["questions"] == 41 and "none" not in row["queries"] and row["error"] is None
        assert list(row["measures"]) == ["nDCG@10", "R@1", "RR@10"] and row["latency"]["questions"] == 41
        assert 0 < row["latency"]["p50_ms"] <= row["latency"]["p95_ms"] and row["index_seconds"] > 0
        assert (row["embedding"] is None) is (row["mode"] == "text")
        if row["embedding"]:
            assert row["embedding"]["chunks_per_second"] > 0 and row["bytes_per_chunk"] > 4 * 384


def test_figures_are_those_of_eval_on_a_table_made_by_hand(made):
    folder, records, _ = made
    pipe = "ragcli load corpus.jsonl | ragcli split --size 2000 | ragcli embed -q -d db -t kb"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", pipe], cwd=folder, env=environment(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    rows = rows_of(records)
    for mode, name in (("text", "full text"), ("vector", "vector, builtin"), ("hybrid", "hybrid, builtin")):
        row = rows[f"{name}, size 2000"]
        args = ("-d", "db", "-t", "kb", "cases.jsonl", "--mode", mode, "-M", "nDCG@10 R@1 RR@10")
        theirs = json.loads(run("eval", *args, cwd=folder).stdout)["levels"]["document"]
        assert row["measures"] == theirs["measures"] and row["values"] == theirs["values"]
        assert row["queries"] == theirs["queries"] and row["chunks"] == len(CORPUS)


def test_rows_are_compared_question_by_question(made):
    _, records, _ = made
    rows = {row["row"]: row for row in records[:-1] if row["error"] is None}
    best = next(row for row in rows.values() if row["best"])
    assert all(row["measures"]["nDCG@10"]["value"] <= best["measures"]["nDCG@10"]["value"] for row in rows.values())
    for row in rows.values():
        for key, than in (("against_best", best), ("against_text", None)):
            given = row[key]
            if given is None:
                assert row is best or (key == "against_text" and row["mode"] == "text")
                continue
            other = rows[given["than"]]
            assert other is than or (other["mode"] == "text" and other["splitter"] == row["splitter"])
            again = paired(other["values"]["nDCG@10"], row["values"]["nDCG@10"])
            assert (given["better"], given["worse"], given["n"]) == (again.better, again.worse, 41)
            assert given["difference"] == pytest.approx(again.difference, abs=1e-6)
            assert given["p_corrected"] >= given["p"] == pytest.approx(again.p, abs=1e-6)
            assert given["distinguishable"] is (given["p_corrected"] < 0.05 and given["difference"] != 0)


def test_the_recommendation_says_what_and_why(made):
    _, records, _ = made
    advice = records[-1]
    row = records[advice["row"] - 1]
    assert row["error"] is None and row["name"] == advice["name"]
    assert row["best"] or not row["against_best"]["distinguishable"]
    assert advice["text"].startswith(f"Take {row['name']} (row {row['row']}).") and "on 41 questions" in advice["text"]
    assert any("4 of 10 rows failed" in one for one in advice["warnings"])
    assert advice["documents"] == {"all": 24, "used": 24, "needed": advice["documents"]["needed"]}
    assert f"--size {row['splitter']['size']}" in advice["commands"][0] and row["mode"] in advice["commands"][1]


def test_a_second_run_computes_nothing_and_says_the_same(made):
    folder, records, _ = made
    began = time.monotonic()
    again, said = compare(folder, code=3)
    assert again == records and time.monotonic() - began < 20
    assert "0 stages computed" in said and "failed: row 4" in said


def test_another_measure_or_mode_searches_only_what_is_new(made):
    folder, records, _ = made
    (folder / "grid.toml").write_text(GRID.replace('"vector", "hybrid"', '"hybrid"').replace('"R@1"', '"R@5", "AP"'))
    again, said = compare(folder, code=3)
    (folder / "grid.toml").write_text(GRID)
    assert "0 stages computed" in said
    old, new = rows_of(records)["hybrid, builtin, size 160"], rows_of(again)["hybrid, builtin, size 160"]
    assert new["values"]["nDCG@10"] == old["values"]["nDCG@10"] and "AP" in new["measures"]
    assert new["latency"] == old["latency"] and new["embedding"] == old["embedding"]


def test_a_changed_document_is_computed_anew(made, tmp_path):
    folder, records, _ = made
    put(
        tmp_path,
        GRID.replace('["builtin", "broken"]', '"builtin"').replace("[{size = 160}, {size = 2000}]", "{size = 2000}"),
    )
    shutil.copytree(folder / "work", tmp_path / "work")
    _, said = compare(tmp_path)
    assert "0 stages computed" in said
    moved = [{**row, "text": row["text"].replace(CASES[0]["answers"][0], "別的公司")} for row in CORPUS]
    assert moved != CORPUS
    (tmp_path / "corpus.jsonl").write_bytes(jsonl(*moved))
    again, said = compare(tmp_path)
    assert "0 stages computed" not in said
    at = again[0]["queries"].index(CASES[0]["id"])
    assert all(row["values"]["nDCG@10"][at] == 0 for row in again[:-1])
    assert rows_of(records)["full text, size 2000"]["values"]["nDCG@10"][at] > 0
    assert any("questions are in no document" in one for one in again[-1]["warnings"])


def test_people_see_a_table_and_the_recommendation(made):
    folder, _, _ = made
    for width in ("80", "140"):
        done = run("eval", "--compare", "grid.toml", "--work", "work", "--format", "table", cwd=folder, COLUMNS=width)
        text = done.stdout.decode()
        assert done.returncode == 3 and "Take " in text and "≈ not distinguishable on 41 questions" in text
        assert ("chunks/s" in text) is (width == "140")
        assert all(len(line) <= int(width) for line in text.split("≈ not")[0].splitlines())


def test_the_page_stands_alone(made):
    folder, records, _ = made
    content = (folder / "report.html").read_text()
    page = check(content)
    said = "".join(page.itertext())
    assert "<script>alert(1)</script> 保修期多久？ zzzz" in said and "Rows that failed" in said
    assert records[-1]["text"].split(". ")[0] in said
    table = page.findall(".//table")[-1]
    assert len(table.findall("tbody/tr")) == 6 and {one.text for one in table.findall("tbody/tr/th")} == {
        row["name"] for row in records[:-1] if row["error"] is None
    }
    points = [one for one in page.iter("svg") if "milliseconds a question" in (one.findtext("title") or "")]
    assert len(points) == 1 and len([one for one in points[0].iter("text") if one.get("class") == "inside"]) == 6


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_in_a_browser(made, tmp_path, width):
    folder, _, _ = made
    flags = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}")
    flags += ("--hide-scrollbars", f"--window-size={width},900", "--enable-logging=stderr")
    done = subprocess.run([CHROMIUM, *flags, "--dump-dom", folder / "report.html"], capture_output=True, timeout=120)
    assert b"CONSOLE" not in done.stderr and b'class="ready"' in done.stdout.replace(b"number ready", b"ready")
    # The same page without its policy, so that a script can measure it.
    content = (folder / "report.html").read_text()
    head, _, rest = content.partition('<meta http-equiv="Content-Security-Policy"')
    script = "document.title = document.documentElement.scrollWidth + '/' + window.innerWidth"
    (tmp_path / "open.html").write_text(
        head + rest.partition("/>")[2].replace("</body>", f"<script>{script}</script></body>")
    )
    done = subprocess.run([CHROMIUM, *flags, "--dump-dom", tmp_path / "open.html"], capture_output=True, timeout=120)
    title = done.stdout.decode().partition("<title>")[2].partition("</title>")[0]
    across, inner = map(int, title.split("/"))
    assert across <= inner


def wait_for(path: Path, process: subprocess.Popen, met) -> None:
    for _ in range(3000):
        assert process.poll() is None, process.stderr.read().decode()
        if met(path):
            return
        time.sleep(0.02)
    raise AssertionError("it did not come to that")


def test_a_killed_run_goes_on(tmp_path):
    """Killed by SIGKILL when the table has its first batch: what was committed is not embedded again."""
    import lance

    grid = (
        'documents = "corpus.jsonl"\ncases = "cases.jsonl"\nmodels = "tiny"\nsplitters = {size = 8}\nmodes = "vector"\n'
    )
    put(tmp_path, grid)
    model(tmp_path / "tiny", bag_of_tokens())
    command = [RAGCLI, "eval", "--compare", "grid.toml", "--work", "work"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:

        def committed(path: Path) -> bool:
            for part in path.glob("*.part.json"):
                table = tmp_path / "work" / "tables" / part.name.replace(".part.json", ".lance")
                with contextlib.suppress(OSError, ValueError):
                    return lance.dataset(str(table)).count_rows() > 0
            return False

        wait_for(tmp_path / "work" / "tables", process, committed)
        os.kill(process.pid, signal.SIGKILL)
    kept = set((tmp_path / "work").rglob("*.json"))
    assert not list((tmp_path / "work" / "rows").glob("*.json"))[1:]  # full text at most
    records, _ = compare(tmp_path)
    assert kept - set((tmp_path / "work").rglob("*.part.json"))
    table = next(
        value
        for path in (tmp_path / "work" / "tables").glob("*.json")
        if "embedded" in (value := json.loads(path.read_bytes()))
    )
    assert table["chunks"] > 1200
    assert table["chunks"] <= table["embedded"] < table["chunks"] + 700, "the committed batch was embedded again"
    fresh, _ = compare(tmp_path, "--work", "other")
    for row, other in zip(records[:-1], fresh[:-1], strict=True):
        assert row["values"] == other["values"] and row["chunks"] == other["chunks"]
        assert row["bytes_per_chunk"] == pytest.approx(other["bytes_per_chunk"], rel=0.1)
    assert not list((tmp_path / "work" / "tables").glob("*.part.json"))


def test_two_at_once_in_one_folder_are_told(made):
    folder, _, _ = made
    import filelock

    with filelock.FileLock(folder / "work" / ".lock"):
        _, said = compare(folder, code=2)
    assert "another comparison is at work in work" in said


def test_a_sample_keeps_what_is_asked_for(tmp_path):
    few = CASES[:3]
    wanted = {case["source"] for case in few}
    grid = 'documents = "corpus.jsonl"\ncases = "few.jsonl"\nmodes = "text"\nsample = 9\n'
    chosen = []
    put(tmp_path, grid)
    (tmp_path / "few.jsonl").write_bytes(jsonl(*few))
    listed = run("load", "corpus.jsonl", cwd=tmp_path).stdout.splitlines(keepends=True)
    for order in (CORPUS, list(reversed(CORPUS))):
        (tmp_path / "documents.jsonl").write_bytes(b"".join(listed if order is CORPUS else reversed(listed)))
        (tmp_path / "grid.toml").write_text(grid.replace("corpus.jsonl", "documents.jsonl"))
        shutil.rmtree(tmp_path / "work", ignore_errors=True)
        records, _ = compare(tmp_path)
        assert records[-1]["documents"] == {"all": 24, "used": 9, "needed": len(wanted)}
        assert any("9 of 24 documents were searched" in one for one in records[-1]["warnings"])
        sample = lines(next((tmp_path / "work" / "corpora").glob("*.jsonl")).read_bytes())
        chosen.append({row["metadata"]["id"] for row in sample})
        assert wanted <= chosen[-1] and len(chosen[-1]) == 9
    assert chosen[0] == chosen[1]
    (tmp_path / "grid.toml").write_text(grid.replace("sample = 9", "sample = 1"))
    records, _ = compare(tmp_path)
    assert records[-1]["documents"]["used"] == len(wanted)
    assert any("no documents beside those" in one for one in records[-1]["warnings"])


def test_judgements_instead_of_cases(tmp_path):
    put(tmp_path, 'documents = ["corpus.jsonl"]\nqueries = "queries.jsonl"\nqrels = "qrels.tsv"\nmodes = "text"\n')
    (tmp_path / "queries.jsonl").write_bytes(jsonl(*QUERIES))
    rows = [f"{row['_id']}\t{row['_id'].split('_QUERY')[0]}\t1" for row in QUERIES[:20]]
    (tmp_path / "qrels.tsv").write_text("\n".join(rows) + "\n")
    records, _ = compare(tmp_path)
    assert records[0]["questions"] == 20 and len(records) == 2 and records[0]["measures"]["R@10"]["value"] > 0.9
    (tmp_path / "qrels.tsv").write_text(f"{QUERIES[0]['_id']}\tNOBODY\t1\n")
    _, said = compare(tmp_path, code=1)
    assert "NOBODY" in said


def test_chunks_are_right_that_hold_an_answer(tmp_path):
    """An answer that the splitter cuts in two is found as a document and not as a chunk."""
    text = "甲" * 30 + "保修期是二十四个月整" + "乙" * 30 + "。"
    corpus = [{"_id": "d", "text": text}, *CORPUS[:6]]
    grid = (
        'documents = "corpus.jsonl"\ncases = "cases.jsonl"\nmodes = "text"\nsplitters = [{size = 35}, {size = 900}]\n'
    )
    put(tmp_path, grid)
    (tmp_path / "corpus.jsonl").write_bytes(jsonl(*corpus))
    (tmp_path / "cases.jsonl").write_bytes(
        jsonl({"id": "a", "question": "保修期是二十四个月整吗", "answers": ["保修期是二十四个月整"]})
    )
    records, _ = compare(tmp_path)
    assert [row["values"]["nDCG@10"] for row in records[:-1]] == [[1.0], [1.0]]
    assert [row["unheld"] for row in records[:-1]] == [1, 0]
    assert any("no single chunk of it: 1 with size 35, 0 with size 900" in one for one in records[-1]["warnings"])
    assert any("1 question is too few" in one for one in records[-1]["warnings"])
    (tmp_path / "grid.toml").write_text(grid + 'level = "chunk"\n')
    records, _ = compare(tmp_path)
    assert [row["values"]["nDCG@10"] for row in records[:-1]] == [[0.0], [1.0]]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("documents = 7", "grid.toml: documents: it must be a list of texts, not a whole number"),
        ("documents = []", "grid.toml: documents: the list is empty"),
        ("documents = ['corpus.jsonl', 'nowhere']", "grid.toml: documents, number 2: there is no 'nowhere'"),
        ("document = 'corpus.jsonl'", "grid.toml: document: there is no such key."),
        ("cases = 'nowhere.jsonl'", "grid.toml: cases: 'nowhere.jsonl' cannot be read: No such file"),
        ("queries = 'cases.jsonl'", "grid.toml: cases and queries: name a file of cases, or queries with qrels"),
        ("models = ['no/such-model-here']", "grid.toml: models: "),
        ("models = ['builtin', 'nowhere']", "grid.toml: models, number 2: the model 'nowhere' is not on this machine"),
        ("models = ['builtin', 'builtin']", "grid.toml: models: 'builtin' is there twice"),
        ("rerankers = ['nowhere']", "grid.toml: rerankers: the model 'nowhere' is not on this machine"),
        ("splitters = 5", "grid.toml: splitters: it must be a list of tables, not a whole number"),
        ("splitters = [{size = 100}, {sizes = 5}]", "grid.toml: splitters, number 2.sizes: there is no such key"),
        ("splitters = [{size = 100}, {size = 0}]", "grid.toml: splitters, number 2: the size must be a whole number"),
        ("splitters = {size = 100, overlap = 100}", "grid.toml: splitters: the overlap (100) must be less than"),
        ("splitters = {size = 9999, unit = 'tokens'}", "grid.toml: splitters: a size of 9999 tokens is more than"),
        ("splitters = {unit = 'words'}", "grid.toml: splitters: the unit must be chars or tokens"),
        ("splitters = {splitter = 'magic'}", "grid.toml: splitters.splitter: there is no 'magic'"),
        ("splitters = [{size = 100}, {size = 100}]", "grid.toml: splitters, number 2: it is there twice"),
        ("modes = ['vectors']", "grid.toml: modes: there is no 'vectors'"),
        ("sample = '5'", "grid.toml: sample: it must be a whole number of documents"),
        ("sample = true", "grid.toml: sample: it must be a whole number of documents"),
        ("measure = 'ERR@20'", "grid.toml: measure: there is no measure 'ERR@20'"),
        ("measure = ['AP', 'R@5']", "grid.toml: measure: rows are compared by one"),
        ("level = 'page'", "grid.toml: level: there is no 'page'"),
        ("documents = ", "grid.toml: this is no TOML"),
    ],
)  # fmt: skip
def test_a_wrong_grid_is_a_sentence(tmp_path, monkeypatch, changed, said):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    key = changed.partition(" ")[0]
    kept = [line for line in GRID.splitlines() if line and not line.startswith((key + " ", "models"))]
    put(tmp_path, "\n".join([*kept, changed]) + "\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as error:
        read_grid(Path("grid.toml"))
    assert said in error.value.message and "\n" not in error.value.message


def test_a_wrong_grid_is_said_before_anything_is_computed(tmp_path):
    put(tmp_path, GRID.replace('"broken"', '"nowhere"'))
    _, error = compare(tmp_path, code=2)
    assert error.startswith("ragcli eval: grid.toml: models, number 2: the model 'nowhere' is not on this machine")
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("cases.jsonl",), "CASES does not go with --compare"),
        (("-t", "kb"), "--table does not go with --compare"),
        (("--mode", "text"), "--mode does not go with --compare"),
        (("--html", "nowhere/a.html"), "--html nowhere/a.html cannot be written: there is no folder nowhere"),
    ],
)
def test_what_the_file_says_is_no_option(tmp_path, args, said):
    put(tmp_path, GRID.replace('["builtin", "broken"]', '"builtin"'))
    _, error = compare(tmp_path, *args, code=2)
    assert said in error and not (tmp_path / "work").exists()


def test_a_work_folder_among_the_documents_is_refused(tmp_path):
    put(tmp_path, 'documents = "."\ncases = "cases.jsonl"\nmodes = "text"\n')
    _, said = compare(tmp_path, code=2)
    assert "--work work lies in '.', among the documents" in said
    done = run("eval", "--work", "w", "-t", "kb", "cases.jsonl", cwd=tmp_path)
    assert done.returncode == 2 and b"--work goes with --compare" in done.stderr


def test_files_that_cannot_be_loaded_are_named_each_time(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    for row in CORPUS[:4]:
        (docs / f"{row['_id']}.txt").write_text(row["text"])
    (docs / "bad.pdf").write_bytes(b"%PDF-1.4 nonsense")
    put(tmp_path, 'documents = "docs"\ncases = "cases.jsonl"\nmodes = "text"\n')
    cases = [
        {**case, "source": f"{'docs/' if at % 2 else ''}{case['source']}.txt"}  # the end of a path will do
        for at, case in enumerate(CASES)
        if case["source"] in {row["_id"] for row in CORPUS[:4]}
    ]
    (tmp_path / "cases.jsonl").write_bytes(jsonl(*cases))
    for _ in range(2):
        records, said = compare(tmp_path, code=3)
        assert "failed: " in said and "bad.pdf" in said and records[-1]["documents"]["all"] == 4
    # From elsewhere the documents are called the same, and nothing is computed anew.
    done = run("eval", "--compare", tmp_path / "grid.toml", "--work", tmp_path / "work", cwd=Path("/"))
    assert done.returncode == 3 and b"0 stages computed" in done.stderr, done.stderr.decode()


def test_a_plain_evaluation_as_a_page(made):
    folder, _, _ = made
    (folder / "few.jsonl").write_bytes(jsonl(*CASES[:9], {"id": "h", "question": HOSTILE, "answers": ["没有这样的话"]}))
    load = "ragcli load corpus.jsonl | ragcli split | ragcli embed -q -d db -t page"
    assert subprocess.run(["bash", "-c", load], cwd=folder, env=environment(), capture_output=True).returncode == 0
    args = ("eval", "-d", "db", "-t", "page", "few.jsonl", "--mode", "text")
    (folder / "before.json").write_bytes(run(*args, cwd=folder).stdout)
    done = run(*args, "--baseline", "before.json", "--html", "page.html", cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    page = check((folder / "page.html").read_text())
    said = "".join(page.itertext())
    assert HOSTILE in said and "no chunk holds an answer" in said and "Evaluation of page" in said
    value = json.loads(done.stdout)["levels"]["chunk"]["measures"]["nDCG@10"]["value"]
    assert f"{value:.4f}" in said and "No measure fell by more than chance makes." in said
    done = run(*args, "--html", "nowhere/page.html", cwd=folder)
    assert done.returncode == 2 and b"--html nowhere/page.html cannot be written" in done.stderr


def test_the_files_in_the_documentation_are_read(tmp_path):
    """Each grid of docs/eval.md, with documents and questions that are here, asks for nothing that is not known."""
    import re

    found = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "eval.md").read_text(), re.DOTALL)
    assert len(found) == 2
    for text in found:
        values = parse(Path("eval.md"), text.encode())
        for one in [*values["documents"], *(name for name in values["models"] if name.startswith("models/"))]:
            place = tmp_path / one
            if one.startswith("models/"):
                model(place, b"")
            elif place.suffix:
                place.write_text("保修期为二十四个月。")
            else:
                place.mkdir(exist_ok=True)
        (tmp_path / values["cases"]).write_bytes(jsonl(*CASES))
        (tmp_path / "grid.toml").write_text(re.sub(r'"BAAI/[^"]*", |, "BAAI/[^"]*"', "", text))
        grid = read_grid(tmp_path / "grid.toml")
        assert grid.sample == values["sample"] and len(grid.splitters) == len(values["splitters"])
        assert set(grid.modes) == {"vector", "hybrid"} and grid.measures[0] == "nDCG@10"


def test_no_row_is_recommended_where_none_finds_anything(tmp_path):
    put(tmp_path, 'documents = "corpus.jsonl"\ncases = "few.jsonl"\nmodes = "text"\n')
    (tmp_path / "few.jsonl").write_bytes(jsonl({"question": "火星上的保修期多久？", "answers": ["没有这样的话"]}))
    records, _ = compare(tmp_path, "--html", "report.html")
    assert records[-1]["row"] is None and records[-1]["text"].startswith("No row finds") and not records[-1]["commands"]
    check((tmp_path / "report.html").read_text())


def test_what_is_kept_and_damaged_is_made_anew(tmp_path):
    put(tmp_path, 'documents = "corpus.jsonl"\ncases = "cases.jsonl"\nmodes = "text"\n')
    records, _ = compare(tmp_path)
    for path in (tmp_path / "work").rglob("*.json"):
        path.write_bytes(b"{}" if path.parent.name == "rows" else b"half a rec")
    again, said = compare(tmp_path)
    assert "taken from there" not in said
    assert [row["values"] for row in again[:-1]] == [row["values"] for row in records[:-1]]


def row(number: int, mode: str, value: float, seconds: float, bytes_: int = 1000, reranker: str | None = None) -> Row:
    indexed = Indexed(
        name="t", chunks=10, bytes=bytes_, seconds=1, chunks_a_second=None, characters_a_second=None, truncated=0
    )
    return Row(
        number=number, splitter=Splitter(name="size 800"), mode=mode, model=None if mode == "text" else "builtin",
        reranker=reranker, indexed=indexed, latency=Latency(p50=seconds, p95=seconds, questions=50),
        intervals={"R@5": Interval(value=value, low=0, high=1)},
    )  # fmt: skip


def test_the_cheapest_of_rows_that_cannot_be_told_apart():
    text, vector, slow = row(1, "text", 0.80, 0.5), row(2, "vector", 0.9, 0.010), row(3, "hybrid", 0.95, 0.020)
    reranked = row(4, "text", 0.99, 0.001, reranker="r")
    assert choose([reranked, slow, vector, text], "R@5") is text  # no model before a model, however slow
    assert choose([reranked, slow, vector], "R@5") is vector  # the quicker one
    assert choose([reranked, row(5, "hybrid", 0.95, 0.0105), vector], "R@5").number == 5  # as quick: the better one
    assert choose([row(6, "vector", 0.9, 0.010, 500), vector], "R@5").number == 6  # as good: the smaller one


def test_a_difference_is_one_and_chance_is_none():
    rng = random.Random(3)
    base = [float(rng.random() < 0.7) for _ in range(120)]
    like = [1 - one if rng.random() < 0.05 else one for one in base]
    worse = [one * (rng.random() < 0.6) for one in base]
    found = against({1: base, 2: like, 3: worse}, {2: 1, 3: 1})
    assert not found[2].distinguishable and found[3].distinguishable
    assert found[3].paired.difference < 0 and found[2].p >= found[2].paired.p


def test_the_smallest_difference_is_seen_in_four_of_five_cases():
    """Simulated: pairs whose means differ by just as much as is said to be seen are told apart in about 80 %."""
    rng = np.random.default_rng(5)
    n, spread = 120, 0.3
    noise = rng.normal(0, spread, n)
    least = smallest_seen(list(noise), [0.0] * n, 1)
    assert least == pytest.approx(2.8 * spread / n**0.5, rel=0.15)
    seen = 0
    for _ in range(200):
        values = rng.normal(least, spread, n)
        seen += paired([0.0] * n, list(values), samples=1000).p < 0.05
    assert 140 <= seen <= 180
    assert smallest_seen([1.0, 0.0], [0.0, 1.0], 1) is None and smallest_seen([0.5] * 9, [0.5] * 9, 1) is None
    assert not can_show(5, 1) and can_show(6, 1) and not can_show(6, 4) and can_show(120, 40)
