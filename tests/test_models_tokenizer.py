"""The built-in tokenizer: XLM-RoBERTa's normalisation and pieces, and the same from few pieces."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.normalizers import Precompiled

from ragcli.embedding import quick
from ragcli.embedding.quick import QuickTokenizer
from ragcli.models import resolve
from ragcli.models.builtin import weights
from ragcli.models.charsmap import charsmap, compositions

FOLDER = resolve().path
WHOLE = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
TEXTS = [
    "",
    "保修期多久？",
    "深度6.2～9.4（公尺）",
    "How much protein per day?",
    "Ｆｕｌｌ　ｗｉｄｔｈ ① ㈱ ½ ™ ﬁ",
    "👩‍👩‍👧 🇨🇳 😀",
    "مرحبا بالعالم שלום",
    "a  b\t\n c\u3000d\u200be\u00adf",
    "PPR-9087 第三十六条",
]


class Engine:
    """The tokenizer in the compiled engine of the package that the weights come from."""

    def __init__(self) -> None:
        library = next(weights().parent.glob("_engine*"))
        self._lib = ctypes.CDLL(str(library))
        self._lib.e5_load.restype = ctypes.c_void_p
        self._lib.e5_load.argtypes = [ctypes.c_char_p]
        self._lib.e5_token_count.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
        self._model = self._lib.e5_load(str(weights()).encode())

    def count(self, text: str) -> int:
        return int(self._lib.e5_token_count(self._model, text.encode(), 1))


@pytest.mark.parametrize("text", TEXTS[1:])  # the engine counts a space at the end
def test_as_many_tokens_as_the_engine_of_the_weights(text: str) -> None:
    assert len(WHOLE.encode("query: " + text).ids) == Engine().count(text)


def test_known_ids() -> None:
    # Those of XLM-RoBERTa as it is published.
    assert WHOLE.encode("Hello world!").ids == [0, 35378, 8999, 38, 2]
    assert WHOLE.encode("深度6.2～9.4").tokens[3:5] != ["~", "9"]


def normal(text: str) -> str:
    return str(WHOLE.normalizer.normalize_str(text))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("ＡＢＣ", "ABC"),
        ("～", "～"),  # NFKC would make ~ of it
        ("e\u0301", "é"),
        ("\u200b\u3000", "  "),
        ("㈱", "(株)"),
        ("\x01a", "a"),
        ("保", "保"),
    ],
)
def test_normalisation(text: str, wanted: str) -> None:
    assert normal(text) == wanted


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.characters(exclude_characters="\0", codec="utf-8"), st.text("abc é保", max_size=3)))
def test_a_trie_gives_back_what_was_put_in(replacements: dict[str, str]) -> None:
    normaliser = Precompiled(charsmap(replacements))
    for key, value in replacements.items():
        assert normaliser.normalize_str(key) == value
    for other in "xyz你😀":
        assert normaliser.normalize_str(other) == replacements.get(other, other)


def test_compositions_are_short_and_canonical() -> None:
    found = compositions()
    assert found["e\u0301"] == "é"
    assert all(len(key.encode()) < 6 for key in found)


@pytest.fixture(scope="module")
def few() -> QuickTokenizer:
    return QuickTokenizer(FOLDER)


def same(few: QuickTokenizer, text: str) -> None:
    few._texts = 0  # so that it never turns to the whole vocabulary
    assert few.encode(text).ids == WHOLE.encode(text).ids
    assert few.encode(text, add_special_tokens=False).ids == WHOLE.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("text", TEXTS)
def test_few_pieces_give_the_same_tokens(few: QuickTokenizer, text: str) -> None:
    same(few, "query: " + text)
    assert few._whole is None


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_few_pieces_give_the_same_tokens_on_any_text(few: QuickTokenizer, text: str) -> None:
    if not any(mark in text for mark in few._pieces.marks):
        same(few, text)
        assert few._whole is None


@pytest.mark.parametrize("text", ["a<s>b</s> <mask>c", "字" * (quick._MOST_CHARACTERS + 1)])
def test_long_texts_and_special_tokens_are_left_to_the_whole_vocabulary(text: str) -> None:
    tokenizer = QuickTokenizer(FOLDER)
    assert tokenizer.encode(text).ids == WHOLE.encode(text).ids
    assert tokenizer._whole is not None


def test_a_folder_without_pieces_is_read_whole(tmp_path: Path) -> None:
    tokenizer: Any = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert QuickTokenizer(tmp_path).encode("保修期").ids == WHOLE.encode("保修期").ids
