"""Chunks have true offsets, lose nothing and are never too long, on any text."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragcli.errors import UsageError
from ragcli.records import Chunk, Document
from ragcli.report import Report
from ragcli.splitting import HuggingFaceCounter, sentence_spans, split

ANY = st.text(st.characters(), max_size=300)
MARKED = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "# T\n",
                "\n## B\n\n",
                "\n---\n",
                "| a | b |\n|---|---|\n",
                "| 1 | 2 |\n",
                "```\n",
                "~~~\n",
                "- x\n",
                "\r\n",
                "\n\n",
                " ",
                "。",
                "”",
                "Dr. ",
                "x. Y",
                "\u2028",
                "\0",
                "\ud800",
                "👨‍👩‍👧",
                "e\u0301",
                "🇨🇳",
                "שלום. ",
                "中文，",
            ]
        ),
        st.text(st.characters(), max_size=20),
    ),
    max_size=40,
).map("".join)


def document(text: str, **more) -> Document:
    return Document(id="d", text=text, source="s.md", **more)


def check(text: str, chunks: list[Chunk]) -> None:
    covered = 0
    last = -1
    for chunk in chunks:
        assert text[chunk.start : chunk.end] == chunk.text
        assert chunk.text.strip()
        assert chunk.start > last
        last = chunk.start
        assert not text[covered : max(covered, chunk.start)].strip()
        assert chunk.end > covered
        covered = chunk.end
    assert not text[covered:].strip()
    assert len({chunk.id for chunk in chunks}) == len(chunks)


@settings(max_examples=600, deadline=None)
@given(st.one_of(ANY, MARKED), st.integers(1, 60), st.data())
def test_any_text_keeps_its_offsets(text, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    chunks = list(split([document(text)], size=size, overlap=overlap))
    check(text, chunks)
    for before, chunk in pairwise(chunks):
        assert before.end - chunk.start <= overlap
    for chunk in chunks:
        assert len(chunk.text) + (len(chunk.header) + 1 if chunk.header else 0) <= size


@settings(max_examples=300, deadline=None)
@given(st.one_of(ANY, MARKED))
def test_sentences_lie_apart_and_hold_everything(text):
    last = 0
    for start, end in sentence_spans(text):
        assert not text[last:start].strip()
        assert text[start:end] == text[start:end].strip() != ""
        last = end
    assert not text[last:].strip()


@pytest.mark.parametrize("text", ["a" * 10**6, "中" * 10**6, "a\u2028" * 500_000, "|\n" * 500_000, "```\n\n" * 200_000])
def test_a_megabyte_without_structure(text):
    check(text, list(split([document(text)], size=800)))


@pytest.mark.parametrize("columns", [20, 60])
def test_a_header_too_long_to_repeat_is_reported(columns):
    header = "|" + "".join(f" column {n} |" for n in range(columns)) + "\n|" + "---|" * columns
    rows = "".join("\n|" + "".join(f" {row}.{n} |" for n in range(columns)) for row in range(20))
    report = Report("split")
    made = document("Words first.\n\n" + header + rows)
    chunks = list(split([made], size=500, report=report))
    assert {chunk.header for chunk in chunks} == {""}
    assert report.counts["headers_not_repeated"] == 1
    (loss,) = report.losses
    assert (loss["kind"], loss["start"]) == ("skipped", 14)


def test_a_table_repeats_its_header():
    rows = "".join(f"| {n} | value {n} |\n" for n in range(100))
    text = "# Prices\n\n| n | v |\n|---|---|\n" + rows
    chunks = list(split([document(text, title="Book")], size=200))
    check(text, chunks)
    assert chunks[0].header == "" and chunks[0].text.startswith("# Prices")
    assert {chunk.header for chunk in chunks[1:]} == {"| n | v |\n|---|---|"}
    assert all(chunk.text.startswith("| ") and chunk.text.endswith(" |") for chunk in chunks[1:])
    assert all(chunk.headings == ["Prices"] and chunk.title == "Book" for chunk in chunks)


def test_headings_stay_with_what_follows_and_pages_are_named():
    text = "# A\n\n" + "x" * 60 + "\n\n## B\n\n" + "y" * 60 + "\n\nSet\n===\n\n" + "z" * 60
    spans = [{"start": 0, "end": 70, "page": 1}, {"start": 70, "end": len(text), "page": 2}]
    chunks = list(split([document(text, spans=spans)], size=80))
    check(text, chunks)
    assert [chunk.headings for chunk in chunks] == [["A"], ["A", "B"], ["Set"]]
    assert [chunk.pages for chunk in chunks] == [[1], [1, 2], [2]]


def test_code_is_kept_whole():
    code = "```python\n# not a heading\n\nx = 1\n```"
    text = "word " * 30 + "\n\n" + code + "\n\n" + "word " * 30
    assert any(code in chunk.text for chunk in split([document(text)], size=160))


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("“怎么了？”，他说。好。", ["“怎么了？”，他说。", "好。"]),
        (
            "他说：“你好！”然后走了。真的吗？是的；好……嗯。",
            ["他说：“你好！”", "然后走了。", "真的吗？", "是的；", "好……", "嗯。"],
        ),
        ("Dr. Smith paid 3.5 USD. See v1.2.3 at https://a.com/x.html?q=1 now.", 2),
        ("Mr. J. R. Jones of the U.S. Army left. He ran.", ["Mr. J. R. Jones of the U.S. Army left.", "He ran."]),
    ],
)
def test_sentences(text, want):
    found = [text[start:end] for start, end in sentence_spans(text)]
    assert (len(found) if isinstance(want, int) else found) == want


@pytest.mark.parametrize(
    "bad", [{"size": 0}, {"size": -1}, {"overlap": -1}, {"size": 10, "overlap": 10}, {"unit": "tokens"}, {"unit": "x"}]
)
def test_bad_settings_are_named_at_once(bad):
    with pytest.raises(UsageError):
        split([], **bad)


def test_sentences_overlap_and_no_more_than_asked():
    text = "".join(f"这是第{n}句话，内容不长。" for n in range(50))
    chunks = list(split([document(text)], size=100, overlap=30))
    check(text, chunks)
    for before, chunk in pairwise(chunks):
        assert 0 < before.end - chunk.start <= 30
        assert chunk.text.startswith("这是第") and chunk.text.endswith("。")


def test_windows_line_ends():
    text = "# A\r\n\r\n" + "word " * 20 + "\r\n\r\n- x\r\n- y\r\n\r\n# B\r\n\r\n" + "word " * 20
    chunks = list(split([document(text)], size=130))
    check(text, chunks)
    assert [chunk.headings for chunk in chunks] == [["A"], ["B"]]


def test_what_belongs_together_is_not_parted():
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    for part in (family, "e\u0301", "\U0001f1e8\U0001f1f3"):
        text = part * 40
        for chunk in split([document(text)], size=len(part) * 3 + 1):
            assert chunk.text == part * (len(chunk.text) // len(part))


def test_the_loaders_headings_slides_and_sheets_count():
    text = "x" * 50 + "\n\n" + "y" * 50
    spans = [{"start": 0, "end": 50, "slide": 1, "headings": ["One", "Two"]}, {"start": 52, "end": 102, "sheet": "S"}]
    chunks = list(split([document(text, spans=spans)], size=60))
    assert [(chunk.headings, chunk.pages) for chunk in chunks] == [(["One", "Two"], [1]), (["S"], [])]


def test_one_document_at_a_time():
    taken = []

    def source():
        for n in range(3):
            taken.append(n)
            yield document("text")

    stream = split(source())
    next(stream)
    assert taken == [0]


def test_counts_add_up():
    report = Report("split")
    made = list(split([document("a b"), document(" \n")], report=report))
    assert report.counts == {"documents_in": 2, "documents_empty": 1, "characters_in": 5, "chunks_out": len(made)}


@pytest.fixture(scope="module")
def counter() -> HuggingFaceCounter:
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {"[UNK]": 0, **{chr(n): n for n in range(1, 128)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return HuggingFaceCounter(tokenizer, 40)


@settings(max_examples=150, deadline=None)
@given(text=MARKED, size=st.integers(4, 40))
def test_tokens_are_never_more_than_asked(counter, text, size):
    chunks = list(split([document(text)], size=size, overlap=size // 3, unit="tokens", count=counter))
    check(text, chunks)
    for chunk in chunks:
        whole = f"{chunk.header}\n{chunk.text}" if chunk.header else chunk.text
        assert len(counter.spans(whole)) <= size


@pytest.mark.parametrize("joint", ["，", ", ", ""])
def test_sentences_without_an_end_overlap_too(joint):
    text = joint.join(f"客户服务条款内容{n}" for n in range(100))
    chunks = list(split([document(text)], size=100, overlap=30))
    overlaps = [before.end - after.start for before, after in pairwise(chunks)]
    assert all(0 < overlap <= 30 for overlap in overlaps)
    assert {chunk.last for chunk in chunks[:-1]} == {False} and chunks[-1].last


def test_the_white_space_between_chunks_is_kept():
    text = "# A\n\n" + "one two three. " * 40 + "\n\n\n# B\n\nfour five."
    chunks = list(split([document(text, format="markdown")], size=200))
    for before, after in pairwise(chunks):
        assert before.text + before.after + after.text == text[before.start : after.end]
    assert {chunk.format for chunk in chunks} == {"markdown"}
