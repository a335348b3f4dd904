"""Word, PowerPoint and mail: old and strict files, passwords, what lies in them, and files that are broken."""

from __future__ import annotations

import base64
import gzip
import io
import os
import struct
import subprocess
import sys
import threading
import time
import zipfile
from datetime import datetime, timezone
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from compound import compound
from conftest import DATA
from ragcli.errors import LoadError
from ragcli.loading import load as load_files
from ragcli.loading.formats import identify, loader
from ragcli.loading.mail.compressedrtf import decompressed
from ragcli.loading.ocr import available
from ragcli.loading.office.ooxml import transitional
from ragcli.loading.office.soffice import convert, find
from ragcli.loading.office.wordstyles import joined
from ragcli.loading.source import Options, Source
from ragcli.loading.zipped import opened
from ragcli.report import Report

FILES = DATA / "loading"
MANUAL = """# 保修政策

手机的保修期为两年，𠮷野家除外。

## Scope

- 屏幕
- 电池
1. 报修
2. 寄回

| 型号 | 价格 | 年 |
| --- | --- | --- |
| X3 | 499 | 2 |
| 合并 |  | 1 |

End of the document.

Comment (李雷): 请复核

内部资料"""
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
NAMES = (
    f'xmlns:w="{W}" xmlns:r="{R}" xmlns:v="urn:schemas-microsoft-com:vml" '
    'xmlns:o="urn:schemas-microsoft-com:office:office" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
)
needs_libreoffice = pytest.mark.skipif(find() is None, reason="LibreOffice is not installed")


def loaded(name: str, data: bytes, **options):
    """The documents of a file by their sources, and the report."""
    report = Report("load")
    source = Source(name, data=data, options=Options(**{"ocr": "never", **options}), report=report)
    documents = list(loader(identify(source))(source))
    assert len({document.source for document in documents}) == len(documents)
    return {document.source: document for document in documents}, report


def losses(report: Report, kind: str) -> list[str]:
    return [loss["reason"] for loss in report.losses if loss["kind"] == kind]


def word(body: str, relations: str = "", parts: dict[str, str | bytes] | None = None) -> bytes:
    """A DOCX of a body as XML; relations as (id, type, target) lines."""
    rels = ""
    for line in relations.split("\n"):
        if line:
            key, kind, target, *mode = line.split()
            external = ' TargetMode="External"' if mode else ""
            rels += f'<Relationship Id="{key}" Type="{R}/{kind}" Target="{target}"{external}/>'
    around = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
    main = f'<Relationship Id="m" Type="{R}/officeDocument" Target="word/document.xml"/>'
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("_rels/.rels", around.format(main))
        archive.writestr("word/_rels/document.xml.rels", around.format(rels))
        archive.writestr("word/document.xml", f"<w:document {NAMES}><w:body>{body}</w:body></w:document>")
        for name, content in (parts or {}).items():
            archive.writestr(name, content)
    return out.getvalue()


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def rewritten(data: bytes, change) -> bytes:
    """A ZIP file with ``change(name, content)`` -> (name, content) or None of each member."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            changed = change(name, before.read(name))
            if changed is not None:
                after.writestr(*changed)
    return out.getvalue()


# --- old files


def test_doc_needs_nothing():
    documents, report = loaded("manual.doc", (FILES / "manual.doc").read_bytes())
    (document,) = documents.values()
    assert document.text == MANUAL
    assert (document.format, document.title, document.metadata["author"]) == ("doc", "保修手册", "王芳")
    assert not report.losses


@needs_libreoffice
def test_doc_through_libreoffice_says_the_same(tmp_path):
    """The own reading, and LibreOffice's DOCX of the same file, are one text."""
    data = convert(find(), (FILES / "manual.doc").read_bytes(), suffix=".doc", to="docx")
    documents, _ = loaded("manual.docx", data)
    assert documents["manual.docx"].text.split() == MANUAL.split()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_converter_ends_with_the_one_who_asked(tmp_path):
    """When ragcli is killed, what it started as LibreOffice does not stay behind."""
    program = tmp_path / "soffice"
    made, pid = tmp_path / "made", tmp_path / "pid"
    program.write_text(f"#!/bin/sh\nsleep 300 &\necho $! > '{made}'\nmv '{made}' '{pid}'\nwait\n")
    program.chmod(0o755)
    script = (
        f"from ragcli.loading.office.soffice import convert\nconvert({str(program)!r}, b'x', suffix='.doc', to='docx')"
    )
    asking = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    while not pid.exists():
        assert asking.poll() is None
        time.sleep(0.02)
    child = int(pid.read_text())
    os.kill(child, 0)
    asking.kill()
    asking.wait()
    for _ in range(100):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.kill(child, 9)
    pytest.fail("it goes on")


@needs_libreoffice
def test_libreoffice_fetches_nothing():
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_OPTIONS = do_GET

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    urn = "urn:oasis:names:tc:opendocument:xmlns"
    linked = (
        '<?xml version="1.0"?><office:document office:version="1.2" '
        f'xmlns:office="{urn}:office:1.0" xmlns:text="{urn}:text:1.0" xmlns:draw="{urn}:drawing:1.0" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink" office:mimetype="application/vnd.oasis.opendocument.text">'
        "<office:body><office:text><text:p>hello<draw:frame><draw:image xlink:type='simple' "
        f"xlink:href='http://127.0.0.1:{server.server_port}/p.png'/></draw:frame></text:p></office:text></office:body>"
        "</office:document>"
    )
    made = convert(find(), linked.encode(), suffix=".fodt", to="docx")
    server.shutdown()
    server.server_close()
    assert loaded("a.docx", made)[0]["a.docx"].text == "hello"
    assert asked == []


def test_ppt_needs_nothing():
    documents, report = loaded("a.ppt", gzip.decompress((FILES / "slides.ppt.gz").read_bytes()))
    document = documents["a.ppt"]
    slides = [document.text[span["start"] : span["end"]] for span in document.spans]
    assert slides == [
        "# 保修 政策\n\n- 手机两年\n- 耳机一年\n  - 电池除外\n- 又一\n\nNotes: 说明电池\n第二段",
        "| Region | Fee |\n| --- | --- |\n| North | 10 |\n\nin a group é",
    ]
    assert (document.format, document.title) == ("ppt", "保修 政策")
    assert report.counts["pages_loaded"] == 2


def test_old_files_that_cannot_be_read_say_why(monkeypatch):
    monkeypatch.setenv("RAGCLI_SOFFICE", "/nonexistent")
    with pytest.raises(LoadError, match=r"this is an old Word file \(\.doc\); reading it needs LibreOffice") as raised:
        loaded("a.doc", b"\xdb\xa5-\0" + bytes(range(256)) * 9)
    assert "Install LibreOffice" in raised.value.hint
    with pytest.raises(LoadError, match="none by its content"):
        loaded("a.doc", bytes(range(256)) * 9)
    whole = (FILES / "manual.doc").read_bytes()
    with pytest.raises(LoadError, match="not readable as DOC"):
        loaded("a.doc", whole[:9000])
    with pytest.raises(LoadError, match="not readable as DOC"):
        loaded("a.doc", compound({"WordDocument": b"no"}))


# --- passwords


def test_passwords():
    import docx
    from msoffcrypto.format.ooxml import OOXMLFile

    made, out = docx.Document(), io.BytesIO()
    made.add_paragraph("秘密")
    made.save(out)
    plain, out = out.getvalue(), io.BytesIO()
    OOXMLFile(io.BytesIO(plain)).encrypt("密码1", out)
    documents, _ = loaded("a.docx", out.getvalue(), password="密码1")
    assert (documents["a.docx"].text, documents["a.docx"].format) == ("秘密", "docx")
    with pytest.raises(LoadError, match="this Office file needs a password") as raised:
        loaded("a.docx", out.getvalue())
    assert raised.value.hint == "Pass --password."
    with pytest.raises(LoadError, match="the password does not open this Office file"):
        loaded("a.docx", out.getvalue(), password="other")
    out = io.BytesIO()
    OOXMLFile(io.BytesIO(plain)).encrypt("VelvetSweatshop", out)  # protected against changes only
    assert loaded("a.docx", out.getvalue())[0]["a.docx"].text == "秘密"


def test_password_of_doc(monkeypatch):
    monkeypatch.setenv("RAGCLI_SOFFICE", "/nonexistent")
    data = (FILES / "password.doc").read_bytes()
    assert "Encrypted Test File" in loaded("a.doc", data, password="encrypted")[0]["a.doc"].text
    with pytest.raises(LoadError, match="this Word file needs a password"):
        loaded("a.doc", data)
    with pytest.raises(LoadError, match="the password does not open this Word file"):
        loaded("a.doc", data, password="wrong")


def test_rights_management():
    data = compound({"EncryptedPackage": b"x" * 9, "\x06DataSpaces": {"DRMEncryptedDataSpace": b"y"}})
    with pytest.raises(LoadError, match="rights management"):
        loaded("a.docx", data, password="any")


# --- DOCX


def test_strict_file():
    documents, report = loaded("strict.docx", (FILES / "strict.docx").read_bytes())
    assert documents["strict.docx"].text == "Test"
    assert not report.losses


def test_strict_is_read_as_the_usual_form():
    back = {
        b"http://schemas.openxmlformats.org/officeDocument/2006/relationships/extended-properties": (
            b"http://purl.oclc.org/ooxml/officeDocument/relationships/extendedProperties"
        )
    }

    def strict(name: str, content: bytes):
        for usual, other in back.items():
            content = content.replace(usual, other)
        for family in (b"wordprocessingml", b"drawingml", b"officeDocument"):
            usual = b"http://schemas.openxmlformats.org/" + family + b"/2006/"
            content = content.replace(usual, b"http://purl.oclc.org/ooxml/" + family + b"/")
        return name, content

    usual = (DATA / "docs" / "markitdown_test.docx").read_bytes()
    changed = rewritten(usual, strict)
    assert b"purl.oclc.org/ooxml/wordprocessingml/main" in zipfile.ZipFile(io.BytesIO(changed)).read(
        "word/document.xml"
    )
    assert loaded("a", changed)[0]["a"].text == loaded("a", usual)[0]["a"].text
    wide = '<?xml version="1.0" encoding="UTF-16"?><a xmlns="http://purl.oclc.org/ooxml/presentationml/main"/>'
    assert b"presentationml/2006/main" in transitional(wide.encode("utf-16"))


def test_docx_of_careless_writers():
    """Names in another case and with backslashes, no content types, broken relations and no styles."""
    good = word(paragraph("保修期为两年"), "a image NULL\nb hyperlink http://[bad External\nc styles gone.xml")
    odd = rewritten(good, lambda name, content: (name.replace("word/", "Word\\"), content))
    assert loaded("a.docx", odd)[0]["a.docx"].text == "保修期为两年"
    flat = rewritten(good, lambda name, content: None if "rels" in name else (name, content))
    assert loaded("a.docx", flat)[0]["a.docx"].text == "保修期为两年"
    broken = rewritten(good, lambda name, content: (name, content[:-30] if "document.xml" in name[-12:] else content))
    documents, report = loaded("a.docx", broken)
    assert documents["a.docx"].text == "保修期为两年"
    assert "broken XML" in losses(report, "partial")[0]


def test_docx_that_is_cut_off():
    body = "".join(paragraph(f"段落 {number} {number * number}") for number in range(3000))
    data = word(body)
    documents, report = loaded("a.docx", data[: len(data) * 2 // 3])
    text = documents["a.docx"].text
    assert text.startswith("段落 0 0\n\n段落 1 1\n\n") and "段落 1000 1000000" in text
    assert "damaged or cut off" in losses(report, "partial")[0]
    whole = opened(data[: data.rindex(b"PK\1\2")], lambda reason: None)
    assert whole.read("word/document.xml") == zipfile.ZipFile(io.BytesIO(data)).read("word/document.xml")
    with pytest.raises(LoadError, match="not readable as DOCX"):
        loaded("a.docx", b"PK\3\4" + bytes(500))
    bomb = b"PK\3\4\x14\0\0\0\x08\0" + bytes(16) + b"\1\0\0\0a" + b"\0\0\0\xff\xff"
    started = time.monotonic()
    with pytest.raises(LoadError):
        loaded("a.docx", bomb * 20000)
    assert time.monotonic() - started < 20


def test_docx_inline():
    body = (
        "<w:p><w:r><w:t>a</w:t></w:r><w:ins><w:r><w:t>新</w:t></w:r></w:ins><w:del><w:r><w:delText>旧</w:delText></w:r>"
        "</w:del><w:moveTo><w:r><w:t>moved</w:t></w:r></w:moveTo><w:moveFrom><w:r><w:t>gone</w:t></w:r></w:moveFrom>"
        '<w:smartTag><w:r><w:t>tag</w:t></w:r></w:smartTag><w:r><w:sym w:font="Wingdings" w:char="F0FE"/></w:r>'
        '<w:r><w:sym w:font="Symbol" w:char="F061"/></w:r></w:p>'
        '<w:p><w:hyperlink r:id="h"><w:r><w:t>manual</w:t></w:r></w:hyperlink><w:fldSimple w:instr="DATE"><w:r>'
        "<w:t> 2025</w:t></w:r></w:fldSimple></w:p>"
        "<w:p><w:r><w:ruby><w:rubyPr/><w:rt><w:r><w:t>hàn</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>漢</w:t></w:r>"
        "</w:rubyBase></w:ruby></w:r></w:p>"
        "<w:p><w:r><w:pict><v:shape><v:textbox><w:txbxContent><w:p><w:r><w:t>VML 框</w:t></w:r></w:p></w:txbxContent>"
        "</v:textbox></v:shape></w:pict></w:r></w:p>"
        "<w:p><m:oMath><m:f><m:num><m:r><m:t>a</m:t></m:r></m:num><m:den><m:r><m:t>b</m:t></m:r></m:den></m:f></m:oMath>"
        "</w:p>"
        '<w:p><w:r><w:fldChar w:fldCharType="begin"><w:ffData><w:checkBox><w:checked/></w:checkBox></w:ffData>'
        "</w:fldChar></w:r><w:r><w:instrText>FORMCHECKBOX</w:instrText></w:r><w:r><w:t>agreed</w:t></w:r></w:p>"
    )
    documents, report = loaded("a.docx", word(body, "h hyperlink https://example.org/a External"))
    assert documents["a.docx"].text.split("\n\n") == [
        "a新movedtag☑α",
        "manual 2025 <https://example.org/a>",
        "漢(hàn)",
        "VML 框",
        r"$\frac{a}{b}$",
        "☒ agreed",
    ]
    assert not report.losses


def test_docx_numbers_that_are_text():
    level = '<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="{}"/><w:lvlText w:val="{}"/></w:lvl>'
    lists = (("chineseCounting", "第%1条"), ("decimal", "%1."), ("bullet", "·"))
    numbering = f"<w:numbering {NAMES}>"
    numbering += "".join(
        f'<w:abstractNum w:abstractNumId="{at}">{level.format(*one)}</w:abstractNum>' for at, one in enumerate(lists)
    )
    numbering += "".join(f'<w:num w:numId="{at}"><w:abstractNumId w:val="{at - 1}"/></w:num>' for at in (1, 2, 3))
    item = (
        '<w:p><w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="{}"/></w:numPr></w:pPr><w:r><w:t>{}</w:t></w:r></w:p>'
    )
    body = "".join(item.format(*one) for one in ((1, "甲"), (1, "乙"), (2, "x"), (2, "y"), (3, "z")))
    data = word(body, "n numbering numbering.xml", {"word/numbering.xml": f"{numbering}</w:numbering>"})
    assert loaded("a.docx", data)[0]["a.docx"].text == "- 第一条 甲\n- 第二条 乙\n1. x\n2. y\n- z"
    assert joined(["1. a", "b", "- c", "- d"]) == "1. a\n\nb\n\n- c\n- d"


def test_docx_holds_other_files():
    page = "<html><body><h1>条款</h1><p>嵌入的网页。</p></body></html>"
    body = f'{paragraph("before")}<w:altChunk r:id="c"/>{paragraph("after")}'
    documents, _ = loaded("a.docx", word(body, "c aFChunk chunk.html", {"word/chunk.html": page.encode()}))
    assert documents["a.docx"].text == "before\n\n# 条款\n\n嵌入的网页。\n\nafter"
    documents, _ = loaded("b.docx", (FILES / "embedded.docx").read_bytes())
    (inner,) = (document for name, document in documents.items() if "#" in name)
    assert inner.source == "b.docx#embeddings/ünicöde-수식끝이잘못되었습니다.txt"
    assert "수식 끝이 잘못되었습니다" in inner.text
    body = '<w:p><w:r><w:object><o:OLEObject ProgID="Excel.Sheet.12" r:id="o"/></w:object></w:r></w:p>'
    inner_file = word(paragraph("里面"))
    data = word(body + paragraph("x"), "o package embeddings/a.docx", {"word/embeddings/a.docx": inner_file})
    documents, _ = loaded("c.docx", data)
    assert documents["c.docx#embeddings/a.docx"].text == "里面"
    odd = word(body + paragraph("x"), "o oleObject embeddings/o.bin", {"word/embeddings/o.bin": compound({"x": b"y"})})
    documents, report = loaded("d.docx", odd)
    assert list(documents) == ["d.docx"]
    assert "o.bin (Excel.Sheet.12) holds no file" in losses(report, "skipped")[0]


def test_docx_chart_and_diagram():
    a = "http://schemas.openxmlformats.org/drawingml/2006"
    body = (
        f'<w:p><w:r><w:drawing xmlns:c="{a}/chart"><c:chart r:id="c"/></w:drawing></w:r></w:p>'
        f'<w:p><w:r><w:drawing xmlns:d="{a}/diagram"><d:relIds r:dm="d"/></w:drawing></w:r></w:p>'
    )
    points = "<c:pt idx='0'><c:v>{}</c:v></c:pt><c:pt idx='1'><c:v>{}</c:v></c:pt>"
    chart = (
        f"<c:chartSpace xmlns:c='{a}/chart' xmlns:a='{a}/main'><c:chart><c:title><c:tx><c:rich><a:p><a:r>"
        "<a:t>销量</a:t></a:r></a:p></c:rich></c:tx></c:title><c:plotArea><c:barChart><c:ser><c:tx><c:strRef><c:strCache>"
        "<c:pt idx='0'><c:v>手机</c:v></c:pt></c:strCache></c:strRef></c:tx>"
        f"<c:cat><c:numRef><c:numCache><c:formatCode>yyyy/m/d</c:formatCode>{points.format(45292, 45293)}</c:numCache>"
        f"</c:numRef></c:cat><c:val><c:numRef><c:numCache>{points.format('1.50', '20')}</c:numCache></c:numRef></c:val>"
        "</c:ser></c:barChart></c:plotArea></c:chart></c:chartSpace>"
    )
    diagram = (
        f"<d:dataModel xmlns:d='{a}/diagram' xmlns:a='{a}/main'><d:ptLst><d:pt><d:t><a:p><a:r><a:t>报修</a:t></a:r>"
        "</a:p></d:t></d:pt><d:pt type='parTrans'/></d:ptLst></d:dataModel>"
    )
    relations = "c chart charts/c.xml\nd diagramData diagrams/d.xml"
    data = word(body, relations, {"word/charts/c.xml": chart, "word/diagrams/d.xml": diagram})
    text = loaded("a.docx", data)[0]["a.docx"].text
    assert text == "销量\n\n|  | 手机 |\n| --- | --- |\n| 2024-01-01 | 1.5 |\n| 2024-01-02 | 20 |\n\n- 报修"
    _, report = loaded("a.docx", word(body, relations, {"word/charts/c.xml": chart}))
    assert "a diagram is missing" in losses(report, "partial")[0]


@pytest.mark.skipif(not available(), reason="the extra ocr is not installed")
def test_pictures_of_a_document_without_text_are_read():
    picture = (FILES / "scan_chinese.png").read_bytes()
    drawing = '<a:blip xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" r:embed="p"/>'
    scan = f"<w:p><w:r><w:drawing>{drawing}</w:drawing></w:r></w:p>"
    said = "".join((FILES / "scan_chinese.txt").read_text(encoding="utf-8").split())[:8]

    def of(body: str, ocr: str):
        made = word(body, "p image media/p.png", {"word/media/p.png": picture})
        documents, report = loaded("a.docx", made, ocr=ocr)
        text = documents["a.docx"].text if documents else ""
        return said in "".join(text.split()), report

    assert of(scan, "auto")[0]
    found, report = of(scan + paragraph("其他文字"), "auto")
    assert not found and losses(report, "skipped") == ["1 picture not read"]
    assert report.counts["images_skipped"] == report.counts["images_seen"] == 1
    assert of(scan + paragraph("其他文字"), "always")[0]
    found, report = of(scan, "never")
    assert not found and "where there are pictures" in losses(report, "warning")[0]


# --- PPTX


def slides(*texts: str) -> bytes:
    from pptx import Presentation
    from pptx.util import Inches

    made = Presentation()
    for text in texts:
        box = made.slides.add_slide(made.slide_layouts[6]).shapes.add_textbox(0, 0, Inches(1), Inches(1))
        box.text_frame.text = text
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def test_pptx_with_a_broken_and_a_missing_slide():
    data = slides("first", "second", "third", "")

    def change(name: str, content: bytes):
        if name.endswith("slide2.xml"):
            return name, b"nothing"
        return None if name.endswith("slides/slide3.xml") else (name, content)

    documents, report = loaded("a.pptx", rewritten(data, change))
    assert documents["a.pptx"].text == "first"
    assert [report.counts[f"pages_{kind}"] for kind in ("seen", "loaded", "failed", "skipped")] == [4, 1, 2, 1]
    assert len(losses(report, "partial")) >= 2
    whole = slides("一", "二")
    listless = rewritten(whole, lambda name, content: None if "presentation.xml" in name else (name, content))
    assert loaded("a.pptx", listless)[0]["a.pptx"].text == "一\n\n二"


def test_pptx_links_comments_and_formulas():
    data = slides("see here")
    a = "http://schemas.openxmlformats.org/drawingml/2006/main"
    formula = (
        '<mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><mc:Choice '
        'Requires="a14"><a14:m xmlns:a14="http://schemas.microsoft.com/office/drawing/2010/main"><m:oMath '
        'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"><m:sSup><m:e><m:r><m:t>x</m:t></m:r></m:e>'
        "<m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup></m:oMath></a14:m></mc:Choice><mc:Fallback/></mc:AlternateContent>"
    )

    def change(name: str, content: bytes):
        if name == "ppt/slides/slide1.xml":
            link = f'<a:rPr xmlns:a="{a}" xmlns:r="{R}"><a:hlinkClick r:id="h"/></a:rPr>'.encode()
            content = content.replace(b"<a:t>see here", link + b"<a:t>see here")
            content = content.replace(b"</a:p>", formula.encode() + b"</a:p>")
        if name == "ppt/slides/_rels/slide1.xml.rels":
            more = f'<Relationship Id="h" Type="{R}/hyperlink" Target="https://example.org/" TargetMode="External"/>'
            more += f'<Relationship Id="c" Type="{R}/comments" Target="../comments/c.xml"/>'
            content = content.replace(b"</Relationships>", more.encode() + b"</Relationships>")
        return name, content

    data = rewritten(data, change)
    out = io.BytesIO(data)
    with zipfile.ZipFile(out, "a") as archive:
        p = "http://schemas.openxmlformats.org/presentationml/2006/main"
        authors = f'<p:cmAuthorLst xmlns:p="{p}"><p:cmAuthor id="3" name="李雷"/></p:cmAuthorLst>'
        comments = f'<p:cmLst xmlns:p="{p}"><p:cm authorId="3"><p:text>请复核</p:text></p:cm></p:cmLst>'
        archive.writestr("ppt/commentAuthors.xml", authors)
        archive.writestr("ppt/comments/c.xml", comments)
    text = loaded("a.pptx", out.getvalue())[0]["a.pptx"].text
    assert text == "see here$x^2$ <https://example.org/>\n\nComment (李雷): 请复核"


# --- MSG


def properties(head: int, **numbers: tuple[int, int]) -> bytes:
    """The properties of fixed length, as ``p3FFD=(type, value)``."""
    out = bytes(head)
    for key, (kind, value) in numbers.items():
        out += struct.pack("<HHIQ", kind, int(key[1:], 16), 6, value)
    return out


def wide(**texts: str) -> dict[str, bytes]:
    return {f"__substg1.0_{key[1:]}001F": text.encode("utf-16-le") for key, text in texts.items()}


def person(kind: int, name: str, address: str) -> dict:
    return {"__properties_version1.0": properties(8, p0C15=(3, kind)), **wide(p3001=name, p39FE=address)}


def filetime(moment: datetime) -> int:
    return int((moment - datetime(1601, 1, 1, tzinfo=timezone.utc)).total_seconds()) * 10_000_000


def test_msg():
    sent = filetime(datetime(2025, 3, 1, 8, 30, tzinfo=timezone.utc))
    attached = {
        "__properties_version1.0": properties(8, p3705=(3, 1)),
        **wide(p3707="报价.csv", p370E="text/csv"),
        "__substg1.0_37010102": b"model,price\nX3,499\n",
    }
    shown = {
        "__properties_version1.0": properties(8, p3705=(3, 1), p3714=(3, 4)),
        **wide(p3707="logo.png", p370E="image/png"),
        "__substg1.0_37010102": b"\x89PNG" + bytes(5000),
    }
    inner = {
        "__properties_version1.0": properties(24),
        **wide(p0037="转发的邮件", p1000="里面的正文。", p001A="IPM.Note"),
    }
    forwarded = {
        "__properties_version1.0": properties(8, p3705=(3, 5)),
        **wide(p3001="转发"),
        "__substg1.0_3701000D": inner,
    }
    message = {
        "__properties_version1.0": properties(32, p0039=(64, sent)),
        **wide(
            p0037="保修问题：手机",
            p0C1A="王芳",
            p5D01="wang@example.org",
            p1000="手机坏了。\r\n第二行",
            p001A="IPM.Note",
        ),
        "__recip_version1.0_#00000000": person(1, "李雷", "li@example.org"),
        "__recip_version1.0_#00000001": person(2, "c@example.org", "c@example.org"),
        "__attach_version1.0_#00000000": attached,
        "__attach_version1.0_#00000001": forwarded,
        "__attach_version1.0_#00000002": shown,
    }
    documents, report = loaded("m.msg", compound(message))
    outer = documents["m.msg"]
    assert outer.text == (
        "# 保修问题：手机\n\nFrom: 王芳 <wang@example.org>\nTo: 李雷 <li@example.org>\nCc: c@example.org\n"
        "Date: Sat, 01 Mar 2025 08:30:00 +0000\n\n手机坏了。\n第二行"
    )
    assert (outer.format, outer.title, outer.metadata["date"]) == ("msg", "保修问题：手机", "2025-03-01")
    assert outer.metadata["attachments"] == ["报价.csv"]
    assert documents["m.msg#报价.csv#2"].text == "model: X3\nprice: 499"
    assert documents["m.msg#转发"].text == "# 转发的邮件\n\n里面的正文。"
    assert losses(report, "skipped") == ["1 picture in the body not read"]


def test_msg_bodies_and_code_pages():
    def of(more: dict, **numbers) -> str:
        made = {"__properties_version1.0": properties(32, **numbers), **more}
        return loaded("m.msg", compound(made))[0]["m.msg"].text

    page = "<html><body><h1>通知</h1><p>明天放假。</p></body></html>".encode("gbk")
    assert of({"__substg1.0_10130102": page}, p3FDE=(3, 936)) == "# 通知\n\n明天放假。"
    gbk = {"__substg1.0_0037001E": "会议".encode("gbk"), "__substg1.0_1000001E": "正文在此".encode("gbk")}
    assert of(gbk, p3FFD=(3, 936)) == "# 会议\n\n正文在此"
    rtf = rb"{\rtf1\ansi\ansicpg936 \'c4\'e3\'ba\'c3 hello\par}"
    packed = struct.pack("<4I", len(rtf) + 12, len(rtf), 0x414C454D, 0) + rtf
    assert of({"__substg1.0_10090102": packed}) == "你好 hello"
    with pytest.raises(LoadError, match="neither headers nor a body"):
        of({"x": b"y"})


def test_compressed_rtf():
    """The example of the specification, [MS-OXRTFCP] 3.1.1."""
    data = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
    )
    assert decompressed(data) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"


# --- mail


def test_mbox():
    first = b"From a@b Mon Jan  6 10:00:00 2025\nSubject: one\nFrom: a@b.c\n\n>From here it goes on\nFrom there\n\n"
    second = "From x@y Tue Jan  7 10:00:00 2025\r\nSubject: 二\r\nFrom: x@y.z\r\n\r\n正文\r\n\r\n".encode()
    empty = b"From e@e Tue Jan  7 10:00:00 2025\n\n\n"
    last = b"From q@q Tue Jan  7 11:00:00 2025\nSubject: three\nFrom: q@q.q\n\nlast\n"
    documents, report = loaded("m.mbox", first + second + empty + last)
    assert [*documents] == ["m.mbox#1", "m.mbox#2", "m.mbox#4"]
    assert documents["m.mbox#1"].text == "# one\n\nFrom: a@b.c\n\nFrom here it goes on\nFrom there"
    assert documents["m.mbox#2"].text.endswith("正文")
    assert [loss["part"] for loss in report.losses] == ["3"]
    with pytest.raises(LoadError, match="holds no message"):
        loaded("m.mbox", b"nothing at all\n")


def test_saved_page():
    page = "<html><head><title>公告</title></head><body><h1>停电</h1><p>周三停电。</p></body></html>"
    made = (
        b"From: <Saved by Blink>\r\nSnapshot-Content-Location: https://example.org/a\r\nSubject: x\r\n"
        b'Content-Type: multipart/related; type="text/html"; boundary="B"\r\n\r\n--B\r\nContent-Type: text/html\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n"
        + base64.b64encode(page.encode("gbk"))
        + b"\r\n--B\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--B--\r\n"
    )
    documents, report = loaded("a.mht", made)
    document = documents["a.mht"]
    assert (document.text, document.format) == ("# 停电\n\n周三停电。", "mhtml")
    assert document.metadata["url"] == "https://example.org/a"
    assert report.counts["images_skipped"] == 1


def tnef(*attributes: tuple[int, int, bytes]) -> bytes:
    out = b"\x78\x9f\x3e\x22\1\0"
    for level, kind, value in attributes:
        out += struct.pack("<BII", level, kind, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)
    return out


def test_winmail():
    packed = tnef(
        (1, 0x0002800C, "正文在包里。".encode("gbk")),
        (1, 0x00069007, struct.pack("<II", 936, 0)),
        (2, 0x00069002, bytes(14)),
        (2, 0x00018010, "说明.txt".encode("gbk") + b"\0"),
        (2, 0x0006800F, b"the file"),
    )
    made = EmailMessage()
    made["From"], made["Subject"] = "a@example.org", "packed"
    made.add_attachment(packed, maintype="application", subtype="ms-tnef", filename="winmail.dat")
    documents, report = loaded("m.eml", made.as_bytes())
    assert documents["m.eml"].text.endswith("正文在包里。")
    assert documents["m.eml#说明.txt"].text == "the file"
    damaged = made.as_bytes().replace(base64.b64encode(packed)[:20], b"A" * 20)
    _, report = loaded("m.eml", damaged)
    assert "winmail.dat cannot be read" in losses(report, "partial")[0]


def test_mail_as_programs_write_it():
    flowed = (
        "From: a@b.c\nContent-Type: text/plain; charset=utf-8; format=flowed\n\n"
        "One line that \ngoes on \nhere.\n> quoted \n> too\n-- \nsigned\n"
    )
    text = loaded("a.eml", flowed.encode())[0]["a.eml"].text
    assert text.endswith("One line that goes on here.\n> quoted too\n-- \nsigned")
    uu = b"From: a@b.c\nSubject: s\n\nbefore\nbegin 644 n.txt\n" + b"%=V]R9',\n`\nend\nafter\n"
    documents, _ = loaded("b.eml", uu)
    assert documents["b.eml#n.txt"].text == "words"
    assert "begin 644" not in documents["b.eml"].text and "after" in documents["b.eml"].text
    rtf = b"From: a@b.c\nSubject: s\nContent-Type: text/rtf\n\n{\\rtf1\\ansi rich {\\b words}}\n"
    assert loaded("c.eml", rtf)[0]["c.eml"].text.endswith("rich words")


def test_mail_that_is_damaged():
    head = 'From: a@b.c\nSubject: s\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="B"\n\n'
    _, report = loaded("a.eml", (head + "--B\nContent-Type: text/plain\n\nfirst part\n").encode())
    assert "may be cut off" in losses(report, "warning")[0]
    documents, report = loaded("b.eml", (head + "--other\nContent-Type: text/plain\n\nthe words\n--other--\n").encode())
    assert "the words" in documents["b.eml"].text
    assert "cannot be told apart" in losses(report, "partial")[0]
    part = '--B\nContent-Type: text/plain; name="n.txt"\nContent-Transfer-Encoding: base64\n\n{}\n--B--\n'
    documents, report = loaded("c.eml", (head + part.format("d29yZHM")).encode())
    assert documents["c.eml#n.txt"].text == "words"
    assert "n.txt is damaged" in losses(report, "partial")[0]
    sealed = b'From: a@b.c\nSubject: s\nContent-Type: application/pkcs7-mime; name="smime.p7m"\n\nAAAA\n'
    documents, report = loaded("d.eml", sealed)
    assert "sealed (S/MIME)" in losses(report, "partial")[0]


# --- nothing that any of them does takes the process down


@pytest.mark.parametrize("name", ["manual.doc", "slides.ppt.gz", "strict.docx", "password.doc", "embedded.docx"])
def test_damaged_bytes(name, monkeypatch):
    import random

    monkeypatch.setenv("RAGCLI_SOFFICE", os.devnull)
    data = (FILES / name).read_bytes()
    if name.endswith(".gz"):
        name, data = name.removesuffix(".gz"), gzip.decompress(data)[:60_000]
    chance = random.Random(name)
    for _ in range(25):
        damaged = bytearray(data)
        for _ in range(chance.choice((1, 5, 60))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            loaded(name, bytes(damaged), password="encrypted")
        except LoadError:
            pass


def test_what_an_eq_field_shows(tmp_path):
    from docx import Document
    from docx.oxml import parse_xml

    made = Document()
    paragraph = made.add_paragraph("before ")._p
    runs = [
        '<w:fldChar w:fldCharType="begin"/>', "<w:instrText> EQ \\o\\ad(\\s\\up 9(pin),</w:instrText>",
        "<w:instrText>base)</w:instrText>", '<w:fldChar w:fldCharType="end"/>', "<w:t> and </w:t>",
        '<w:fldChar w:fldCharType="begin"/>', "<w:instrText> PAGE </w:instrText>",
        '<w:fldChar w:fldCharType="separate"/>', "<w:t>7</w:t>", '<w:fldChar w:fldCharType="end"/>',
    ]  # fmt: skip
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    for run in runs:
        paragraph.append(parse_xml(f"<w:r {space}>{run}</w:r>"))
    made.save(tmp_path / "a.docx")
    (found,) = load_files([tmp_path / "a.docx"])
    assert found.text == "before base(pin) and 7"
    (found,) = load_files([DATA / "loading" / "ruby.doc"])
    assert found.text == "前漢字(かんじ)後"
