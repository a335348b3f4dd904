import pytest

from ragcli.config import defaults
from ragcli.errors import InputError, UsageError
from ragcli.lexical import fold
from ragcli.questions import read_questions
from ragcli.where import rewrite

OPTIONS = {"query": {"top-k": "k", "db": "db"}, "embed": {"db": "db"}}


def test_plain_lines_and_json_lines():
    plain = list(read_questions(["保修期多久？\n".encode(), b"\n", b"How long?"]))
    assert [one.text for one in plain] == ["保修期多久？", "How long?"]
    assert plain[0].id != plain[1].id
    beir = list(read_questions([b'{"_id":"q1","text":"How long?","metadata":{}}\n', b'{"id":7,"query":"x"}']))
    assert [(one.id, one.text) for one in beir] == [("q1", "How long?"), ("7", "x")]
    assert beir[0].extra == {"metadata": {}}


@pytest.mark.parametrize("line", [b'{"_id":"q1"}', b'{"_id":"q1","text":"  "}', b'{"text":'])
def test_bad_question_is_named(line):
    with pytest.raises(InputError, match="line 2"):
        list(read_questions([b'{"text":"a"}\n', line]))


def test_settings_files_weaker_first(tmp_path):
    weak, strong = tmp_path / "weak.toml", tmp_path / "strong.toml"
    weak.write_text('db = "one"\n[query]\ntop-k = 3\n')
    strong.write_text('db = "two"\n')
    assert defaults(OPTIONS, [weak, strong]) == {"query": {"k": 3, "db": "two"}, "embed": {"db": "two"}}


@pytest.mark.parametrize("text", ["tok-k = 1", "[qery]\nk = 1", "[query]\nk = 1", "db ="])
def test_misspelt_settings_are_errors(tmp_path, text):
    path = tmp_path / "ragcli.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"ragcli\.toml"):
        defaults(OPTIONS, [path])


def test_metadata_paths_become_json_calls():
    assert rewrite("metadata.year >= 2020") == "TRY_CAST(json_get_string(metadata, 'year') AS DOUBLE) >= 2020"
    assert rewrite("metadata.a.b = 'metadata.c'") == "json_get_string(json_get(metadata, 'a'), 'b') = 'metadata.c'"
    assert rewrite("end > 5") == "`end` > 5"


def test_fold_sets_numerals_and_codes_apart():
    assert "三十六" in fold("第三十六条").split()
    assert "PPR9087" in fold("PPR-9087").split()
