"""Pages: well-formed whatever stands in them, nothing loaded from elsewhere, drawings that are where they should be."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ragcli.errors import UsageError
from ragcli.pages import (
    Bar,
    Cell,
    Column,
    Mark,
    Point,
    bars,
    bullets,
    details,
    differences,
    element,
    facts,
    figure,
    intervals,
    notice,
    page,
    paragraph,
    scatter,
    section,
    table,
    write_page,
)  # fmt: skip
from ragcli.pages.charts import apart, log_ticks, ticks

HOSTILE = "<script>alert('x')</script> \"&amp;\" ]]> \x00\x1b[31m \u202edcba \ud800 保修期多久？"
ADDRESSES = ("href", "src", "srcset", "action", "data", "poster", "background", "xlink:href")


class Addresses(HTMLParser):
    """Collects what a page would load, and the text of its scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []
        self.inline = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.found += [value or "" for name, value in attrs if name in ADDRESSES]
        self.inline += " ".join(value or "" for name, value in attrs if name == "style" or name.startswith("on"))

    def handle_data(self, data):
        if self.tags[-1:] in (["style"], ["script"]):
            self.inline += data


def check(content: str) -> ElementTree.Element:
    """The page as XML, after making sure that it loads nothing."""
    seen = Addresses()
    seen.feed(content)
    assert seen.found == ["data:,"] and "url(" not in seen.inline and "@import" not in seen.inline
    assert seen.tags.count("script") == 1 and not {"iframe", "object", "embed", "img"} & set(seen.tags)
    return ElementTree.fromstring(content.removeprefix("<!DOCTYPE html>"))


def whole(text: str) -> str:
    mark = Mark(name=text, value=0.5, low=0.4, high=0.6, shown=text, sub=text, strong=True)
    points = [Point(label=text, name=text, x=at, y=0.5, low=0.4, high=0.6) for at in (1.0, 1.0, 900.0)]
    return page(
        text,
        section(text, paragraph(text), bullets([text]), notice(text, kind="bad", heading=text)),
        figure(text, intervals([mark]), bars([Bar(name=text, value=1, shown=text)]), explained=text),
        scatter(points, title=text, description=text, x_axis=text, y_axis=text, kinds=[text]),
        differences([1, 0, -0.5], title=text, description=text),
        table([Column(text, explained=text)], [[Cell(text, text)]], caption=text, sortable=True),
        details(text, facts([(text, text)])),
        lead=text,
    )


def test_what_stands_in_a_page_is_text_and_nothing_is_loaded():
    made = check(whole(HOSTILE))
    said = "".join(made.itertext())
    assert "<script>alert('x')</script>" in said and "保修期多久？" in said and "&amp;" in said
    assert not re.search("[\x00\x1b\u202e\ud800]", said)
    policy = made.find("head/meta[@http-equiv='Content-Security-Policy']").get("content")
    assert policy.startswith("default-src 'none'") and "unsafe-inline" not in policy.partition("script-src")[2]


@settings(max_examples=80, deadline=None)
@given(st.text())
def test_any_text_makes_a_well_formed_page(text):
    check(whole(text))


def test_drawings_say_in_words_what_they_show():
    made = check(whole("words"))
    for drawing in made.iter("svg"):
        assert drawing.get("aria-hidden") == "true" or (
            drawing.get("role") == "img" and drawing.findtext("title") and drawing.get("aria-label")
        )
    assert made.find(".//table/caption").text == "words" and made.find(".//th[@scope='row']") is not None


def test_differences_take_their_share_of_the_width():
    made = ElementTree.fromstring(differences([0.0] * 6 + [-0.5, 1.0, 1.0, -1.0], title="a", description="b"))
    drawn = [(one.get("class"), one.get("x"), one.get("width"), one.get("height")) for one in made.iter("rect")]
    assert drawn == [("up", "0%", "20%", "44"), ("down", "80%", "10%", "22"), ("down", "90%", "10%", "44")]


def test_points_are_as_high_as_they_are_good():
    points = [Point(label=str(y), name="n", x=10, y=y, low=y, high=y) for y in (0.2, 0.9)]
    made = ElementTree.fromstring(scatter(points, title="a", description="b", x_axis="x", y_axis="y"))
    low, high = (float(one.get("cy")) for one in made.iter("circle"))
    assert 0 <= high < low <= 300


@settings(max_examples=300)
@given(st.floats(0, 1), st.floats(0, 1), st.integers(2, 8))
@example(0.0, 5e-324, 2)
@example(0.5, 0.5, 5)
def test_ticks_enclose_what_is_drawn(one, other, count):
    low, high = sorted((one, other))
    found = ticks(low, high, count)
    assert found[0] <= low + 1e-9 and found[-1] >= high - 1e-9 and len(found) <= 3 * count + 3
    assert found == sorted(set(found))


@given(st.floats(1e-3, 1e6), st.floats(1e-3, 1e6))
def test_powers_enclose_what_is_drawn(one, other):
    low, high = sorted((one, other))
    found = log_ticks(low, high)
    assert found[0] <= low * (1 + 1e-6) and found[-1] >= high * (1 - 1e-6) and len(found) >= 2


def test_points_do_not_cover_each_other():
    places = [(100.0, 50.0)] * 5 + [(104.0, 52.0), (10.0, 10.0)]
    moved = apart(places, 19)
    put = [(x + by, y) for (x, y), by in zip(places, moved, strict=True)]
    assert moved[-1] == 0
    for at, (x, y) in enumerate(put):
        assert all((x - a) ** 2 + (y - b) ** 2 >= 18.9**2 for a, b in put[at + 1 :])


def test_a_page_that_cannot_be_written_is_a_sentence(tmp_path):
    with pytest.raises(UsageError, match=r"--html .*nowhere/a\.html cannot be written: No such file"):
        write_page(tmp_path / "nowhere" / "a.html", page("a", element("p", "b")))
