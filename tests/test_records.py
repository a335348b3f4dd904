import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.errors import InputError
from ragcli.jsonl import dumps, loads, objects, records
from ragcli.records import Answer, Chunk, Document, Hit, Result, content_id

TEXT = st.text(st.characters(exclude_categories=()), max_size=50)


def test_unknown_keys_survive():
    line = b'{"type":"document","id":"1","text":"x","source":"a","mine":{"a":[1]}}\n'
    (document,) = records([line], Document)
    assert document.extra == {"mine": {"a": [1]}}
    assert loads(dumps(document.to_dict()))["mine"] == {"a": [1]}


@given(TEXT, TEXT)
def test_any_text_goes_through_json_and_back(text, source):
    document = Document(id=content_id(source, text), text=text, source=source)
    (back,) = records([dumps(document.to_dict()) + b"\n"], Document)
    assert len(back.text) == len(text)
    assert back.text == "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)


def test_line_separator_inside_a_string_is_no_line_end():
    line = '{"type":"document","id":"1","text":"a\u2028b\u0085c","source":"a"}\n'.encode()
    (document,) = records([line], Document)
    assert document.text == "a\u2028b\u0085c"


def test_lone_surrogate_escape_is_read():
    assert list(objects([rb'{"a":"\ud83d"}'])) == [(1, {"a": "\ufffd"})]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"type":"chunk","id":', "line 2"),
        (b"[1]", "not an object"),
        (b'{"type":"result","id":"1","query":"q"}', "expected a chunk record"),
        (b'{"type":"chunk","id":"1"}', "has no 'document_id'"),
        (b'{"type":"chunk","id":1,"document_id":"d","source":"s","text":"","start":0,"end":0}', "must be a string"),
        (b'{"type":"chunk","id":"1","document_id":"d","source":"s","text":"","start":0,"end":0,"pages":"x"}', "a list"),
        (b'{"type":"chunk","id":"1","document_id":"d","source":"s","text":"abc","start":0,"end":2}', "do not fit"),
        (b'{"type":"chunk","id":"1","document_id":"d","source":"s","text":"","start":true,"end":0}', "a whole number"),
    ],
)
def test_a_bad_line_is_named(line, said):
    good = b'{"type":"chunk","id":"1","document_id":"d","source":"s","text":"a","start":0,"end":1}\n'
    with pytest.raises(InputError) as caught:
        list(records([good, line], Chunk))
    assert "line 2" in caught.value.message
    assert said in caught.value.message
    bad = []
    assert len(list(records([good, line, good], Chunk, on_bad=bad.append))) == 2
    assert len(bad) == 1


def test_nested_records_come_back():
    hit = Hit(id="c", document_id="d", source="s", text="t", start=0, end=1, rank=1, score=0.5, scores={"vector": 0.5})
    result = Result(id="q", query="?", hits=[hit])
    (back,) = records([dumps(result.to_dict())], Result)
    assert back == result
    answer = Answer(id="q", question="?", answer="!")
    assert next(records([dumps(answer.to_dict())], Answer)) == answer


def test_ids_come_from_content():
    assert content_id("a", "b") == content_id("a", "b") != content_id("ab")
