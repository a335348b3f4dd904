"""LlamaIndex's node parsers through ``split --splitter``: offsets are true, and what a parser loses is said."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import DATA, RAGCLI, environment, jsonl, lines, run
from ragcli.diagnosing.commands import split_command, splitter_settings
from ragcli.diagnosing.trials import cutting
from ragcli.errors import UsageError
from ragcli.evaluation.comparing.grid import read_grid
from ragcli.records import Chunk, Document
from ragcli.report import Report
from ragcli.splitting import split
from ragcli.splitting.parser import NodeParser, node_parser, parser_words, sentences
from ragcli.splitting.placing import place, uncovered
from ragcli.store import Table

pytest.importorskip("llama_index.core")

CORE = "llama_index.core.node_parser"
SENTENCES = {"function": "ragcli.splitting.parser:sentences"}
PARSERS = {
    "sentences": (f"{CORE}:SentenceSplitter", {"chunk_size": 64, "chunk_overlap": 20}),
    "sentences without overlap": (f"{CORE}:SentenceSplitter", {"chunk_size": 64, "chunk_overlap": 0}),
    "ragcli's sentences": (
        f"{CORE}:SentenceSplitter", {"chunk_size": 64, "chunk_overlap": 20, "chunking_tokenizer_fn": SENTENCES},
    ),
    "tokens": (f"{CORE}:TokenTextSplitter", {"chunk_size": 64, "chunk_overlap": 10}),
    "tokens with white space": (
        f"{CORE}:TokenTextSplitter", {"chunk_size": 64, "chunk_overlap": 0, "keep_whitespaces": True},
    ),
    "windows": (f"{CORE}:SentenceWindowNodeParser", {"sentence_splitter": SENTENCES}),
    "markdown": (f"{CORE}:MarkdownNodeParser", {}),
    "hierarchy": (f"{CORE}:HierarchicalNodeParser", {"chunk_sizes": [256, 64]}),
    "semantic": (
        f"{CORE}:SemanticSplitterNodeParser",
        {
            "sentence_splitter": SENTENCES,
            "embed_model": {"class": "llama_index.core:MockEmbedding", "options": {"embed_dim": 2}},
        },
    ),
}  # fmt: skip
MINE = '''
import os
from llama_index.core.node_parser import NodeParser
from llama_index.core.node_parser.node_utils import build_nodes_from_splits


class Odd(NodeParser):
    """Writes a summary, drops the last paragraph, changes white space, prints, and fails on one word."""

    key: str = ""

    def _parse_nodes(self, nodes, show_progress=False, **more):
        out = []
        for node in nodes:
            print("printed")
            os.write(1, b"written\\n")
            text = node.get_content()
            if "boom" in text:
                raise RuntimeError("boom\\nand more")
            parts = text.split("\\n\\n")
            kept = [" ".join(part.split()) for part in parts[:-1]]
            out += build_nodes_from_splits(["A summary of all that.", *kept], node)
        return out


class Other:
    pass
'''


def check(document: Document, chunks: list[Chunk]) -> None:
    """Offsets are true and in order; each chunk's ``after`` is what follows it; only the last ends the document."""
    text = document.text
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True] * bool(chunks)
    assert [(one.start, -one.end) for one in chunks] == sorted({(one.start, -one.end) for one in chunks})
    for chunk in chunks:
        assert text[chunk.start : chunk.end] == chunk.text == chunk.text.strip() != ""
        assert text.startswith(chunk.after, chunk.end) and not chunk.after.strip()


def whole(document: Document, chunks: list[Chunk]) -> bool:
    return not uncovered(document.text, [(chunk.start, chunk.end) for chunk in chunks])


@pytest.fixture(scope="session")
def documents() -> list[Document]:
    """Real documents in Chinese and English, with pages, tables and headings."""
    found = sorted(path for path in (DATA / "docs").iterdir() if path.suffix in (".md", ".html", ".docx"))
    loaded = run("load", *found, DATA / "docs" / "scotus-transcript-p1.pdf", DATA / "docs" / "SimFang-variant.pdf")
    return [Document.from_dict(record) for record in lines(loaded.stdout)]


@pytest.mark.parametrize("name", PARSERS)
def test_real_documents_keep_their_offsets_and_lose_nothing(name, documents):
    report = Report("split")
    by_document: dict[str, list[Chunk]] = {}
    parser = NodeParser(*PARSERS[name])
    for chunk in split(documents, parser=parser, report=report):
        by_document.setdefault(chunk.document_id, []).append(chunk)
    counts = report.counts
    assert len(by_document) == len(documents) == counts["documents_in"] > 4
    for document in documents:
        check(document, by_document[document.id])
        assert whole(document, by_document[document.id])
    assert not report.losses and not counts["characters_lost"]
    assert counts["nodes_in"] == counts["chunks_out"] + counts["nodes_repeated"] + counts["nodes_blank"]
    assert any(ord(char) > 0x4E00 for chunks in by_document.values() for one in chunks for char in one.text)
    assert {chunk.splitter for chunks in by_document.values() for chunk in chunks} == {parser.name}


@pytest.mark.parametrize("name", [one for one in PARSERS if one != "markdown"])
@pytest.mark.parametrize("unit", ["保修期为两年。", "The same sentence again. ", "同一行\n", "a b\n\n\n", "好"])
def test_repeated_text(name, unit):
    document = Document(id="d", text=f"开头。 Beginning.\n\n{unit * 300}\n结尾。 The end.", source="s.txt")
    report = Report("split")
    chunks = list(split([document], parser=NodeParser(*PARSERS[name]), report=report))
    check(document, chunks)
    assert whole(document, chunks) and not report.losses


@pytest.mark.parametrize("unit", ["保修期为两年。", "One. Two. "])
def test_offsets_are_those_of_the_cut(unit):
    """Without overlap, chunks of repeated text lie end to end, where LlamaIndex's own offsets overlap."""
    document = Document(id="d", text=unit * 200, source="s.txt")
    chunks = list(split([document], parser=NodeParser(*PARSERS["sentences without overlap"])))
    assert len(chunks) > 5
    assert "".join(chunk.text + chunk.after for chunk in chunks).strip() == document.text.strip()


@st.composite
def cuts(draw) -> tuple[str, list[str]]:
    """A text, and pieces of it that leave no gap and begin one after the other."""
    text = draw(st.text(st.sampled_from("ab 好\n"), min_size=1, max_size=60))
    at, reach, pieces = 0, 0, []
    while reach < len(text):
        end = draw(st.integers(reach + 1, len(text)))
        pieces.append(text[at:end])
        reach = end
        at = draw(st.integers(at + 1, end))
    return text, pieces


@settings(max_examples=800, deadline=None)
@given(cuts(), st.booleans())
def test_any_cut_without_gaps_is_placed_without_gaps(cut, changed):
    text, pieces = cut
    given_ = ["  ".join(piece.split()) for piece in pieces] if changed else pieces
    spans = place(text, given_)
    for piece, span in zip(pieces, spans, strict=True):
        assert (span is None) == (not piece.strip())
        if span is not None:
            assert "".join(text[slice(*span)].split()) == "".join(piece.split())
    assert not uncovered(text, sorted(span for span in spans if span is not None))


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=80), st.lists(st.text(max_size=10), max_size=8))
def test_any_pieces_of_any_text(text, pieces):
    spans = place(text, pieces)
    for piece, span in zip(pieces, spans, strict=True):
        bare = "".join(piece.split())
        assert (span is not None) == (bool(bare) and bare in "".join(text.split()))
        assert span is None or "".join(text[slice(*span)].split()) == bare
    covered = sorted(span for span in spans if span is not None)
    gaps = uncovered(text, covered)
    held = set().union(*(range(*span) for span in [*covered, *gaps]))
    assert all(at in held for at, char in enumerate(text) if not char.isspace())
    assert all(text[slice(*gap)].strip() for gap in gaps)


def test_unchanged_pieces_stand_where_they_were_cut():
    rng = random.Random(7)
    text = "".join(chr(rng.randrange(0x4E00, 0x9FA5)) for _ in range(5000))
    spans = [(start, min(start + 90, 5000)) for start in range(0, 5000, 60)]
    assert place(text, [text[slice(*span)] for span in spans]) == spans


def test_headings_pages_and_metadata(documents):
    text = "# 甲 A\n\n第一。 One.\n\n## 乙 B\n\n第二。 Two.\n"
    spans = [{"start": 0, "end": 15, "page": 1}, {"start": 15, "end": len(text), "page": 2}]
    document = Document(id="d", text=text, source="s.md", spans=spans, title="T", metadata={"year": 2024})
    first, second = split([document], parser=NodeParser(f"{CORE}:MarkdownNodeParser"))
    assert (first.headings, second.headings) == (["甲 A"], ["甲 A", "乙 B"])
    assert (first.pages, second.pages) == ([1], [1, 2] if second.start < 15 else [2])
    assert first.title == "T" and first.after == "\n\n"
    assert second.metadata == {"year": 2024, "header_path": "/甲 A/"}
    assert document.metadata == {"year": 2024}
    # The same as ragcli's own splitter says of the same slices.
    for made in documents:
        own = {(one.start, one.end): one for one in split([made], size=10**6)}
        for chunk in split([made], parser=NodeParser(f"{CORE}:TokenTextSplitter", {"chunk_size": 10**6})):
            other = own[chunk.start, chunk.end]
            assert (chunk.headings, chunk.pages, chunk.id) == (other.headings, other.pages, other.id)


def test_metadata_takes_no_room_in_chunks():
    long = Document(id="d", text="Words and words. " * 200, source="s.txt", metadata={"note": "long " * 500})
    bare = Document(id="d", text=long.text, source="s.txt")
    parser = NodeParser(f"{CORE}:SentenceSplitter", {"chunk_size": 100, "chunk_overlap": 0})
    places = [[(one.start, one.end) for one in split([document], parser=parser)] for document in (long, bare)]
    assert places[0] == places[1] and len(places[0]) > 5


def test_windows_stay_in_the_metadata():
    document = Document(id="d", text="第一句。第二句。第三句。", source="s.txt")
    place_, options = PARSERS["windows"]
    chunks = list(split([document], parser=NodeParser(place_, {**options, "window_size": 1})))
    assert [chunk.text for chunk in chunks] == ["第一句。", "第二句。", "第三句。"]
    assert chunks[0].metadata["window"] == "第一句。 第二句。"


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=100))
def test_sentences_lose_nothing(text):
    assert "".join(sentences(text)) == text


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "mine_odd.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("mine_odd", None)


def record(name: str, text: str) -> dict:
    return {"type": "document", "id": name, "source": f"{name}.txt", "text": text}


def test_what_a_parser_loses_is_said_and_its_prints_are_no_data(mine):
    given_ = jsonl(
        record("a", "第一段  有 空格。\n\n第二段。\n\n第三段没有了。"),
        record("b", "boom"),
        record("c", "唯一的一段。"),
        record("e", " \n"),
        record("d", "One\nparagraph.\n\nTwo."),
    )
    done = run("split", "--splitter", "mine_odd:Odd", "--report", "r.json", stdin=given_, cwd=mine)
    said = done.stderr.decode()
    assert done.returncode == 3
    chunks = lines(done.stdout)
    assert [chunk["text"] for chunk in chunks] == ["第一段  有 空格。", "第二段。", "One\nparagraph."]
    report = json.loads((mine / "r.json").read_text())
    assert report["counts"] == {
        "characters_in": 57, "characters_lost": 7 + 4 + 6 + 4, "chunks_out": 3, "documents_empty": 1,
        "documents_failed": 2, "documents_in": 5, "nodes_in": 6, "nodes_lost": 3,
    }  # fmt: skip
    kinds = [(loss["kind"], loss["source"]) for loss in report["losses"]]
    assert kinds == [
        ("partial", "a.txt"), ("warning", "a.txt"), ("failed", "b.txt"), ("failed", "c.txt"), ("skipped", "e.txt"),
        ("partial", "d.txt"), ("warning", "d.txt"),
    ]  # fmt: skip
    assert "in part: a.txt: 1 of 3 nodes of mine_odd:Odd is not text of the document" in said
    assert "warning: a.txt: 7 characters (38.9%) are in no chunk" in said and "第三段没有了。" in said
    assert "failed: b.txt: mine_odd:Odd failed: RuntimeError: boom and more" in said
    assert said.count("printed") == said.count("written") == 5 and "Traceback" not in said


def test_people_see_chunks_alone(mine):
    given_ = jsonl(*(record(f"{n}", "段落一。\n\n段落二。") for n in range(50)))
    done = run("split", "--splitter", "mine_odd:Odd", "--format", "table", stdin=given_, cwd=mine)
    assert done.returncode == 3 and b"printed" not in done.stdout and "段落一。" in done.stdout.decode()


def test_without_stderr_prints_are_no_data_either(mine):
    given_ = jsonl(record("a", "段落一。\n\n段落二。"))
    command = f"exec '{RAGCLI}' split --splitter mine_odd:Odd 2>&-"
    done = subprocess.run(["sh", "-c", command], input=given_, capture_output=True, cwd=mine, env=environment())
    assert done.returncode == 3 and [chunk["text"] for chunk in lines(done.stdout)] == ["段落一。"]


def test_the_splitter_says_class_version_and_options(mine):
    odd = NodeParser("mine_odd:Odd", {"key": "sk-1234"})
    assert "sk-1234" not in odd.name and odd.name.endswith('{"key":"…"}')
    (mine / "mine_odd.py").write_text(MINE + "\n# changed\n")
    changed = NodeParser("mine_odd:Odd", {"key": "sk-1234"})
    assert changed.name != odd.name  # a user's own file goes by its digest
    name = NodeParser(f"{CORE}:SentenceSplitter", {"chunk_size": 64, "chunk_overlap": 8}).name
    assert name == NodeParser(f"{CORE}:SentenceSplitter", {"chunk_overlap": 8, "chunk_size": 64}).name
    found = node_parser(name)
    assert found == (f"{CORE}:SentenceSplitter", '{"chunk_overlap":8,"chunk_size":64}')
    assert parser_words(*found) == ["--splitter", found[0], "--splitter-options", found[1]]
    assert node_parser("structure/2 size=800 overlap=0 unit=chars") is None


@pytest.mark.parametrize(
    ("place_", "options", "said"),
    [
        ("nope", {}, "does not name a class"),
        ("not_there.at_all:X", {}, "pip install not_there"),
        ("llama_index.node_parser.docling:DoclingNodeParser", {}, "llama-index-node-parser-docling"),
        (f"{CORE}:Nothing", {}, "has no class Nothing"),
        ("mine_odd:Other", {}, "is no node parser"),
        (f"{CORE}:NodeParser", {}, "abstract"),
        (f"{CORE}:SentenceSplitter", {"chunk_sise": 9}, "Did you mean 'chunk_size'?"),
        (f"{CORE}:SentenceSplitter", {"chunk_size": 9}, "larger chunk overlap"),
        (f"{CORE}:SentenceSplitter", {"tokenizer": {"function": "os:nothing"}}, "os has no function nothing"),
        (f"{CORE}:MarkdownNodeParser", {"chunk_size": 9}, "takes no 'chunk_size'"),
        (f"{CORE}:SemanticSplitterNodeParser", {}, '"embed_model": "builtin"'),
        (f"{CORE}:SemanticSplitterNodeParser", {"embed_model": "/not/there"}, "embed_model: "),
        (f"{CORE}:LangchainNodeParser", {}, "missing a required argument: 'lc_splitter'"),
    ],
)
def test_a_parser_that_cannot_be_made(mine, place_, options, said):
    with pytest.raises(UsageError) as caught:
        NodeParser(place_, options)
    assert said in f"{caught.value.message} {caught.value.hint}"
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--splitter", f"{CORE}:SentenceSplitter", "--splitter-options", "{"], "is no JSON"),
        (["--splitter", f"{CORE}:SentenceSplitter", "--splitter-options", "[]"], "must be a JSON object"),
        (["--splitter", f"{CORE}:SentenceSplitter", "--splitter-options", '{"chunk_sise": 9}'], "Did you mean"),
        (["--splitter", f"{CORE}:SentenceSplitter", "--size", "9"], "--size does not go with --splitter"),
        (["--splitter", f"{CORE}:SentenceSplitter", "--unit", "chars"], "--unit does not go with --splitter"),
        (["--splitter-options", "{}"], "goes with --splitter"),
    ],
)
def test_wrong_usage(arguments, said):
    done = run("split", *arguments, stdin=b"this is no record\n")  # nothing of it is read
    assert done.returncode == 2, done.stderr
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr and not done.stdout


@pytest.mark.parametrize(
    ("variable", "said"), [("TIKTOKEN_CACHE_DIR", "TIKTOKEN_CACHE_DIR, if it is set"), ("NLTK_DATA", "NLTK_DATA, if")]
)
def test_files_that_are_not_there_are_named(tmp_path, variable, said):
    options = '{"chunk_size": 8, "chunk_overlap": 0}'
    done = run(
        "split", "--splitter", f"{CORE}:SentenceSplitter", "--splitter-options", options, stdin=jsonl(record("a", "x")),
        **{variable: str(tmp_path), "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"},
    )  # fmt: skip
    assert done.returncode == 2 and said in done.stderr.decode() and b"Traceback" not in done.stderr


def test_settings_of_the_own_splitter_are_left_alone(tmp_path):
    done = run(
        "split", "--splitter", f"{CORE}:MarkdownNodeParser", stdin=jsonl(record("a", "字" * 300)), cwd=tmp_path,
        RAGCLI_SIZE="50", RAGCLI_UNIT="tokens",
    )  # fmt: skip
    assert done.returncode == 0 and [chunk["end"] for chunk in lines(done.stdout)] == [300]


def test_python_users_get_the_same_checks():
    with pytest.raises(UsageError, match="has its own size"):
        split([], size=3, parser=NodeParser(f"{CORE}:MarkdownNodeParser"))


def test_a_table_keeps_to_its_parser_and_is_mended_with_it(tmp_path):
    path = tmp_path / "a.md"
    path.write_text("# 保修\n\n保修期为两年。" + "机身和配件都在保修范围内。" * 20)
    documents = [Document.from_dict(one) for one in lines(run("load", "a.md", cwd=tmp_path).stdout)]

    def chunks(**options: int) -> bytes:
        parser = NodeParser(f"{CORE}:SentenceSplitter", options)
        return jsonl(*(chunk.to_dict() for chunk in split(documents, parser=parser)))

    done = run("embed", "-t", "kb", stdin=chunks(chunk_size=64, chunk_overlap=8), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = run("embed", "-t", "kb", stdin=chunks(chunk_size=96, chunk_overlap=8), cwd=tmp_path)
    assert done.returncode == 1 and '{"chunk_overlap":8,"chunk_size":64}' in done.stderr.decode()
    cut = jsonl({"question": "保修期多久？", "answers": [documents[0].text[6:90]]})  # no chunk holds so much
    diagnosed = lines(run("diagnose", "-t", "kb", "-", "--format", "jsonl", stdin=cut, cwd=tmp_path).stdout)
    assert diagnosed[0]["lost_at"] == "split"
    (advice,) = diagnosed[0]["advice"]
    assert f"split --splitter {CORE}:SentenceSplitter --splitter-options '…' |" in advice["command"]
    assert advice["tried"] is None
    path.write_text("# 保修\n\n保修期为三年。")
    checks = lines(run("diagnose", "-t", "kb", "--check", "--format", "jsonl", cwd=tmp_path).stdout)
    command = (
        f"""split --splitter {CORE}:SentenceSplitter --splitter-options '{{"chunk_overlap":8,"chunk_size":64}}' |"""
    )
    assert command in json.dumps(checks, ensure_ascii=False).replace('\\"', '"')
    settings_ = splitter_settings(Table.open(str(tmp_path / ".ragcli"), "kb"))
    assert command.removesuffix(" |") in split_command(settings_)
    assert not list(cutting(settings_))  # other sizes are not tried: the parser's are its own


GRID = """
documents = ["a.md", "b.md"]
cases = "cases.jsonl"
modes = ["text"]
splitters = [
    {size = 200},
    {splitter = "llama_index.core.node_parser:SentenceSplitter", options = {chunk_size = 64, chunk_overlap = 8}},
    {splitter = "mine_odd:Odd"},
]
"""


def test_a_grid_compares_parsers(mine):
    (mine / "a.md").write_text("保修期为两年。" + "机身和配件都在保修范围内。" * 30 + "\n\n退货需在七天内提出。")
    (mine / "b.md").write_text("The deposit is 500 yuan. " * 20 + "\n\nRefunds take five days.")
    (mine / "cases.jsonl").write_bytes(
        jsonl(
            {"question": "保修期多久？", "answers": ["两年"]},
            {"question": "How much is the deposit?", "answers": ["500 yuan"]},
        )
    )
    (mine / "grid.toml").write_text(GRID)

    def compared() -> tuple[list[dict], str]:
        done = run("eval", "--compare", "grid.toml", "--work", "work", "--format", "jsonl", cwd=mine)
        assert done.returncode == 3, done.stderr
        return [one for one in lines(done.stdout) if one["type"] == "comparison"], done.stderr.decode()

    rows, said = compared()
    names = ["size 200", "SentenceSplitter, chunk_overlap 8, chunk_size 64", "Odd"]
    assert [row["splitter"]["name"] for row in rows] == names
    assert [row["error"] for row in rows] == [None] * 3 and rows[1]["chunks"] > 5
    assert rows[1]["splitter"]["options"] == {"chunk_size": 64, "chunk_overlap": 8}
    assert "in part: Odd: it leaves out 2 nodes that are not text of their document" in said
    (mine / "mine_odd.py").write_text(MINE.replace("parts[:-1]", "parts"))  # cut in another way, so made anew
    changed, said = compared()
    assert "taken from there" in said
    assert [row["chunks"] for row in changed[:2]] == [row["chunks"] for row in rows[:2]]
    assert changed[2]["chunks"] > rows[2]["chunks"]


@pytest.mark.parametrize(
    ("splitter", "said"),
    [
        ('{splitter = "nope"}', "there is no 'nope'"),
        (f'{{splitter = "{CORE}:Nope"}}', "has no class Nope"),
        (f'{{splitter = "{CORE}:SentenceSplitter", options = {{chunk_sise = 3}}}}', "takes no 'chunk_sise'"),
        (f'{{splitter = "{CORE}:SentenceSplitter", size = 3}}', "splitters.size: a node parser has options of its own"),
        (f'{{splitter = "{CORE}:SentenceSplitter", options = 3}}', "splitters.options: it must be a table"),
        (f'{{splitter = "{CORE}:SentenceSplitter", options = {{chunk_size = 2024-01-01}}}}', "JSON cannot hold"),
        ("{size = 200, options = {}}", "splitters.options: it goes with a node parser"),
        ("{splitters = 3}", "there is no such key"),
    ],
)
def test_a_wrong_grid(tmp_path, splitter, said):
    (tmp_path / "a.md").write_text("Text.")
    (tmp_path / "cases.jsonl").write_bytes(jsonl({"question": "Q?", "answers": ["Text"]}))
    (tmp_path / "grid.toml").write_text(f'documents = ["a.md"]\ncases = "cases.jsonl"\nsplitters = [{splitter}]\n')
    with pytest.raises(UsageError) as caught:
        read_grid(tmp_path / "grid.toml")
    assert said in caught.value.message


def test_llama_index_is_not_loaded_without_a_parser():
    code = "import sys, ragcli.splitting.parser, ragcli.cli.split, ragcli.diagnosing.commands\n"
    code += "assert not any(name.startswith('llama_index') for name in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=environment()).returncode == 0
