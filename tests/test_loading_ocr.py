"""OCR of scans whose text is known, and pictures of every kind, whole and broken."""

import io
import json
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from conftest import environment
from conftest import run as command
from ragcli.errors import LoadError
from ragcli.loading import ocr
from ragcli.loading.layout import Box
from ragcli.loading.ocr.image import read
from ragcli.loading.ocr.tables import Grid
from ragcli.loading.ocr.text import Line, assemble
from ragcli.loading.source import Options, Source
from ragcli.report import Report

Image = pytest.importorskip("PIL.Image")
ImageDraw = pytest.importorskip("PIL.ImageDraw")
ImageFont = pytest.importorskip("PIL.ImageFont")
np = pytest.importorskip("numpy")

DATA = Path(__file__).parent / "data" / "loading"
needs_ocr = pytest.mark.skipif(not ocr.available(), reason="needs the extra 'ocr'")


def plain(text):
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text))


def distance(one, other):
    row = list(range(len(other) + 1))
    for n, char in enumerate(one, 1):
        last, row[0] = row[0], n
        for k, letter in enumerate(other, 1):
            last, row[k] = row[k], min(row[k] + 1, row[k - 1] + 1, last + (char != letter))
    return row[-1]


def loaded(data, name="a.png", **options):
    report = Report("load")
    more = {key: options.pop(key) for key in ("explicit", "depth") if key in options}
    documents = list(read(Source(name, options=Options(**options), report=report, data=data, **more)))
    return documents, report


def drawn(text="Invoice No. 20231105", size=(560, 100), ground="white", ink="black", mode="RGB"):
    picture = Image.new(mode, size, ground)
    ImageDraw.Draw(picture).text((30, 25), text, fill=ink, font=ImageFont.load_default(size=40))
    return picture


def saved(picture, kind, **how):
    into = io.BytesIO()
    picture.save(into, kind, **how)
    return into.getvalue()


@needs_ocr
@pytest.mark.parametrize(("name", "angle"), [("scan_chinese.png", 0), ("scan_turned.png", 90), ("scan_columns.jpg", 0)])
def test_scan_of_known_text(name, angle):
    picture = np.asarray(Image.open(DATA / name).convert("RGB"))
    found = ocr.recognize(picture, dpi=150)
    said = (DATA / name).with_suffix(".txt").read_text(encoding="utf-8").strip()
    assert distance(plain(found.text), plain(said)) <= 0.015 * len(plain(said))
    assert found.angle == angle
    assert found.confidence > 0.95
    assert found.text.count("\n\n") == said.count("\n\n")  # its paragraphs


@needs_ocr
@pytest.mark.parametrize("turn", [1, 2, 3])
def test_turned_pages_are_turned_back(turn):
    upright = np.asarray(Image.open(DATA / "scan_turned.png").convert("RGB").rotate(90, expand=True))
    found = ocr.recognize(np.rot90(upright, -turn))
    said = (DATA / "scan_turned.txt").read_text(encoding="utf-8")
    assert found.angle == 90 * turn
    assert distance(plain(found.text), plain(said)) <= 0.03 * len(plain(said))


@needs_ocr
def test_ruled_table_even_on_a_skewed_page():
    picture = Image.new("RGB", (1000, 420), "white")
    draw = ImageDraw.Draw(picture)
    rows = [["Item", "Count", "Price"], ["Coffee beans", "2", "19.80"], ["Tea", "10", "7.50"]]
    for down, row in enumerate(rows):
        for across, cell in enumerate(row):
            box = (60 + across * 280, 60 + down * 90, 340 + across * 280, 150 + down * 90)
            draw.rectangle(box, outline="black", width=3)
            draw.text((box[0] + 20, box[1] + 22), cell, fill="black", font=ImageFont.load_default(size=36))
    found = ocr.recognize(np.asarray(picture.rotate(2, Image.Resampling.BICUBIC, fillcolor="white")))
    assert found.text == (
        "| Item | Count | Price |\n| --- | --- | --- |\n| Coffee beans | 2 | 19.80 |\n| Tea | 10 | 7.50 |"
    )


@needs_ocr
@pytest.mark.parametrize(
    "picture",
    [np.full((600, 500, 3), 255, np.uint8), np.zeros((4, 9000, 3), np.uint8), np.zeros((1, 1, 3), np.uint8)],
    ids=["white", "thin", "dot"],
)
def test_nothing_to_read(picture):
    assert ocr.recognize(picture) == ocr.Recognized("", 0.0, 0, 0)


@needs_ocr
@pytest.mark.parametrize("ink", [0, 200])
def test_a_line_alone_on_a_large_page_is_found(ink):
    picture = Image.new("RGB", (1654, 2339), "white")
    font = ImageFont.load_default(size=34)
    ImageDraw.Draw(picture).text((780, 2200), "Page 12", fill=(ink, ink, ink), font=font)
    assert ocr.recognize(np.asarray(picture), dpi=200).text == "Page 12"


@needs_ocr
def test_without_the_network_and_without_a_word():
    code = """
import socket
def never(*args, **kwargs):
    raise SystemExit("the network was asked")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = never
import sys, numpy, PIL.Image
from ragcli.loading import ocr
ocr.threads(1)
found = ocr.recognize(numpy.asarray(PIL.Image.open(sys.argv[1]).convert("RGB")))
assert found.lines > 5
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code, DATA / "scan_chinese.png"],
                          capture_output=True, env=environment())  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_importing_is_light():
    code = "import sys, ragcli.loading.ocr.image; print('numpy' in sys.modules, 'PIL' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment(), check=True)
    assert done.stdout.split() == [b"False", b"False"]


@needs_ocr
def test_command(tmp_path):
    done = command("load", DATA / "scan_chinese.png")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["format"] == "image"
    assert "连接山东半岛羊角沟" in document["text"]
    (span,) = document["spans"]
    assert (span["start"], span["end"], span["page"]) == (0, len(document["text"]), 1)
    assert 0.9 < span["ocr"] <= 1


@needs_ocr
@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", "RGB"), ("PNG", "1"), ("PNG", "P"), ("PNG", "LA"), ("PNG", "I;16"), ("JPEG", "CMYK"), ("TIFF", "CMYK"),
     ("TIFF", "F"), ("BMP", "L"), ("WEBP", "RGB"), ("GIF", "P"), ("JPEG2000", "RGB")],
)  # fmt: skip
def test_kinds_of_pictures(kind, mode):
    picture = drawn()
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    elif mode == "F":
        picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.float32) / 255)
    else:
        picture = picture.convert(mode)
    (document,), report = loaded(saved(picture, kind))
    assert plain(document.text) == "InvoiceNo.20231105"
    assert (report.counts["pages_seen"], report.counts["pages_loaded"]) == (1, 1)
    assert not report.losses


@needs_ocr
@pytest.mark.parametrize("ink", ["black", "white"])
def test_letters_on_nothing(ink):
    (document,), _ = loaded(saved(drawn(ground=(0, 0, 0, 0), ink=ink, mode="RGBA"), "PNG"))
    assert plain(document.text) == "InvoiceNo.20231105"


@needs_ocr
def test_light_on_dark():
    (document,), _ = loaded(saved(drawn(ground="black", ink="white"), "PNG"))
    assert plain(document.text) == "InvoiceNo.20231105"


@needs_ocr
def test_orientation_and_what_a_camera_writes():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held sideways
    exif[0x010E] = "D" * 15
    exif[0x013B] = "A Person"
    exif.get_ifd(0x8825)[1] = "N"
    data = saved(drawn().transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)
    (document,), _ = loaded(data.replace(b"D" * 15, "三月的发票".encode()))  # Pillow writes only ASCII
    assert plain(document.text) == "InvoiceNo.20231105"
    assert document.metadata == {"description": "三月的发票"}


@needs_ocr
def test_frames_of_a_tiff():
    frames = [drawn(f"Page number {n}") for n in (1, 2)]
    data = saved(frames[0], "TIFF", save_all=True, append_images=[Image.new("RGB", (560, 100), "white"), frames[1]])
    (document,), report = loaded(data)
    assert document.text == "Page number 1\n\nPage number 2"
    assert [span["page"] for span in document.spans] == [1, 3]
    for span, said in zip(document.spans, ("Page number 1", "Page number 2"), strict=True):
        assert document.text[span["start"] : span["end"]] == said
    counts = report.counts
    assert (counts["pages_seen"], counts["pages_loaded"], counts["pages_skipped"]) == (3, 2, 1)
    assert [(loss["kind"], loss["page"]) for loss in report.losses] == [("skipped", 2)]


@needs_ocr
def test_animation_gives_its_first_picture():
    data = saved(drawn("First"), "GIF", save_all=True, append_images=[drawn("Second")], duration=100)
    (document,), report = loaded(data)
    assert document.text == "First"
    assert [loss["kind"] for loss in report.losses] == ["skipped"]


@needs_ocr
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF"])
def test_cut_off_picture_is_read_as_far_as_it_goes(kind):
    picture = drawn("Invoice No. 20231105", (560, 600))
    draw = ImageDraw.Draw(picture)
    for n in range(1, 9):
        draw.text((30, 25 + 60 * n), f"Line number {n}", fill="black", font=ImageFont.load_default(size=36))
    data = saved(picture, kind)
    (document,), report = loaded(data[: len(data) * 6 // 10])
    assert "Line number 4" in document.text if kind != "BMP" else "Line number 8" in document.text  # from below
    assert [loss["kind"] for loss in report.losses] == ["partial"]
    assert report.counts["pages_failed"] == 1


def png(wide, high):
    """A PNG with nothing but its size."""
    import struct
    import zlib

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", wide, high, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@needs_ocr
@pytest.mark.parametrize(
    ("data", "said"),
    [(b"", "empty"), (b"\x89PNG\r\n\x1a\njunk", "not readable as a picture"), (b"II*\0junk", "not readable"),
     (png(60_000, 60_000), "too many pixels"), (png(0, 10), "not readable")],
    ids=["empty", "png", "tiff", "bomb", "no size"],
)  # fmt: skip
def test_broken_pictures_say_why(data, said):
    with pytest.raises(LoadError, match=said):
        loaded(data)


@needs_ocr
def test_icons_and_pictures_without_text():
    for picture in (Image.new("RGB", (32, 32), "red"), Image.new("RGB", (300, 200), "white")):
        documents, report = loaded(saved(picture, "PNG"))
        assert not documents
        assert report.counts["pages_skipped"] == 1
        assert [loss["kind"] for loss in report.losses] == ["skipped"]


def test_never():
    data = saved(drawn(), "TIFF", save_all=True, append_images=[drawn()])
    documents, report = loaded(data, ocr="never")
    assert not documents
    assert (report.counts["pages_seen"], report.counts["pages_skipped"]) == (2, 2)
    assert [loss["kind"] for loss in report.losses] == ["skipped"]


@pytest.mark.skipif(ocr.available(), reason="needs an installation without the extra 'ocr'")
def test_without_the_extra():
    data = saved(drawn(), "PNG")
    with pytest.raises(LoadError) as caught:
        loaded(data)
    assert "ragcli[ocr]" in caught.value.hint
    with pytest.raises(LoadError):
        loaded(data, explicit=False, depth=1)
    documents, report = loaded(data, explicit=False)
    assert not documents
    assert [loss["kind"] for loss in report.losses] == ["skipped"]


def page(*rows, left=0.0, height=10.0, step=15.0, width=400.0):
    """Lines of text one below the other: as wide as the column but those marked with a width or an indent."""
    found = []
    for n, row in enumerate(rows):
        text, indent, wide = row if isinstance(row, tuple) else (row, 0.0, width)
        found.append(Line(text, Box(left + indent, n * step, left + wide, n * step + height)))
    return found


def test_chinese_lines_are_joined_without_a_space():
    lines = page(
        ("他说，这是第一", 20, 400), "段的第二行，它", ("到此为止。", 0, 60), ("第二段从这里", 20, 400), "开始。"
    )
    assert assemble(lines) == "他说，这是第一段的第二行，它到此为止。\n\n第二段从这里开始。"


def test_english_words_are_mended():
    lines = page(
        "This is a long line that ends in a divi-", "ded word, and then the text goes on like", "it did before."
    )
    assert assemble(lines) == (
        "This is a long line that ends in a divided word, and then the text goes on like it did before."
    )


def test_narrow_marks_between_chinese_letters():
    assert assemble(page("我们来了,他们走了:1:30 (a,b)")) == "我们来了，他们走了:1:30 (a,b)"


def test_columns_are_read_one_by_one_and_a_paragraph_goes_on_in_the_next():
    text = "这一段文字从左边的一栏开始一直写到右边的一栏去"
    left = page(*[text] * 8, width=190)
    right = page(*[text] * 7, ("结束。", 0, 40), left=230, width=190)
    right[-1] = right[-1]._replace(box=Box(230, right[-1].box.top, 270, right[-1].box.bottom))
    assert assemble(left + right) == text * 15 + "结束。"


def test_grid_cells_of_several_lines_and_text_around_it():
    grid = Grid([0, 100, 200], [100, 140, 180])
    lines = [
        Line("Before", Box(0, 50, 60, 60)),
        Line("A", Box(5, 110, 20, 120)),
        Line("B", Box(105, 110, 120, 120)),
        Line("one", Box(5, 145, 40, 155)),
        Line("two", Box(5, 160, 40, 170)),
        Line("c|d", Box(105, 150, 140, 160)),
        Line("After", Box(0, 230, 60, 240)),
    ]
    assert assemble(lines, [grid]) == "Before\n\n| A | B |\n| --- | --- |\n| one two | c\\|d |\n\nAfter"
