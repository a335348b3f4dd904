import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.fusion import fuse
from ragcli.neighbours import expand
from ragcli.records import Hit

SCORES = st.dictionaries(st.integers(0, 50), st.floats(0, 30), min_size=1, max_size=20)


@given(SCORES)
def test_contributions_add_up_and_nothing_is_lost(scores):
    fused = fuse({"vector": scores, "text": {row: 30 - score for row, score in scores.items()}})
    assert {one.row for one in fused} == set(scores)
    for one in fused:
        assert sum(one.contributions.values()) == pytest.approx(one.score)
    assert [one.score for one in fused] == sorted((one.score for one in fused), reverse=True)


def test_the_surer_list_wins():
    flat = {1: 0.82, 2: 0.83, 3: 0.81, 4: 0.82, 5: 0.825, 6: 0.815, 7: 0.82}
    sure = {1: 20.0, 2: 2.0, 3: 2.0, 4: 1.0, 5: 1.0, 6: 1.0, 7: 1.0}
    assert fuse({"vector": flat, "text": sure})[0].row == 1


TEXT = "Alpha beta.\nGamma delta.\n\nEpsilon zeta eta."
PLACES = [(0, 11), (6, 24), (26, 43)]  # the second overlaps the first; a gap of two before the third


def _hit(at: int, rank: int = 1) -> Hit:
    start, end = PLACES[at]
    after = TEXT[end : PLACES[at + 1][0]] if at < 2 else ""
    place = {"start": start, "end": end, "after": after}
    return Hit(id=str(at), document_id="d", source="s", text=TEXT[start:end], rank=rank, score=1, **place)


def _rows() -> list[dict]:
    keys = ("id", "text", "start", "end", "pages", "header", "after")
    return [{key: getattr(_hit(at), key) for key in keys} for at in range(3)]


def test_neighbours_join_without_repeating():
    (hit,) = expand([_hit(1)], {"d": _rows()}, 1)
    assert hit.text == TEXT
    assert (hit.start, hit.end) == (0, 43)
    assert hit.text[hit.extra["core"]["start"] : hit.extra["core"]["end"]] == TEXT[6:24]


def test_a_hit_is_not_repeated_as_a_neighbour():
    first, second = expand([_hit(0), _hit(1, 2)], {"d": _rows()}, 1)
    assert first.text == TEXT[0:11]
    assert second.text == TEXT[6:43]


@given(
    st.text(st.sampled_from("ab \n"), min_size=40, max_size=200),
    st.integers(0, 6),
    st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True),
    st.integers(1, 3),
)
def test_what_is_joined_is_the_documents_text_and_stands_once(text, overlap, found, n):
    from ragcli.records import Document
    from ragcli.splitting import split

    chunks = list(split([Document(id="d", source="s", text=text)], size=12, overlap=overlap))
    rows = [chunk.to_dict() for chunk in chunks]
    hits = [
        Hit(**{key: value for key, value in rows[at].items() if key != "type"}, rank=rank, score=1)
        for rank, at in enumerate((at for at in found if at < len(rows)), 1)
    ]
    given = []
    for hit, joined in zip(hits, expand(hits, {"d": rows}, n), strict=True):
        assert joined.text == text[joined.start : joined.end]
        assert joined.start <= hit.start < hit.end <= joined.end
        around = {*range(joined.start, joined.end)} - {*range(hit.start, hit.end)}
        assert not around & {place for low, high in given for place in range(low, high)}
        given.append((joined.start, joined.end))
