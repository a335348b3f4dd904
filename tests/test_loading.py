"""Loading real files, broken files, odd names, encodings and addresses."""

import base64
import importlib.util
import json
import os
import subprocess
import sys
import threading
import zipfile
from email.message import EmailMessage
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import pytest

from conftest import run as command
from ragcli.errors import UsageError
from ragcli.loading import load, paths_from
from ragcli.report import Report

DOCS = Path(__file__).parent / "data" / "docs"
ROWS = [json.loads(line) for line in (DOCS / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
CHINESE = "北京故宫博物院建立于1925年，位于北京故宫紫禁城内，是中国最大的古代文化艺术博物馆。游客很多，天气很好。\n" * 4


def run(*inputs, **options):
    report = Report("load")
    documents = list(load(inputs, report=report, **options))
    counts = report.counts
    assert counts["files_seen"] == counts["files_loaded"] + counts["files_failed"] + counts["files_skipped"]
    assert counts["documents"] == len(documents)
    return documents, report


@pytest.mark.parametrize("row", ROWS, ids=[row["format"] + str(n) for n, row in enumerate(ROWS)])
def test_real_file(row):
    documents, report = run(DOCS / row["path"])
    if row["must_fail"]:
        assert not documents
        assert report.counts["files_failed"] == 1
        assert "password" in report.losses[0]["reason"]
        return
    text = "\n".join(document.text for document in documents)
    for wanted in row["must_contain"]:
        assert "".join(wanted.split()) in "".join(text.split())
    for unwanted in row.get("should_not_contain", ()):
        assert unwanted not in text
    assert not report.failed
    if row["format"] == "pdf":
        assert len(documents[0].spans) == row["pages_or_null"]


def test_structure():
    (duck,), _ = run(DOCS / "wiki_duck.html")
    assert "\n## " in duck.text and "Duck" in duck.title
    (word,), _ = run(DOCS / "markitdown_test.docx")
    assert word.title and "\n## " in word.text and "| --- |" in word.text
    (fang,), _ = run(DOCS / "SimFang-variant.pdf")
    assert "全世界无产者，联合起来" in fang.text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gb18030", "gbk"])
def test_chinese_encodings(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes(CHINESE.encode(encoding))
    (document,), _ = run(tmp_path)
    assert document.text == CHINESE


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("big5", "臺灣的國立故宮博物院收藏了許多歷史文物，每年都有很多遊客前來參觀，這裡的天氣很好。\n" * 4),
        ("shift_jis", "東京は日本の首都であり、世界最大級の都市です。多くの人々が暮らしています。\n" * 4),
        ("cp1252", "Le café était très agréable, et l’été à Genève fut une fête à ne pas oublier.\n" * 4),
    ],
)
def test_other_encodings(tmp_path, encoding, text):
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    assert run(tmp_path)[0][0].text == text
    assert run(tmp_path, encoding=encoding)[0][0].text == text


def test_wrong_encoding_is_never_silent(tmp_path):
    (tmp_path / "a.txt").write_bytes(CHINESE.encode("gb18030"))
    documents, report = run(tmp_path, encoding="utf-8")
    assert "\ufffd" in documents[0].text and report.losses[0]["kind"] == "partial"
    (tmp_path / "a.txt").write_bytes((CHINESE * 9).encode() + "好".encode()[:2])
    documents, report = run(tmp_path)
    assert documents[0].text.startswith(CHINESE) and report.failed
    (tmp_path / "a.txt").write_bytes("保修期两年。".encode("gb18030"))
    assert [loss["kind"] for loss in run(tmp_path)[1].losses] == ["partial"]
    with pytest.raises(UsageError, match="nonesuch"):
        load([], encoding="nonesuch")


def test_broken_files_do_not_stop_the_rest(tmp_path):
    (tmp_path / "a.docx").write_bytes((DOCS / "markitdown_test.docx").read_bytes()[:300])
    (tmp_path / "b.pdf").write_bytes((DOCS / "scotus-transcript-p1.pdf").read_bytes()[:3000])
    (tmp_path / "c.json").write_text("{")
    (tmp_path / "d.txt").write_text("good")
    documents, report = run(tmp_path, tmp_path / "none.txt")
    assert [document.text for document in documents] == ["good"]
    failed = [Path(loss["source"]).name for loss in report.losses if loss["kind"] == "failed"]
    assert failed == ["a.docx", "b.pdf", "c.json", "none.txt"]


def test_zip_bomb_fails(tmp_path):
    with (
        zipfile.ZipFile(tmp_path / "a.docx", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("word/document.xml", "w") as part,
    ):
        for _ in range(513):
            part.write(bytes(1 << 20))
    _, report = run(tmp_path)
    assert "unpacks to" in report.losses[0]["reason"]


def test_content_decides_the_type(tmp_path):
    (tmp_path / "word.pdf").write_bytes((DOCS / "markitdown_test.docx").read_bytes())
    (tmp_path / "blob.txt").write_bytes(bytes(range(256)) * 9)
    documents, report = run(tmp_path)
    assert [document.format for document in documents] == ["docx"]
    assert report.counts["files_failed"] == 1
    assert report.losses[0]["source"].endswith("blob.txt")
    _, report = run(tmp_path / "blob.txt")
    assert report.counts["files_failed"] == 1


def test_odd_names_in_order(tmp_path):
    names = [b"a b.txt", b"new\nline.txt", b"odd\xff.txt", b"q'\".txt", "保修.txt".encode()]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"text")
    documents, _ = run(f"{tmp_path}/")
    expected = sorted(f"{tmp_path}/{os.fsdecode(name)}" for name in names)
    assert [document.source for document in documents] == expected
    listed = b"\0".join(os.fsencode(document.source) for document in documents)
    assert [document.source for document in load(paths_from(BytesIO(listed), null=True))] == expected


def test_gitignore_globs_hidden_and_links(tmp_path):
    for name in ("a.md", "b.txt", "deep/c.md", "deep/keep.log", "deep/drop.log", "x.log", ".hid.md", ".git/h.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / ".gitignore").write_text("*.log\n")
    (tmp_path / "deep" / ".gitignore").write_text("!keep.log\n")
    (tmp_path / "deep" / "loop").symlink_to(tmp_path)
    (tmp_path / "z.md").symlink_to(tmp_path / "a.md")

    def names(folder=tmp_path, **options):
        return [document.text for document in run(folder, **options)[0]]

    assert names() == ["a.md", "b.txt", "deep/c.md", "deep/keep.log"]
    assert names(tmp_path / "deep", hidden=False)[:2] == ["deep/c.md", "deep/keep.log"]
    assert names(include=["*.md"], exclude=["deep/"]) == ["a.md"]
    assert "x.log" in names(gitignore=False) and ".hid.md" in names(hidden=True)


def test_jsonl(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text('{"_id":"d1","title":"T","text":"one","lang":"zh"}\n{bad\n{"q":"two"}\n', encoding="utf-8")
    (document,), report = run(file)
    assert (document.text, document.title, document.source) == ("one", "T", f"{file}#d1")
    assert document.metadata == {"lang": "zh", "id": "d1"}
    assert [loss["line"] for loss in report.losses] == [2, 3]
    assert run(file, text_field="q")[0][0].text == "two"
    (tmp_path / "b.json").write_text(json.dumps([{"text": "x"}, {"text": "y"}]))
    assert [document.text for document in run(tmp_path / "b.json")[0]] == ["x", "y"]
    (tmp_path / "c.jsonl").write_text(json.dumps(document.to_dict()))
    assert run(tmp_path / "c.jsonl")[0] == [document]


def test_csv_and_front_matter(tmp_path):
    (tmp_path / "a.csv").write_text('name;note\nA;"two\nlines"\n\nB;b\n')
    documents, _ = run(tmp_path / "a.csv")
    assert documents[0].text == "name: A\nnote: two\nlines"
    assert [document.source[-2:] for document in documents] == ["#2", "#5"]
    (tmp_path / "b.md").write_text("---\ntitle: Hello\nlang: en\n---\n# First\n")
    (document,), _ = run(tmp_path / "b.md")
    assert (document.title, document.metadata, document.text) == ("Hello", {"lang": "en"}, "# First\n")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(DOCS)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        documents, report = run(f"{address}/gb2312.html", f"{address}/none.html")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert [document.source for document in documents] == [f"{address}/gb2312.html"]
    assert "404" in report.losses[0]["reason"]


def test_pipe_and_empty_file(tmp_path):
    read, write = os.pipe()
    os.write(write, b"from a pipe")
    os.close(write)
    try:
        assert run(f"/dev/fd/{read}")[0][0].text == "from a pipe"
    finally:
        os.close(read)
    (tmp_path / "blob").write_bytes(bytes(range(256)))
    (tmp_path / "empty.txt").touch()
    documents, report = run(tmp_path, encoding="gb18030")
    assert documents == []
    assert report.counts["files_skipped"] + report.counts["files_failed"] == 2


def test_plain_text_imports_nothing_heavy(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    code = (
        "import sys; from ragcli.loading import load; assert list(load([sys.argv[1]]));"
        "heavy = {'lxml','trafilatura','docx','pypdfium2','httpx','numpy','pyarrow'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def pdf(*contents: str) -> bytes:
    """A PDF of a page for each content stream, with Helvetica as F."""
    bodies = ["<</Type/Catalog/Pages 2 0 R>>", ""]
    kids = []
    for content in contents:
        kids.append(f"{len(bodies) + 1} 0 R")
        font = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
        bodies.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Resources<</Font<</F {font}>>>>/Contents"
            f" {len(bodies) + 2} 0 R>>"
        )
        bodies.append(f"<</Length {len(content)}>>stream\n{content}\nendstream")
    bodies[1] = f"<</Type/Pages/Kids[{' '.join(kids)}]/Count {len(kids)}>>"
    out, places = "%PDF-1.4\n", []
    for number, body in enumerate(bodies, 1):
        places.append(len(out))
        out += f"{number} 0 obj{body}endobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    trailer = f"trailer<</Size {len(bodies) + 1}/Root 1 0 R>>\nstartxref\n{len(out)}\n%%EOF\n"
    return (out + f"xref\n0 {len(bodies) + 1}\n0000000000 65535 f \n" + table + trailer).encode()


def test_pages_without_text_are_told_apart(tmp_path):
    words, drawing = "BT /F 12 Tf 20 100 Td (Warranty: two years) Tj ET", "10 10 80 80 re f"
    (tmp_path / "a.pdf").write_bytes(pdf(words, drawing, "", words))
    (made,), report = run(tmp_path / "a.pdf")
    assert [span["page"] for span in made.spans] == [1, 4]
    assert [(loss["kind"], loss["pages"]) for loss in report.losses] == [("warning", [2]), ("skipped", [3])]
    assert not report.failed
    done = command("load", tmp_path / "a.pdf")
    assert done.returncode == 0
    assert b"a.pdf: no text on page 2 of 4, where something is drawn (scanned?)" in done.stderr
    (tmp_path / "b.pdf").write_bytes(pdf(drawing, ""))
    none, report = run(tmp_path / "b.pdf")
    assert not none
    assert "they are pictures" in report.losses[0]["reason"]


@pytest.mark.parametrize("codec", ["utf-8", "gb18030"])
@pytest.mark.parametrize("bad", [b"\xff", b"\x80"])
def test_one_bad_byte_does_not_change_the_encoding(tmp_path, codec, bad):
    data = CHINESE.encode(codec)
    (tmp_path / "a.txt").write_bytes(data[:120] + bad + data[120:])
    (made,), report = run(tmp_path / "a.txt")
    assert made.text.count("北京故宫博物院建立于1925年") >= 3
    assert f"could not be decoded as {codec}" in report.losses[0]["reason"]


def test_other_alphabets_are_not_taken_for_damaged_chinese():
    from ragcli.loading.encodings import decode

    for text, codec in (
        ("Привет, как дела? ", "cp1251"),
        ("שלום עולם זה טקסט ", "cp1255"),
        ("schöne Grüße ", "cp1252"),
    ):
        assert decode((text * 20).encode(codec)).encoding == codec


def test_html_keeps_headings_and_tables_and_leaves_menus_out(tmp_path):
    sections = "".join(
        f"<h2>Section {n}</h2><p>Paragraph {n} of some length, with a <a href='/x'>link</a> and <b>more</b> words.</p>"
        for n in range(12)
    )
    menu = "<ul class='menu'>" + "".join(f"<li><a href='/{n}'>Entry {n}</a></li>" for n in range(9)) + "</ul>"
    rows = "<table><tr><th>Region</th><th>Fee</th></tr><tr><td>North</td><td>10</td></tr></table>"
    (tmp_path / "a.html").write_text(f"<html><body>{menu}<h1>Returns</h1>{sections}<h2>Fees</h2>{rows}</body></html>")
    (made,), _ = run(tmp_path / "a.html")
    assert made.text.count("\n## ") == 13
    assert "Paragraph 3 of some length, with a link and more words." in made.text
    assert "| Region | Fee |\n| --- | --- |\n| North | 10 |" in made.text
    assert "Entry 4" not in made.text
    (tmp_path / "b.html").write_text("<h1>退货</h1><p>可在<b>三十天</b>内退货。</p><ul><li>一</li><li>二</li></ul>")
    (made,), _ = run(tmp_path / "b.html")
    assert made.text == "# 退货\n\n可在三十天内退货。\n\n- 一\n- 二"


def test_documents_without_a_loader_are_named(tmp_path):
    (tmp_path / "a.md").write_text("# Words\n")
    with zipfile.ZipFile(tmp_path / "sheet.xlsb", "w") as archive:
        archive.writestr("some/workbook.bin", "<p/>")
    (tmp_path / "mail.msg").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    (tmp_path / "all.rar").write_bytes(b"Rar!\x1a\x07\x00" + bytes(40))
    (tmp_path / "data.sqlite").write_bytes(b"SQLite format 3\0" + bytes(40))
    documents, report = run(tmp_path)
    assert [document.source for document in documents] == [str(tmp_path / "a.md")]
    named = {Path(loss["source"]).name: (loss["kind"], loss["reason"]) for loss in report.losses}
    assert named["sheet.xlsb"] == ("failed", "no loader for its type (.xlsb): it is a binary Excel file.")
    assert named["all.rar"] == ("failed", "no loader for its content: it is a RAR archive.")
    assert named["mail.msg"][0] == "failed"
    assert named["data.sqlite"] == ("skipped", "no loader for its content: it is an SQLite database.")


def mail(**headers) -> EmailMessage:
    made = EmailMessage()
    for name, value in {"From": "甲 <a@example.org>", "To": "b@example.org", **headers}.items():
        made[name] = value
    return made


def test_email_with_attachments(tmp_path):
    inner = mail(Subject="转发的邮件")
    inner.set_content("里面的正文。\n", charset="gb18030")
    made = mail(Subject="保修问题：手机", Date="Sun, 8 May 2005 14:09:11 -0500")
    made.set_content("手机坏了。\n")
    made.add_alternative("<p>手机<b>坏</b>了。</p>", subtype="html")
    made.add_attachment("型号,价格\nX3,499\n".encode("gb18030"), maintype="text", subtype="csv", filename="报价.csv")
    made.add_attachment(b"\x89PNG\r\n\x1a\n" + bytes(40), maintype="image", subtype="png", filename="a.png")
    made.add_attachment(b"words", maintype="text", subtype="plain", filename="../x.txt")
    made.add_attachment(inner)
    (tmp_path / "m.eml").write_bytes(made.as_bytes())
    documents, report = run(tmp_path / "m.eml")
    texts = {document.source.removeprefix(f"{tmp_path}/"): document.text for document in documents}
    message = documents[0]
    assert message.title == "保修问题：手机"
    assert message.text.startswith("# 保修问题：手机\n\nFrom: 甲 <a@example.org>\nTo: b@example.org\nDate: Sun, 08 May")
    assert message.text.endswith("\n\n手机坏了。")
    assert message.metadata["date"] == "2005-05-08"
    assert message.metadata["attachments"] == ["报价.csv", "a.png", ".._x.txt", "part4.eml"]
    assert texts["m.eml#报价.csv#2"] == "型号: X3\n价格: 499"
    assert texts["m.eml#.._x.txt"] == "words"
    assert "# 转发的邮件" in texts["m.eml#part4.eml"] and "里面的正文。" in texts["m.eml#part4.eml"]
    assert report.losses[-1]["kind"] == "partial"
    assert report.losses[-1]["reason"] == (
        "a.png: not readable as a picture: it is broken, or of a kind that is not known."
        if importlib.util.find_spec("rapidocr")
        else "a.png: a picture; reading it needs OCR. pip install 'ragcli[ocr]'"
    )


def test_email_as_it_comes(tmp_path):
    # Headers in bytes, GBK called GB2312, a page alone; names twice; nothing at all.
    head = "From: a@example.org\r\nSubject: 关于镕基的保修\r\n".encode("gbk")
    body = "Content-Type: text/html; charset=gb2312\r\n\r\n<h1>朱镕基</h1><p>保修期为<b>两年</b>。</p>".encode("gbk")
    (tmp_path / "a.eml").write_bytes(head + body)
    (tmp_path / "b.eml").write_bytes(b"\n\n")
    made = mail(Subject="=?gb2312?B?" + base64.b64encode("报告".encode("gbk")).decode() + "?=")
    for _ in range(2):
        made.add_attachment(b"same", maintype="text", subtype="plain", filename="n.txt")
    (tmp_path / "c.eml").write_bytes(made.as_bytes())
    deep = mail(Subject="0")
    deep.set_content("bottom")
    for level in range(1, 9):
        outer = mail(Subject=str(level))
        outer.set_content("x")
        outer.add_attachment(deep)
        deep = outer
    (tmp_path / "d.eml").write_bytes(deep.as_bytes())
    documents, report = run(tmp_path)
    by_source = {document.source.removeprefix(f"{tmp_path}/"): document for document in documents}
    assert by_source["a.eml"].title == "关于镕基的保修"
    assert by_source["a.eml"].text.endswith("# 朱镕基\n\n保修期为两年。")
    assert by_source["c.eml"].title == "报告"
    assert {"c.eml#n.txt", "c.eml#n (2).txt"} < set(by_source)
    losses = {Path(loss["source"].partition("#")[0]).name: loss for loss in report.losses}
    assert "neither headers nor a body" in losses["b.eml"]["reason"]
    assert "more than 5 files" in losses["d.eml"]["reason"]


def test_pptx_with_groups_tables_charts_and_notes(tmp_path):
    from lxml import etree
    from pptx import Presentation
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE
    from pptx.util import Inches

    made = Presentation()
    first = made.slides.add_slide(made.slide_layouts[1])
    first.shapes.title.text = "保修 政策"
    frame = first.placeholders[1].text_frame
    frame.text = "手机两年"
    frame.add_paragraph().text = "耳机一年"
    inner = frame.add_paragraph()
    inner.text, inner.level = "电池除外", 1
    first.notes_slide.notes_text_frame.text = "说明电池"
    second = made.slides.add_slide(made.slide_layouts[6])
    group = second.shapes.add_group_shape().shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, Inches(1), Inches(1)).text_frame.text = "in a group"
    cells = second.shapes.add_table(2, 2, 0, 0, Inches(2), Inches(1)).table
    for at, text in enumerate(("Region", "Fee", "North|South", "10")):
        cells.cell(at // 2, at % 2).text = text
    data = CategoryChartData()
    data.categories = ["2024", "2025"]
    data.add_series("Sales", (1.5, 20))
    second.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, Inches(2), Inches(2), data)
    box = second.shapes.add_textbox(0, 0, Inches(1), Inches(1))
    box.text_frame.text = "in alternate content"
    around = etree.fromstring(
        '<mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">'
        '<mc:Choice Requires="x"/><mc:Fallback/></mc:AlternateContent>'
    )
    box._element.getparent().replace(box._element, around)
    around[0].append(box._element)
    third = made.slides.add_slide(made.slide_layouts[6])
    third.shapes.add_picture(str(DOCS.parent / "dot.png"), 0, 0)
    made.save(tmp_path / "wrong.pdf")  # the content says what it is
    (document,), report = run(tmp_path / "wrong.pdf")
    assert (document.format, document.title) == ("pptx", "保修 政策")
    slides = {span["slide"]: document.text[span["start"] : span["end"]] for span in document.spans}
    assert slides[1] == "# 保修 政策\n\n- 手机两年\n- 耳机一年\n  - 电池除外\n\nNotes: 说明电池"
    assert "in a group" in slides[2] and "in alternate content" in slides[2]
    assert "| Region | Fee |\n| --- | --- |\n| North\\|South | 10 |" in slides[2]
    assert "|  | Sales |\n| --- | --- |\n| 2024 | 1.5 |\n| 2025 | 20 |" in slides[2]
    assert set(slides) == {1, 2}
    assert [loss["slides"] for loss in report.losses if loss["kind"] == "warning"] == [[3]]
    data = (tmp_path / "wrong.pdf").read_bytes()
    (tmp_path / "cut.pptx").write_bytes(data[:300])
    documents, report = run(tmp_path / "cut.pptx")
    assert not documents
    assert "not readable as PPTX" in report.losses[-1]["reason"]


def epub(path, chapters: dict[str, str], spine: list[str], extra: tuple[str, ...] = ()) -> None:
    nav = {"nav.xhtml": "properties='nav'"}
    items = "".join(
        f"<item id='{name}' href='text%20files/{name}' media-type='application/xhtml+xml' {nav.get(name, '')}/>"
        for name in spine
    )
    refs = "".join(f"<itemref idref='{name}'/>" for name in spine)
    facts = "<dc:title>手册</dc:title><dc:creator>甲</dc:creator><dc:language>zh</dc:language>"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr(
            "META-INF/container.xml",
            "<container xmlns='urn:oasis:names:tc:opendocument:xmlns:container'><rootfiles>"
            "<rootfile full-path='OEBPS/book.opf'/></rootfiles></container>",
        )
        archive.writestr(
            "OEBPS/book.opf",
            "<package xmlns='http://www.idpf.org/2007/opf' xmlns:dc='http://purl.org/dc/elements/1.1/'>"
            f"<metadata>{facts}</metadata><manifest>{items}</manifest><spine>{refs}</spine></package>",
        )
        for name, page in chapters.items():
            archive.writestr(f"OEBPS/text files/{name}", page)
        for name in extra:
            archive.writestr(name, "x")


def test_epub_chapters_in_the_order_they_are_read(tmp_path):
    head = "<?xml version='1.0' encoding='utf-8'?><html xmlns='http://www.w3.org/1999/xhtml'>"
    rows = "<table><tr><td>a</td><td>b</td></tr></table>"
    chapters = {
        "a.xhtml": f"{head}<body><h1>第二章</h1><p>保修&nbsp;期为两年。</p></body></html>",
        "b.xhtml": f"{head}<body><h1>第一章</h1><p>手机。</p>{rows}</body></html>",
        "nav.xhtml": f"{head}<body><nav><ol><li>第一章</li></ol></nav></body></html>",
        "c.xhtml": f"{head}<body><img src='x.png'/></body></html>",
    }
    epub(tmp_path / "b.epub", chapters, ["nav.xhtml", "b.xhtml", "c.xhtml", "a.xhtml", "gone.xhtml"])
    (document,), report = run(tmp_path / "b.epub")
    assert (document.format, document.title) == ("epub", "手册")
    assert document.metadata == {"author": "甲", "language": "zh"}
    assert document.text == "# 第一章\n\n手机。\n\n| a | b |\n| --- | --- |\n\n# 第二章\n\n保修 期为两年。"
    assert [span["chapter"] for span in document.spans] == ["第一章", "第二章"]
    assert [document.text[span["start"] : span["end"]][:5] for span in document.spans] == ["# 第一章", "# 第二章"]
    assert [(loss["kind"], Path(loss["part"]).name) for loss in report.losses if "part" in loss] == [
        ("warning", "c.xhtml"),
        ("partial", "gone.xhtml"),
    ]
    epub(tmp_path / "locked.epub", chapters, ["a.xhtml"], extra=("META-INF/rights.xml",))
    documents, report = run(tmp_path / "locked.epub")
    assert not documents
    assert "locked by its publisher" in report.losses[0]["reason"]


def test_notebook(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["# 保修分析\n", "\n", "手机两年。"]},
        {
            "cell_type": "code",
            "source": "print('```')",
            "outputs": [
                {"output_type": "stream", "text": ["\x1b[31m```\x1b[0m\n"]},
                {"output_type": "display_data", "data": {"image/png": "AAAA", "text/plain": "<Figure>"}},
                {"output_type": "error", "ename": "ValueError", "evalue": "no phone", "traceback": []},
            ],
        },
        {"cell_type": "code", "source": "", "outputs": []},
        "odd",
    ]
    (tmp_path / "a.ipynb").write_text(
        json.dumps({"nbformat": 4, "metadata": {"language_info": {"name": "python"}}, "cells": cells})
    )
    (document,), report = run(tmp_path / "a.ipynb")
    assert (document.format, document.title, document.metadata) == ("ipynb", "保修分析", {"language": "python"})
    parts = [document.text[span["start"] : span["end"]] for span in document.spans]
    assert parts[0] == "# 保修分析\n\n手机两年。"
    assert parts[1].startswith("````python\nprint('```')\n````\n\n````\n```\n````")
    assert "ValueError: no phone" in parts[1]
    assert [loss["kind"] for loss in report.losses] == ["partial", "skipped"]
    old = {"worksheets": [{"cells": [{"cell_type": "heading", "level": 2, "source": "Old"}]}]}
    (tmp_path / "b.ipynb").write_text(json.dumps(old))
    assert run(tmp_path / "b.ipynb")[0][0].text == "## Old"
    for bad in ("[]", "{}", "{", '{"cells": 1}'):
        (tmp_path / "c.ipynb").write_text(bad)
        assert "not readable as a notebook" in run(tmp_path / "c.ipynb")[1].losses[0]["reason"]


def test_subtitles(tmp_path):
    srt = (
        "1\n00:00:01,000 --> 00:00:02,500\n{\\an8}<i>保修期</i>\n为两年。\n\n2\n00:00:03,000 --> 00:00:04,000\n好的。\n"
    )
    (tmp_path / "a.srt").write_bytes(srt.replace("\n", "\r\n").encode("gb18030"))
    (document,), _ = run(tmp_path / "a.srt", encoding="gb18030")
    assert document.text == "保修期 为两年。\n好的。"
    assert [span["time"] for span in document.spans] == ["00:00:01", "00:00:03"]
    vtt = (
        "WEBVTT\n\nNOTE not said\n\nSTYLE\n::cue {}\n\nx\n01:02.000 --> 01:03.000 align:start\n<v 甲>A &amp; <b>B</b>\n"
    )
    (tmp_path / "b.vtt").write_text(vtt + "\n01:03.000 --> 01:04.000\n<v 甲>A &amp; B\n")
    (document,), _ = run(tmp_path / "b.vtt")
    assert document.text == "甲: A & B"
    (tmp_path / "c.srt").write_text("no times")
    assert "not readable as subtitles" in run(tmp_path / "c.srt")[1].losses[0]["reason"]


LANGUAGES = {
    "北京故宫博物院位于紫禁城内，是中国最大的古代文化艺术博物馆。\n游客很多，天气很好，我们明天再去。\n":
        ("gb18030", "hz", "utf-16-le", "utf-16-be", "utf-16", "utf-32", "utf-32-le", "utf-32-be", "utf-8-sig"),
    "本产品保修期为十二个月，请妥善保管发票。": ("utf-16-le", "utf-16-be"),
    "臺灣的資訊產業發展迅速，許多公司在新竹科學園區設廠。\n這裡的氣候溫暖，適合居住。\n": ("big5", "utf-16-le"),
    "東京は日本の首都であり、世界最大の都市圏の一つです。\n": ("shift_jis", "euc_jp", "iso2022_jp", "utf-16-be"),
    "서울은 대한민국의 수도이며 가장 큰 도시입니다.\n이것은 한국어 텍스트입니다.\n": ("cp949", "utf-16-le"),
    "Москва является столицей России и крупнейшим городом страны.\nЭто русский текст.\n":
        ("cp1251", "koi8-r", "iso8859-5", "cp866", "utf-16-be"),
    "القاهرة هي عاصمة جمهورية مصر العربية وأكبر مدنها.\nهذا نص باللغة العربية.\n": ("cp1256", "iso8859-6", "utf-16-le"),
    "ירושלים היא עיר הבירה של מדינת ישראל והעיר הגדולה בה.\nזה טקסט בעברית.\n": ("cp1255", "iso8859-8", "utf-16-be"),
    "Η Αθήνα είναι η πρωτεύουσα της Ελλάδας και η μεγαλύτερη πόλη.\n": ("cp1253", "iso8859-7"),
    "Zażółć gęślą jaźń, święta Bożego Narodzenia są piękne.\nŁódź jest dużym miastem.\n": ("cp1250", "iso8859-2"),
    "กรุงเทพมหานครเป็นเมืองหลวงและนครที่มีประชากรมากที่สุดของประเทศไทย\n": ("cp874",),
}  # fmt: skip


@pytest.mark.parametrize(("text", "codec"), [(text, codec) for text, codecs in LANGUAGES.items() for codec in codecs])
def test_short_texts_of_many_languages(tmp_path, text, codec):
    (tmp_path / "a.txt").write_bytes(text.encode(codec))
    (document,), _ = run(tmp_path / "a.txt")
    assert document.text == text


@pytest.mark.parametrize(
    ("data", "charset", "said"),
    [
        (b"\x1b$BF|K\\\x1b(B \x1b$B-!\x1b(B", "JP", "日本 ①"),  # NEC's row 13
        (b"\x1b$BF|K\\\x1b(IC=D\x1b(B end", "JP", "日本ﾃｽﾄ end"),
        (b"\x1b$BF|K\\\nend", "JP", "日本\nend"),
        ("모든 국민은 법 앞에 평등하다.".encode("iso2022_kr"), "KR", "모든 국민은 법 앞에 평등하다."),
    ],
)
def test_escapes_of_old_mail(tmp_path, data, charset, said):
    (tmp_path / "a.txt").write_bytes(data)
    (document,), report = run(tmp_path / "a.txt")
    assert document.text == said and not report.losses
    head = b"From: a@example.org\nTo: b@example.org\nSubject: s\nContent-Type: text/plain; charset=ISO-2022-"
    (tmp_path / "a.eml").write_bytes(head + charset.encode() + b"\n\n" + data)
    (document,), _ = run(tmp_path / "a.eml")
    assert document.text.endswith(said)


def test_wrong_suffixes(tmp_path):
    def copied(origin: str, name: str) -> None:
        (tmp_path / name).write_bytes((DOCS / origin).read_bytes())

    copied("markitdown_test.docx", "a.pdf")
    copied("scotus-transcript-p1.pdf", "b.docx")
    copied("gb2312.html", "c.xls")
    copied("wiki_duck.html", "d.md")
    (tmp_path / "e.xls").write_text("a\tb\n1\t2\n")
    (tmp_path / "f.docx").write_text("just words 文字")
    (tmp_path / "g.doc").write_bytes(rb"{\rtf1 hello \u20013? world}")
    (tmp_path / "h.txt").write_text('<?xml version="1.0"?><a><b>x</b></a>')
    (tmp_path / "i.txt").write_bytes(mail(Subject="Words", Date="x").as_bytes() + b"Body.\n")
    (tmp_path / "j.txt").write_text("Name: x\nDate: 2026\nPlace: y\nTo: do\n")  # notes, not mail
    documents, report = run(tmp_path)
    assert [(Path(document.source).name[0], document.format) for document in documents] == [
        ("a", "docx"), ("b", "pdf"), ("c", "html"), ("d", "html"), ("e", "csv"), ("f", "text"), ("g", "rtf"),
        ("h", "xml"), ("i", "eml"), ("j", "text"),
    ]  # fmt: skip
    assert documents[6].text == "hello 中 world" and not report.failed


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("comments", b"<!---->" * 400 + b"words"),
        ("headers", b"A: b\r\n b\r\n" * 400 + b"words"),
        ("blanks.tex", b"\\section{A}" + b"\t" * 200_000 + b"words"),
        ("blanks.csv", b'a,b\n"' + b" \n" * 20_000 + b'x",words\n'),
        ("role.rst", b":ref:`" + b" " * 100_000 + b"words`\n"),
        ("key.md", b"---\na" + b" " * 100_000 + b"b\n---\nwords\n"),
    ],
)
def test_what_repeats_takes_no_longer(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    done = command("load", name, "--timeout", "0", cwd=tmp_path, timeout=60)
    assert done.returncode == 0 and b"words" in done.stdout


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("<p>one</body></html><p>two", "one\n\ntwo"),
        ("<html><body>one</body><body>two</body></html>", "one\n\ntwo"),
        ("<p>one " + "<font>word " * 1500 + "<p>end", "one" + " word" * 1500 + "\n\nend"),
        ("<p>one" + "<q>word " * 3000 + "<h2>end", None),
        (
            "<table><tr><th>H<sub>2</sub>O<th>wo<b>rd</b><script>x()</script><tr><td><img alt='a sign'>"
            "<td>one<br>two<span style='display:none'>no</span></table>",
            "| H2O | word |\n| --- | --- |\n| a sign | one two |",
        ),
        ("<pre>one<br>two<script>x()</script></pre>", "```\none\ntwo\n```"),
    ],
    ids=["behind", "twice", "deep", "deeper", "cells", "pre"],
)
def test_nothing_of_a_page_is_lost(tmp_path, page, said):
    (tmp_path / "a.html").write_text(page)
    (document,), report = run(tmp_path / "a.html")
    assert not report.losses
    if said is None:
        assert document.text.split().count("word") == 3000 and document.text.endswith("end")
    else:
        assert document.text == said


def test_what_looks_like_navigation_is_counted(tmp_path):
    (tmp_path / "a.html").write_text("<nav>Home</nav><nav> </nav><p>words</p><footer>Imprint</footer>")
    (document,), report = run(tmp_path / "a.html")
    assert document.text == "words"
    assert [(loss["kind"], loss["reason"]) for loss in report.losses] == [
        ("skipped", "2 elements left out: nav, aside or footer")
    ]
    (document,), report = run(DOCS / "wiki_duck.html")
    (reason,) = (loss["reason"] for loss in report.losses if loss["kind"] == "skipped" and "blocks" in loss["reason"])
    assert reason.endswith("blocks left out: they look like navigation")


def test_encoding_named_in_a_comment_is_none(tmp_path):
    page = "<html><!-- <meta charset=koi8-r> --><meta charset=gbk><p>中文的内容在这里"
    (tmp_path / "a.html").write_bytes(page.encode("gbk"))
    (document,), _ = run(tmp_path / "a.html")
    assert document.text == "中文的内容在这里"


def test_numbers_of_json_stay_as_they_are(tmp_path):
    numbers = ["18446744073709551616", "12345678901234567890.12", "-1e400", "NaN", "-Infinity", "3.25", "-0.0"]
    (tmp_path / "a.json").write_text("[" + ", ".join(numbers) + "]")
    (document,), report = run(tmp_path / "a.json")
    assert document.text.strip("[]").replace(",", "").split() == numbers and not report.losses
    (tmp_path / "b.jsonl").write_text('{"text": "one", "score": NaN, "big": 18446744073709551616, "small": 7}\n')
    (document,), report = run(tmp_path / "b.jsonl")
    assert document.metadata == {"score": "NaN", "big": "18446744073709551616", "small": 7} and not report.losses
    (tmp_path / "e.json").write_text('["half \\ud83d", 18446744073709551616]')
    assert run(tmp_path / "e.json")[0][0].text == '[\n  "half \ufffd",\n  18446744073709551616\n]'
    (tmp_path / "c.json").write_text("[" * 100_000)
    assert "not readable as JSON" in run(tmp_path / "c.json")[1].losses[0]["reason"]
    (tmp_path / "d.json").write_text("[1e5," * 100_000)
    assert "not readable as JSON" in run(tmp_path / "d.json")[1].losses[0]["reason"]


def test_book_without_an_order(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.epub", "w") as made:
        made.writestr("META-INF/container.xml", '<container><rootfile full-path="a.opf"/></container>')
        items = "".join(f'<item id="{n}" href="{n}.xhtml" media-type="application/xhtml+xml"/>' for n in "ba")
        made.writestr("a.opf", f"<package><manifest>{items}</manifest></package>")
        for name in "ab":
            made.writestr(f"{name}.xhtml", f"<html><body><p>chapter {name}</p></body></html>")
    (document,), report = run(tmp_path / "a.epub")
    assert document.text == "chapter b\n\nchapter a"
    assert [loss["kind"] for loss in report.losses] == ["warning"]
