"""PDFs: the order of what is read, tables, headers, garbage, scans, forms, and files that are broken."""

import functools
import operator
import re
import time
import zlib
from pathlib import Path

import pytest

from conftest import run as command
from ragcli.errors import LoadError
from ragcli.loading import ocr
from ragcli.loading.layout import Box, reading_order
from ragcli.loading.pdf.document import read
from ragcli.loading.source import Options, Source
from ragcli.report import Report

DATA = Path(__file__).parent / "data"
needs_ocr = pytest.mark.skipif(not ocr.available(), reason="needs the extra 'ocr'")
FONT = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"


def pdf(*pages, font=FONT, objects=(), catalog="", page="", box="0 0 600 800"):
    """A PDF of a page for each content stream; ``objects`` are numbered from 3."""
    bodies = [f"<</Type/Catalog/Pages 2 0 R{catalog}>>".encode(), b""]
    bodies += [body if isinstance(body, bytes) else body.encode() for body in objects]
    kids = []
    for content in pages:
        content = content if isinstance(content, bytes) else content.encode("cp1252")
        kids.append(f"{len(bodies) + 1} 0 R")
        bodies.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[{box}]/Resources<</Font<</F {font}>>/XObject<</I 3 0 R>>>>"
            f"/Contents {len(bodies) + 2} 0 R{page}>>".encode()
        )
        bodies.append(b"<</Length %d>>stream\n%b\nendstream" % (len(content), content))
    bodies[1] = f"<</Type/Pages/Kids[{' '.join(kids)}]/Count {len(kids)}>>".encode()
    out, places = b"%PDF-1.7\n", []
    for number, body in enumerate(bodies, 1):
        places.append(len(out))
        out += b"%d 0 obj %b endobj\n" % (number, body)
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    trailer = f"trailer<</Size {len(bodies) + 1}/Root 1 0 R>>\nstartxref\n{len(out)}\n%%EOF\n"
    return out + (f"xref\n0 {len(bodies) + 1}\n0000000000 65535 f \n" + table + trailer).encode()


def at(x, y, text, size=10):
    escaped = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
    return f"BT /F {size} Tf {x} {y} Td ({escaped}) Tj ET\n"


def stream(content, entries=""):
    return f"<</Length {len(content)}{entries}>>stream\n".encode() + content + b"\nendstream"


def loaded(data, **options):
    report = Report("load")
    documents = list(read(Source("a.pdf", options=Options(**{"ocr": "never", **options}), report=report, data=data)))
    counts = report.counts
    assert counts["pages_seen"] == counts["pages_loaded"] + counts["pages_failed"] + counts["pages_skipped"]
    return documents, report


def text_of(data, **options):
    (document,), _ = loaded(data, **options)
    for span in document.spans:
        assert 0 <= span["start"] < span["end"] <= len(document.text)
    return document.text


# --- the order of boxes


def column(x, width, top, count, first=0):
    return [Box(x, top + 12 * n, x + width * (0.6 if n % 5 == 4 else 1), top + 12 * n + 10) for n in range(count)]


def ordered(boxes, **options):
    return [at for block in reading_order(boxes, **options) for at in block]


@pytest.mark.parametrize("columns", [2, 3, 4])
@pytest.mark.parametrize("shift", [0, 4])  # lines of both columns on one height, or not
def test_columns_between_a_title_and_a_footer(columns, shift):
    width = 560 // columns - 20
    boxes = [Box(60, 20, 540, 40)]
    for number in range(columns):
        boxes += column(20 + 560 // columns * number, width, 60 + shift * (number % 2), 30)
    boxes.append(Box(280, 760, 320, 770))
    mixed = sorted(range(len(boxes)), key=lambda n: (boxes[n].top, boxes[n].left))
    assert [mixed[n] for n in ordered([boxes[n] for n in mixed])] == list(range(len(boxes)))


def test_a_heading_across_the_middle_parts_the_columns():
    first = column(20, 260, 20, 10) + column(310, 260, 20, 10)
    second = column(20, 260, 200, 10) + column(310, 260, 200, 10)
    boxes = [*first, Box(20, 160, 570, 180), *second]
    assert ordered(boxes[::-1]) == list(range(len(boxes)))[::-1]


def test_a_table_is_read_by_row():
    boxes = [Box(50 + 100 * c, 14 * r, 80 + 100 * c + 10 * ((7 * r + c) % 4), 14 * r + 10)
             for r in range(20) for c in range(5)]  # fmt: skip
    by_column = [r * 5 + c for c in range(5) for r in range(20)]
    assert [by_column[n] for n in ordered([boxes[n] for n in by_column])] == list(range(100))


def test_a_skewed_line_stays_one():
    boxes = [Box(50 * n, 100 + 2 * n + 30 * r, 50 * n + 40, 112 + 2 * n + 30 * r) for r in range(3) for n in range(10)]
    assert ordered(boxes) == list(range(30))


def test_right_columns_come_first_in_arabic():
    boxes = column(310, 260, 20, 10) + column(20, 260, 20, 10)
    assert ordered(boxes, right_to_left=True) == list(range(20))


def test_any_boxes_are_ordered_once_and_fast():
    nan, inf = float("nan"), float("inf")
    strange = [Box(nan, 0, 1, 1), Box(0, 0, inf, 1), Box(5, 5, 5, 5), Box(9, 9, 1, 1), Box(1e300, 0, -1e300, 1)]
    assert sorted(ordered(strange)) == list(range(5))
    assert reading_order([]) == []
    many = functools.reduce(operator.iadd, (column(20 + 140 * number, 120, 20, 250) for number in range(4)), [])
    began = time.perf_counter()
    assert ordered(many) == list(range(1000))
    assert time.perf_counter() - began < 0.5  # some 15 ms, on a machine that has nothing else to do


# --- reading order, hyphens, headers

LEFT = ["The first column of the page tells how the", "pump is taken apart, and which of its parts",
        "have to be cleaned before it is put together", "again by two people who have done it before,",
        "or by one of them with a hoist of the works."]  # fmt: skip
RIGHT = ["In the second column the warranty is told:", "it lasts two years from the day on which the",
         "machine was set up, and ends with the first", "repair by somebody who was not trained for it",
         "by the maker or by the agent of the maker."]  # fmt: skip


def test_columns_drawn_line_by_line():
    drawn = at(60, 760, "Manual of the pump", 18)
    for number, (one, other) in enumerate(zip(LEFT, RIGHT, strict=True)):
        drawn += at(50, 700 - 12 * number, one) + at(310, 700 - 12 * number, other)
    text = text_of(pdf(drawn))
    assert "\n".join(LEFT) in text and "\n".join(RIGHT) in text
    assert text.index("Manual") < text.index(LEFT[0]) < text.index(RIGHT[0])
    assert "|" not in text


def test_order_of_drawing_is_kept_where_it_reads_well():
    drawn = "".join(at(50, 700 - 12 * n, line) for n, line in enumerate(LEFT))
    drawn += "".join(at(310, 706 - 12 * n, line) for n, line in enumerate(RIGHT))
    assert text_of(pdf(drawn)) == "\n".join(LEFT) + "\n\n" + "\n".join(RIGHT)


def test_hyphens_at_line_ends():
    drawn = (
        at(50, 700, "This is a well-") + at(50, 688, "known method to keep infor-") + at(50, 676, "mation, years 2019-")
    )
    drawn += at(50, 664, "2021, as of any re-") + at(50, 652, "source. The well-known information is here.")
    text = " ".join(text_of(pdf(drawn)).split())
    assert "a well-known method" in text and "keep information, years 2019-2021," in text and "any resource." in text


def with_margins(count):
    pages = []
    for number in range(1, count + 1):
        body = "".join(at(50, 700 - 12 * n, f"Sentence {n} of page {number} says {number * 7 + n}.") for n in range(9))
        pages.append(at(50, 770, "Acme pumps - internal") + body + at(280, 30, f"{number} / {count}"))
    return pdf(*pages)


def test_headers_that_repeat_are_left_out():
    (document,), report = loaded(with_margins(5))
    assert "Acme" not in document.text and "5 / 5" not in document.text
    assert document.text.count("Sentence") == 45
    assert report.counts["headers_left_out"] == 10
    kept = text_of(with_margins(5), keep_headers=True)
    assert kept.count("Acme pumps - internal") == 5 and "5 / 5" in kept


def test_two_pages_have_no_headers():
    assert text_of(with_margins(2)).count("Acme pumps - internal") == 2


def test_headers_of_odd_and_even_pages():
    pages = [
        at(50, 770, "Acme manual" if n % 2 else f"Chapter {n // 4}: pumps") + at(50, 400, f"Body {'abcdefgh'[n]} text.")
        for n in range(8)
    ]
    text = text_of(pdf(*pages))
    assert "Acme manual" not in text and text.count("Body") == 8


# --- tables


def test_a_ruled_table_with_merged_cells():
    drawn = at(50, 760, "Prices of the year")
    cells = [("Region", "Fee", "Note"), ("North", "10", "paid twice"), ("South", "20", "")]
    for r, row in enumerate(cells):
        for c, cell in enumerate(row):
            drawn += at(55 + 100 * c, 708 - 20 * r, cell) if cell else ""
    for y in (720, 700, 680, 660):  # the last column has no line between its two lower cells
        drawn += f"50 {y} m {250 if y == 680 else 350} {y} l S\n"
    for x in (50, 150, 250, 350):
        drawn += f"{x} 660 0.5 60 re f\n"
    drawn += at(50, 620, "What follows the table.")
    text = text_of(pdf(drawn))
    assert text == (
        "Prices of the year\n\n| Region | Fee | Note |\n| --- | --- | --- |\n| North | 10 | paid twice |\n"
        "| South | 20 |  |\n\nWhat follows the table."
    )


@pytest.mark.parametrize("by_column", [False, True])
def test_an_aligned_table(by_column):
    rows = [
        ("Item", "2023", "2024"),
        ("Pumps sold", "1,200", "1,310"),
        ("Returned", "12", "9"),
        ("Repaired", "40", "38"),
    ]
    places = [(r, c) for r in range(4) for c in range(3)]
    drawn = at(50, 760, "Sales of the last two years, in pieces, as they were reported.")
    for r, c in sorted(places, key=lambda place: place[::-1]) if by_column else places:
        drawn += at(50 + 120 * c, 700 - 14 * r, rows[r][c])
    text = text_of(pdf(drawn))
    assert "| Item | 2023 | 2024 |\n| --- | --- | --- |\n| Pumps sold | 1,200 | 1,310 |\n" in text
    assert text.count("Returned") == 1


def test_what_is_no_table():
    contents = "".join(
        at(50, 760 - 14 * n, f"Part {n} {'. ' * 40}") + at(500, 760 - 14 * n, str(n * 7)) for n in range(1, 9)
    )
    numbered = "".join(at(50, 760 - 14 * n, f"{n}.") + at(80, 760 - 14 * n, "Take the lid off.") for n in range(1, 9))
    transcript = "".join(at(30, 760 - 14 * n, str(n)) + at(90, 760 - 14 * n, LEFT[n % 5]) for n in range(1, 20))
    assert "| ---" not in text_of(pdf(contents, numbered, transcript))


# --- directions


@pytest.mark.parametrize(("matrix", "page"), [
    ("0 1 -1 0 500 100", ""), ("0 -1 1 0 100 700", ""), ("-1 0 0 -1 500 700", ""), ("0 1 -1 0 500 100", "/Rotate 90"),
])  # fmt: skip
def test_turned_text(matrix, page):
    drawn = "".join(f"BT /F 10 Tf 0 {-12 * n} Td ({line}) Tj ET\n" for n, line in enumerate(LEFT))
    assert text_of(pdf(f"q {matrix} cm\n{drawn}Q", page=page)) == "\n".join(LEFT)


def test_a_stamp_in_the_margin_is_set_aside():
    drawn = "".join(at(50, 700 - 12 * n, line) for n, line in enumerate(LEFT))
    stamp = "q 0 1 -1 0 30 300 cm BT /F 16 Tf 0 0 Td (arXiv:2101.00001 of January) Tj ET Q\n"
    assert text_of(pdf(stamp + drawn)) == "\n".join(LEFT) + "\n\narXiv:2101.00001 of January"


def mapped(text, width=600):
    """A font whose codes from 33 on stand for the characters of the text."""
    pairs = "".join(f"<{33 + n:02X}> <{c.encode('utf-16-be').hex()}>\n" for n, c in enumerate(text))
    table = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def 1 begincodespacerange <00> <FF>"
        f" endcodespacerange {len(text)} beginbfchar\n{pairs}endbfchar endcmap end end"
    )
    font = (
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 4 0 R/FirstChar 33/LastChar"
        f" {32 + len(text)}/Widths[{f'{width} ' * len(text)}]>>"
    )
    return font, ["<<>>", stream(table.encode())]


def hexed(codes):
    return "<" + "".join(f"{code:02X}" for code in codes) + ">"


@pytest.mark.parametrize("logical", [False, True])  # drawn from the left as it is seen, or from the right as it is read
def test_arabic(logical):
    text = "مرحبا بكم 25"
    letters = sorted(set(text) - {" "})
    font, objects = mapped(letters)
    codes = {c: 33 + letters.index(c) for c in letters}
    seen = ["2", "5", " ", *"مكب", " ", *"ابحرم"]
    placed = [(100 + 8 * n, c) for n, c in enumerate(seen) if c != " "]
    if logical:
        placed = placed[2:][::-1] + placed[:2]
    drawn = "".join(f"BT /F 12 Tf {x} 700 Td {hexed([codes[c]])} Tj ET\n" for x, c in placed)
    assert text_of(pdf(drawn, font=font, objects=objects)) == text


def test_vertical_chinese():
    text = "保修期为两年自购买日起算"
    font, objects = mapped(text, 1000)
    drawn = ""
    for n in range(len(text)):
        x, y = 500 - 20 * (n // 6), 700 - 12 * (n % 6)
        drawn += f"BT /F 12 Tf {x} {y} Td {hexed([33 + n])} Tj ET\n"
    found = text_of(pdf(drawn, font=font, objects=objects))
    assert "".join(found.split()) == text


def test_chinese_glyphs_set_one_by_one():
    text = "全世界无产者联合起来为了共同的目标"
    font, objects = mapped(text, 1000)
    drawn = "".join(f"BT /F 12 Tf {60 + 20 * n} 700 Td {hexed([33 + n])} Tj ET\n" for n in range(len(text)))
    assert text_of(pdf(drawn, font=font, objects=objects)) == text


def test_a_full_line_of_chinese_goes_on_in_the_next():
    lines = [
        "本产品的保修期为两年自购买之日起计",
        "算用户应当按照说明书的要求进行安装",
        "和维护。",
        "公司不承担因使用不当而造成的损坏的",
    ]
    letters = sorted(set("".join(lines)))
    font, objects = mapped(letters, 1000)
    drawn = ""
    for n, line in enumerate(lines):
        codes = [33 + letters.index(c) for c in line]
        drawn += f"BT /F 12 Tf 60 {700 - 16 * n} Td {hexed(codes)} Tj ET\n"
    assert text_of(pdf(drawn, font=font, objects=objects)) == f"{lines[0]}{lines[1]}{lines[2]}\n{lines[3]}"


def test_bold_drawn_twice_and_text_outside_the_page():
    drawn = at(50, 700, "Warranty: two years") + at(50.3, 700, "Warranty: two years") + at(700, 700, "slug 12.pdf")
    (document,), report = loaded(pdf(drawn))
    assert document.text == "Warranty: two years"
    assert [(loss["kind"], "outside" in loss["reason"]) for loss in report.losses] == [("skipped", True)]


# --- garbage and scans


def garbage():
    """A page of Chinese in a font without a Unicode map, as programs that embed subsets write it."""
    font = (
        "<</Type/Font/Subtype/Type0/BaseFont/X/Encoding/Identity-H/DescendantFonts[<</Type/Font/Subtype/CIDFontType2"
        "/BaseFont/X/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/DW 1000>>]>>"
    )
    codes = "".join(f"{0x1234 + 37 * n:04X}" for n in range(60))
    return pdf(f"BT /F 10 Tf 50 700 Td <{codes}> Tj ET", font=font)


def test_garbage_is_named():
    (document,), report = loaded(garbage())
    assert report.counts["garbled_pages"] == 1
    assert [(loss["kind"], loss["pages"]) for loss in report.losses] == [("partial", [1])]
    assert "garbled" in report.losses[0]["reason"]
    assert document.spans[0]["page"] == 1


def test_words_that_cannot_be_words_are_garbage():
    turned = str.maketrans("abcdefghijklmnopqrstuvwxyz", "efghijklmnopqrstuvwxyzabcd")
    drawn = "".join(at(50, 700 - 12 * n, line.translate(turned)) for n, line in enumerate(LEFT + RIGHT))
    _, report = loaded(pdf(drawn))
    assert report.counts["garbled_pages"] == 1


@pytest.mark.parametrize("lines", [
    [f"XJ-{n}47-QRT  DIN 93{n}  {n * 3.25}" for n in range(20)],
    [f"x = f(x{n}) + g(y) * sqrt(z{n})  # dx/dt" for n in range(20)],
    ["callNextMethod getGenerics setClassUnion", "for (i = 0; i < n; i++) { printf(buf); }"] * 10,
    ["Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich"] * 9,
])  # fmt: skip
def test_what_is_no_garbage(lines):
    _, report = loaded(pdf("".join(at(50, 760 - 12 * n, line) for n, line in enumerate(lines))))
    assert "garbled_pages" not in report.counts


def scanned(text="Warranty: two years", stamp=""):
    """A page that is a picture of another page."""
    import pypdfium2

    page = pypdfium2.PdfDocument(pdf(at(20, 60, text, 22), box="0 0 300 120"))[0]
    picture = page.render(scale=3, rev_byteorder=True).to_numpy()[:, :, :3]
    height, width = picture.shape[:2]
    entries = f"/Type/XObject/Subtype/Image/Width {width}/Height {height}/ColorSpace/DeviceRGB/BitsPerComponent 8"
    image = stream(zlib.compress(picture.tobytes()), f"{entries}/Filter/FlateDecode")
    return {"objects": [image], "page": ""}, f"q 300 0 0 120 0 0 cm /I Do Q {stamp}"


def test_scans_without_ocr():
    more, page = scanned()
    words = at(20, 60, "A page of words")
    (document,), report = loaded(pdf(words, page, box="0 0 300 120", **more))
    assert [span["page"] for span in document.spans] == [1]
    assert [(loss["kind"], loss["pages"]) for loss in report.losses] == [("partial", [2])]
    assert report.counts["pages_failed"] == 1 and report.failed
    with pytest.raises(LoadError, match="2 pages: they are pictures"):
        loaded(pdf(page, page, box="0 0 300 120", **more))


@needs_ocr
def test_scans_by_ocr():
    more, page = scanned(stamp=at(5, 5, "CONFIDENTIAL", 6))
    words = at(20, 60, "A page of words that are text")
    (document,), report = loaded(pdf(words, page, box="0 0 300 120", **more), ocr="auto")
    assert [span["page"] for span in document.spans] == [1, 2]
    assert "ocr" not in document.spans[0] and 0.5 < document.spans[1]["ocr"] <= 1
    second = document.text[document.spans[1]["start"] : document.spans[1]["end"]]
    assert "Warranty:twoyears" in "".join(second.split())
    assert report.counts["pages_ocr"] == 1 and not report.losses
    (every,), report = loaded(pdf(words, page, box="0 0 300 120", **more), ocr="always")
    assert report.counts["pages_ocr"] == 2 and "words that are text" in every.text


def test_blank_pages_are_skipped():
    (document,), report = loaded(pdf(at(50, 700, "Text"), "", at(50, 700, "More")))
    assert [span["page"] for span in document.spans] == [1, 3]
    assert [(loss["kind"], loss["pages"]) for loss in report.losses] == [("skipped", [2])]
    assert report.counts["pages_skipped"] == 1 and not report.failed


# --- what lies beside the pages


def test_bookmarks_are_headings():
    objects = [
        "<<>>", "<</Type/Outlines/First 5 0 R/Last 6 0 R>>",
        "<</Title(Cleaning)/Parent 4 0 R/Next 6 0 R/First 7 0 R/Dest[8 0 R/XYZ 0 720 0]>>",
        "<</Title(Not on the page)/Parent 4 0 R/Dest[8 0 R/XYZ 0 640 0]>>",
        "<</Title(The two pumps)/Parent 5 0 R/Dest[8 0 R/XYZ 0 680 0]>>",
    ]  # fmt: skip
    drawn = at(50, 700, "1 Cleaning", 14) + at(50, 680, "Take it apart.") + at(50, 660, "1.1 The two", 12)
    drawn += at(50, 646, "pumps", 12) + at(50, 620, "Last line.")
    text = text_of(pdf(drawn, objects=objects, catalog="/Outlines 4 0 R"))
    assert text == "# 1 Cleaning\n\nTake it apart.\n\n## 1.1 The two pumps\n\n# Not on the page\n\nLast line."
    objects[2] = objects[2].replace("/Next 6 0 R", "/Next 5 0 R").replace("/First 7 0 R", "/First 5 0 R")
    assert "# 1 Cleaning" in text_of(pdf(drawn, objects=objects, catalog="/Outlines 4 0 R"))  # in a circle


def test_forms_and_comments():
    objects = [
        "<<>>",
        "<</Type/Annot/Subtype/Widget/FT/Tx/T(name)/V(Mario Rossi)/Rect[150 695 300 712]/P 8 0 R>>",
        "<</Type/Annot/Subtype/Widget/FT/Tx/T(secret)/Ff 8192/V(hidden)/Rect[150 600 300 612]/P 8 0 R>>",
        "<</Type/Annot/Subtype/Text/Contents(Check this name)/T(Anna)/Rect[10 10 20 20]/P 8 0 R>>",
        "<</Type/Annot/Subtype/FreeText/Contents(A note on the page)/Rect[10 30 200 50]/DA(/F 10 Tf)/P 8 0 R>>",
    ]
    drawn = at(50, 700, "Name:") + at(50, 680, "Place:") + at(50, 660, "Date of the order:")
    data = pdf(drawn, objects=objects, catalog="/AcroForm<</Fields[4 0 R 5 0 R]/DA(/F 10 Tf)>>",
               page="/Annots[4 0 R 5 0 R 6 0 R 7 0 R]")  # fmt: skip
    text = text_of(data)
    assert "Name: Mario Rossi\nPlace:" in text
    assert "Comment (Anna): Check this name" in text and "A note on the page" in text
    assert "hidden" not in text


def attached(name, content):
    return [
        "<<>>", f"<</Names[({name}) 5 0 R]>>", f"<</Type/Filespec/F({name})/UF({name})/EF<</F 6 0 R>>>>",
        stream(content, "/Type/EmbeddedFile"),
    ]  # fmt: skip


def test_attached_files_are_documents():
    catalog = "/Names<</EmbeddedFiles 4 0 R>>"
    documents, _ = loaded(
        pdf(at(50, 700, "See the list"), objects=attached("list.csv", b"a,b\n1,2\n"), catalog=catalog)
    )
    assert [document.source for document in documents] == ["a.pdf", "a.pdf#list.csv#2"]
    assert "1" in documents[1].text
    documents, _ = loaded(pdf("", objects=attached("list.txt", b"a portfolio"), catalog=catalog))
    assert [document.text for document in documents] == ["a portfolio"]


# --- passwords, and broken files


def test_passwords():
    data = (DATA / "docs" / "encrypted_user_password_r3.pdf").read_bytes()
    with pytest.raises(LoadError, match="needs a password") as without:
        loaded(data)
    assert "--password" in without.value.hint
    with pytest.raises(LoadError, match="another password"):
        loaded(data, password="wrong")
    assert "pdf encryption test" in text_of(data, password="asdfzxcv").lower()
    empty = (DATA / "loading" / "empty_password.pdf").read_bytes()
    for password in (None, "whatever"):
        assert "encryption" in text_of(empty, password=password).lower()


def test_broken_places_of_objects():
    data = pdf(*(at(50, 700, f"Page {n} of the manual") for n in range(4)))
    for broken in (
        re.sub(rb"\d{10} 00000 n", b"0000000007 00000 n", data),  # offsets that lie
        re.sub(rb"startxref\n\d+", b"startxref\n99999999", data),
        data[: data.rindex(b"xref\n0")],  # cut off before the table
        b"junk before the file\n" * 9 + data,
        data.replace(b"/Count 4", b"/Count 2147483647"),
        data.replace(b"/Count 4", b"/Count -5"),
        data.replace(b"endobj", b"", 2),
    ):
        text = text_of(broken)
        assert "Page 0 of the manual" in text and "Page 3 of the manual" in text


def test_broken_trees_end():
    data = pdf(*(at(50, 700, f"Page {n} of the manual") for n in range(3)))
    kids = re.search(rb"/Kids\[(\d+ 0 R)", data)[1]
    for broken in (
        data.replace(b"/Kids[" + kids, b"/Kids[2 0 R"),  # the tree holds itself
        data.replace(b"/Kids[" + kids, b"/Kids[999 0 R"),
        re.sub(rb"/Kids\[[^]]*\]", b"/Kids[" + b"2 0 R " * 50 + b"]", data),
        data[: len(data) // 3],
        data[:9],
        data.replace(b"/MediaBox[0 0 600 800]", b"/MediaBox[0 0 1e30 -1e30]"),
        data.replace(b"/MediaBox[0 0 600 800]", b"/MediaBox[0 0 0 0]"),
    ):
        began = time.perf_counter()
        report = Report("load")
        try:
            documents = list(read(Source("a.pdf", options=Options(ocr="never"), report=report, data=broken)))
        except LoadError as error:
            assert len(error.message) < 300
        else:
            assert documents or report.failed
        assert time.perf_counter() - began < 5


def test_many_broken_pages_are_given_up():
    data = pdf(*(at(50, 700, "x") for _ in range(150)))
    broken = re.sub(rb"/Kids\[[^]]*\]", lambda found: re.sub(rb"\d+ 0 R", b"1 0 R", found[0]), data)
    report = Report("load")
    try:
        documents = list(read(Source("a.pdf", options=Options(ocr="never"), report=report, data=broken)))
    except LoadError:
        return
    assert not documents and report.failed
    assert len(report.losses) <= 102


def test_the_command_says_what_is_missing(tmp_path):
    (tmp_path / "a.pdf").write_bytes(garbage())
    done = command("load", "--ocr", "never", tmp_path / "a.pdf")
    assert done.returncode == 3
    assert b"the text of page 1 is garbled" in done.stderr


def test_text_that_runs_to_the_left():
    (found,), _ = loaded((DATA / "loading" / "right_to_left.pdf").read_bytes())
    assert found.text.split("\n")[:4] == [
        "כל בני אדם נולדו בני חורין ושווים בערכם ובזכויותיהם",
        "בשנת 2024 הוצג תקן Unicode 15 (גרסה חדשה) בירושלים",
        "يولد جميع الناس أحراراً متساوين في الكرامة والحقوق",
        "في عام 2024 صدر الإصدار 15.1 من Unicode رسمياً",
    ]
    assert "| אברהם לוי | תל אביב יפו |" in found.text
    (found,), _ = loaded((DATA / "loading" / "two_directions.pdf").read_bytes())
    assert found.text.split("\n") == [
        "English sentence with שלום עולם inside it and more words.",
        "An English report quotes the phrase مرحبا بالعالم الجميل in the middle.",
        "Plain English line.",
    ]
