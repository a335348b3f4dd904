"""Pictures inside documents of every kind: read where that is asked for, else counted."""

from pathlib import Path

import pytest

from ragcli.loading import load, ocr
from ragcli.loading.office.soffice import find
from ragcli.report import Report

DATA = Path(__file__).parent / "data" / "loading" / "pictures"
SAID = "保修期为二十四个月"
needs_ocr = pytest.mark.skipif(not ocr.available(), reason="needs the extra 'ocr'")


@pytest.fixture
def notices(tmp_path):
    """The picture in files of many kinds, beside those that are kept also in DOCX, PPTX and RTF."""
    from docx import Document
    from pptx import Presentation

    picture = DATA / "notice.png"
    made = Document()
    made.add_paragraph("before")
    made.add_picture(str(picture))
    made.add_paragraph("after")
    made.save(tmp_path / "notice.docx")
    slides = Presentation()
    slides.slides.add_slide(slides.slide_layouts[6]).shapes.add_picture(str(picture), 0, 0)
    slides.save(tmp_path / "notice.pptx")
    start, end = (f"{{\\rtf1\\ansi before\\par {{{where}\\pict{{\\*\\picprop{{\\sp{{\\sn a}}{{\\sv 0}}}}}}\\pngblip "
                  for where in ("\\*\\shppict{", "")), "}\\par after}"  # fmt: skip
    data = picture.read_bytes()
    digits, plain = start
    (tmp_path / "notice.rtf").write_bytes(f"{digits}\n{data.hex()}}}{end}".encode())
    (tmp_path / "binary.rtf").write_bytes(f"{plain}\\bin{len(data)} ".encode() + data + end.encode())
    for path in DATA.iterdir():
        if path.suffix != ".png":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def outcome(path, mode):
    report = Report("load")
    texts = [document.text for document in load([path], ocr=mode, report=report)]
    counts = report.counts
    kinds = (counts["images_loaded"], counts["images_failed"], counts["images_skipped"])
    assert counts["images_seen"] == sum(kinds) and not report.failed
    return "".join("".join(texts).split()), kinds


needs_libreoffice = pytest.mark.skipif(find() is None, reason="LibreOffice is not installed")
KINDS = ["docx", "pptx", "xlsx", "rtf", "odt", "odp", "ods", "xls", "doc"]


@needs_ocr
@pytest.mark.parametrize(
    "name",
    [
        *(f"notice.{kind}" for kind in KINDS if kind != "doc"),
        pytest.param("notice.doc", marks=needs_libreoffice),
        "binary.rtf",
    ],
)
def test_always_reads_the_picture(notices, name):
    text, kinds = outcome(notices / name, "always")
    assert SAID in text and kinds == (1, 0, 0)
    if "before" in text:
        assert text == f"before{SAID}after"


@pytest.mark.parametrize("name", [*(f"notice.{kind}" for kind in KINDS), "notice.pdf", "binary.rtf"])
def test_never_counts_it(notices, name):
    text, kinds = outcome(notices / name, "never")
    assert SAID not in text and kinds == (0, 0, 1)


@needs_ocr
@pytest.mark.parametrize("kind", KINDS)
def test_auto_reads_it_where_nothing_else_is(notices, kind):
    text, kinds = outcome(notices / f"notice.{kind}", "auto")
    slide = kind in ("pptx", "odp")
    assert (SAID in text) is slide and kinds == ((1, 0, 0) if slide else (0, 0, 1))


@needs_ocr
def test_a_file_with_nothing_but_a_picture(tmp_path):
    data = (DATA / "notice.png").read_bytes()
    (tmp_path / "a.rtf").write_bytes(f"{{\\rtf1 {{\\pict\\pngblip {data.hex()}}}}}".encode())
    assert outcome(tmp_path / "a.rtf", "auto") == (SAID, (1, 0, 0))
    assert outcome(tmp_path / "a.rtf", "never") == ("", (0, 0, 1))


@needs_ocr
def test_broken_picture_is_named(tmp_path):
    (tmp_path / "a.rtf").write_bytes(b"{\\rtf1 words {\\pict\\pngblip 89504e470d0a1a0a0000}}")
    report = Report("load")
    (found,) = load([tmp_path / "a.rtf"], ocr="always", report=report)
    assert found.text == "words" and report.counts["images_failed"] == 1
    assert "picture 1 cannot be read" in report.losses[0]["reason"]
