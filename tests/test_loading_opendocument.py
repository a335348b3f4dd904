"""OpenDocument: text, sheets and slides, in packages and flat XML, with a password, and broken ones."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from lxml import etree

from conftest import DATA
from ragcli.errors import LoadError
from ragcli.loading.opendocument.document import read, read_flat
from ragcli.loading.source import Options, Source
from ragcli.report import Report

FILES = DATA / "loading"
NAMES = {
    "office": "office:1.0", "text": "text:1.0", "table": "table:1.0", "draw": "drawing:1.0", "style": "style:1.0",
    "svg": "svg-compatible:1.0", "presentation": "presentation:1.0", "meta": "meta:1.0", "chart": "chart:1.0",
    "form": "form:1.0",
}  # fmt: skip
SPACES = " ".join(f'xmlns:{key}="urn:oasis:names:tc:opendocument:xmlns:{value}"' for key, value in NAMES.items())
SPACES += ' xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:dc="http://purl.org/dc/elements/1.1/"'


def document(body: str, kind: str = "text", *, before: str = "") -> str:
    """The XML of a file whose body holds this."""
    return (
        f"<office:document-content {SPACES}>{before}<office:body><office:{kind}>{body}</office:{kind}></office:body>"
        "</office:document-content>"
    )


def package(content: str | bytes, kind: str = "text", **parts: str | bytes) -> bytes:
    """A package; parts are named with two underscores for a slash, and one for a dot."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", f"application/vnd.oasis.opendocument.{kind}")
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        for name, data in parts.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), data)
    return out.getvalue()


def loaded(data: bytes | Path, **options):
    report = Report("load")
    given = {"path": data} if isinstance(data, Path) else {"data": data}
    return list(read(Source("file", options=Options(**options), report=report, **given))), report


def text_of(body: str, kind: str = "text", **parts: str | bytes) -> str:
    documents, report = loaded(package(document(body, kind), kind, **parts))
    assert not report.failed
    return documents[0].text


def reasons(report: Report, kind: str) -> str:
    return "; ".join(loss["reason"] for loss in report.losses if loss["kind"] == kind)


def test_text_of_libreoffice():
    (found,), report = loaded(FILES / "writer.odt")
    assert found.format == "odt" and found.title == "丰富文档"
    assert found.metadata == {"author": "王小明", "date": "2024-05-06", "keywords": "甲, 乙"}
    assert found.text == (
        "# 第一章 Rich\n\n## 小节标题\n\n正文   空格\t制表\n换行。注[^1]尾[^e1]批注完漢字(かんじ)。\n\n"
        "Comment (李雷): 这是批注 note\n\n3. 第三项\n  - 子项\n4. 第四项\n\n   续段\n\n框\n\n文本框里的字 framed\n\n"
        "矩形里的字 shape text\n\nPicture: 替代标题. 替代描述\n\n| 表头甲 | 表头乙 |  |\n| --- | --- | --- |\n"
        "| 单元\\|格 | 二 行 | 内1, 内2 |\n\n节中文字\n\n[^1]: 脚注内容\n\n[^e1]: 尾注内容\n\n页眉 机密文件"
    )
    assert "DELETED" not in found.text and "目录" not in found.text
    assert "table of contents" in reasons(report, "skipped") and not report.failed


def test_password():
    path = FILES / "writer_password.odt"
    for password in (None, "secret"):
        with pytest.raises(LoadError, match="password"):
            loaded(path, password=password)
    (found,), _ = loaded(path, password="密码secret")
    assert "北京故宫博物院建立于1925年" in found.text and "```\ndef f(x):\n    return x  # 注释\n```" in found.text
    assert "a 2 + b 2 = c 2" in found.text  # a formula in a part of its own


def test_password_of_another_kind():
    how = (
        "<manifest><file-entry full-path='content.xml'><encryption-data><algorithm algorithm-name='Blowfish CFB'/>"
        "</encryption-data></file-entry></manifest>"
    )
    data = package(b"x")
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, how if "manifest" in name else old.read(name))
    with pytest.raises(LoadError, match="encrypted in a way that cannot be read"):
        loaded(out.getvalue(), password="x")


def test_flat():
    report = Report("load")
    source = Source("file.fodt", options=Options(), report=report, data=b"")
    root = etree.fromstring(
        document("<text:h text:outline-level='2'>标题</text:h><text:p>文</text:p>").replace(
            "document-content", "document"
        )
    )
    (found,) = read_flat(source, root)
    assert (found.format, found.title, found.text) == ("odt", "标题", "## 标题\n\n文")


def test_links():
    link = "<text:p>see <text:a xlink:href='{}'>the <text:span>page</text:span></text:a>.</text:p>"
    assert text_of(link.format("https://example.org/a")) == "see the page. <https://example.org/a>"
    assert text_of(link.format("#anchor")) == "see the page."


def test_headings_by_style_and_code():
    styles = (
        "<office:automatic-styles><style:style style:name='P1' style:family='paragraph' "
        "style:parent-style-name='Heading_20_3'/><style:style style:name='P2' style:family='paragraph' "
        "style:parent-style-name='P2'/></office:automatic-styles>"
    )
    body = (
        "<text:p text:style-name='Title'>甲</text:p><text:p text:style-name='P1'>乙</text:p>"
        "<text:p text:style-name='P2'>a cycle</text:p><text:p text:style-name='Preformatted_20_Text'>if x:</text:p>"
        "<text:p text:style-name='Preformatted_20_Text'><text:s text:c='2'/>pass</text:p>"
    )
    documents, _ = loaded(package(document(body, before=styles)))
    assert documents[0].text == "# 甲\n\n### 乙\n\na cycle\n\n```\nif x:\n  pass\n```"


def test_numbering_goes_on():
    styles = (
        "<office:automatic-styles><text:list-style style:name='L'><text:list-level-style-number text:level='1' "
        "style:num-format='1'/></text:list-style></office:automatic-styles>"
    )
    item = "<text:list-item><text:p>{}</text:p></text:list-item>"
    body = (
        f"<text:list text:style-name='L'>{item.format('a')}</text:list><text:p>between</text:p>"
        f"<text:list text:style-name='L' text:continue-numbering='true'>{item.format('b')}</text:list>"
        f"<text:p>new</text:p><text:list text:style-name='L'>{item.format('c')}</text:list>"
    )
    documents, _ = loaded(package(document(body, before=styles)))
    assert documents[0].text == "1. a\n\nbetween\n\n2. b\n\nnew\n\n1. c"


def cell(text: str = "", **attributes: str) -> str:
    said = " ".join(f'table:{name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f"<table:table-cell {said}>{f'<text:p>{text}</text:p>' if text else ''}</table:table-cell>"


def row(*cells: str, again: int = 1) -> str:
    return f"<table:table-row table:number-rows-repeated='{again}'>{''.join(cells)}</table:table-row>"


def sheet(name: str, *rows: str) -> str:
    return f"<table:table table:name='{name}'>{''.join(rows)}</table:table>"


def test_sheets():
    values = (
        '<table:table-cell office:value-type="percentage" office:value="0.25"/>'
        '<table:table-cell office:value-type="date" office:date-value="2024-01-02"/>'
        '<table:table-cell office:value-type="boolean" office:boolean-value="true"/>'
        '<table:table-cell office:value-type="time" office:time-value="PT08H05M00S"/>'
        '<table:table-cell office:value-type="currency" office:value="9.5" office:currency="CNY"/>'
        '<table:table-cell office:value-type="float" office:value="3"><office:annotation><dc:creator>李雷</dc:creator>'
        "<text:p>核对</text:p></office:annotation></table:table-cell>"
    )
    body = sheet(
        "数据",
        row(cell("地区", number_rows_spanned="1"), cell("数", number_columns_repeated="2")),
        row(cell("华北", number_rows_spanned="2"), cell("1"), cell("2")),
        row("<table:covered-table-cell/>", cell("3"), cell("4")),
        row(cell(number_columns_repeated="16384"), again=1_000_000),
        row(values),
    ) + sheet("空", row(cell(number_columns_repeated="16384"), again=1_048_576))
    documents, report = loaded(package(document(body, "spreadsheet"), "spreadsheet"))
    (found,) = documents
    assert found.format == "ods" and not report.failed
    assert "| 地区 | 数 | 数 |" in found.text and "| 华北 | 3 | 4 |" in found.text
    assert "25% | 2024-01-02 | TRUE | 08:05:00 | 9.5 CNY | 3" in found.text
    assert "Comment (F1000004): 李雷: 核对" in found.text
    assert [span["sheet"] for span in found.spans] == ["数据"]
    flat = list(read_flat(Source("f", options=Options(), report=report, data=b""),
                          etree.fromstring(document(body, "spreadsheet"))))  # fmt: skip
    assert flat[0].text == found.text


def test_repeated_without_end():
    body = sheet("S", row(cell("x", number_columns_repeated="16384"), again=1_048_576))
    (found,), report = loaded(package(document(body, "spreadsheet"), "spreadsheet"))
    assert len(found.text) < 10_000_000 and "1,000,000 times" in reasons(report, "partial")


def test_slides():
    body = """
    <draw:page><draw:frame presentation:class="outline"><draw:text-box><text:list><text:list-item><text:p>要点</text:p>
    <text:list><text:list-item><text:p>细节</text:p></text:list-item></text:list></text:list-item></text:list>
    </draw:text-box></draw:frame>
    <draw:frame presentation:class="title"><draw:text-box><text:p>题目</text:p></draw:text-box></draw:frame>
    <draw:frame presentation:class="page-number"><draw:text-box><text:p>PAGE</text:p></draw:text-box></draw:frame>
    <draw:g><draw:custom-shape><text:p>组里的字</text:p></draw:custom-shape></draw:g>
    <draw:frame><table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell>
    <table:table-cell><text:p>b</text:p></table:table-cell></table:table-row></table:table>
    <draw:image xlink:href="preview.png"/></draw:frame>
    <presentation:notes><draw:page-thumbnail/><draw:frame presentation:class="notes"><draw:text-box>
    <text:p>备注</text:p></draw:text-box></draw:frame></presentation:notes></draw:page>
    <draw:page><draw:frame><draw:image xlink:href="a.png"/></draw:frame></draw:page>
    <draw:page><draw:frame><draw:object xlink:href="./Object 1"/><draw:image/></draw:frame></draw:page>"""
    chart = f"""<office:document-content {SPACES}><office:body><office:chart><chart:chart><chart:title>
    <text:p>图表题</text:p></chart:title><table:table><table:table-row>{cell()}{cell("一月")}</table:table-row>
    <table:table-row>{cell("甲")}{cell("5")}</table:table-row></table:table></chart:chart></office:chart></office:body>
    </office:document-content>"""
    data = package(document(body, "presentation"), "presentation", **{"Object 1__content_xml": chart})
    (found,), report = loaded(data, ocr="never")
    assert found.format == "odp" and found.title == "题目"
    assert [found.text[span["start"] : span["end"]] for span in found.spans] == [
        "# 题目\n\n- 要点\n  - 细节\n\n组里的字\n\n| a | b |\n| --- | --- |\n\nNotes: 备注",
        "图表题\n\n|  | 一月 |\n| --- | --- |\n| 甲 | 5 |",
    ]
    assert [span["slide"] for span in found.spans] == [1, 3]
    assert (report.counts["pages_seen"], report.counts["pages_loaded"], report.counts["pages_skipped"]) == (3, 2, 1)
    assert report.counts["images_skipped"] == 1 and "no text on slide 2" in reasons(report, "warning")


def test_drawing():
    assert text_of("<draw:page><draw:rect><text:p>图中字</text:p></draw:rect></draw:page>", "drawing") == "图中字"


def test_deleted_text_that_stands_in_the_body():
    body = """<text:tracked-changes><text:changed-region text:id="d"><text:deletion/></text:changed-region>
    <text:changed-region xml:id="i"><text:insertion/></text:changed-region></text:tracked-changes>
    <text:p>one <text:change-start text:change-id="d"/>gone <text:span>too</text:span>tail</text:p>
    <text:p>all of it</text:p><text:p>rest<text:change-end text:change-id="d"/>two
    <text:change-start text:change-id="i"/>new<text:change-end text:change-id="i"/></text:p>"""
    assert text_of(body) == "one\n\ntwo new"


def test_controls_of_forms():
    controls = """<form:form><form:fixed-text xml:id="a" form:label="姓名："/>
    <form:text xml:id="b" form:value="old" form:current-value="王小明"/>
    <form:textarea form:id="c"><text:p>一</text:p><text:p>二</text:p></form:textarea>
    <form:checkbox xml:id="d" form:label="同意" form:current-state="checked"/>
    <form:checkbox xml:id="e" form:label="拒绝"/><form:password xml:id="f" form:value="geheim"/>
    <form:listbox xml:id="g"><form:option form:label="北京"/>
    <form:option form:label="上海" form:current-selected="true"/></form:listbox></form:form>"""
    shown = "".join(f'<draw:control draw:control="{name}"/>' for name in "abdefg")
    body = f"""<office:forms>{controls}</office:forms><text:p>{shown}后</text:p>
    <text:p><draw:control draw:control="c"/></text:p><text:p><draw:control draw:control="none"/>end</text:p>"""
    assert text_of(body) == "姓名： 王小明 [x] 同意 [ ] 拒绝 上海 后\n\n一\n二\n\nend"


def test_embedded_formula_and_foreign_object():
    formula = (
        '<math xmlns="http://www.w3.org/1998/Math/MathML"><semantics><mi>x</mi>'
        '<annotation encoding="StarMath 5.0">a over b</annotation></semantics></math>'
    )
    body = (
        "<text:p>设 <draw:frame><draw:object xlink:href='./Object 1'/></draw:frame> 则</text:p>"
        "<text:p><draw:frame><draw:object-ole xlink:href='./Object 2'/></draw:frame></text:p>"
    )
    documents, report = loaded(package(document(body), **{"Object 1__content_xml": formula}))
    assert documents[0].text == "设 a over b 则"
    assert "1 embedded object was not read" in reasons(report, "skipped")


def damaged(data: bytes, name: str) -> bytes:
    """The package with the end of a part overwritten."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        info = archive.getinfo(name)
    at = info.header_offset + 30 + len(name) + info.compress_size * 2 // 3
    return data[:at] + bytes(255 - byte for byte in data[at : at + 20]) + data[at + 20 :]


def test_damaged_parts():
    words = "".join(f"<text:p>段落 {number} {number * 7919 % 10007}</text:p>" for number in range(2000))
    (found,), report = loaded(damaged(package(document(words)), "content.xml"))
    assert found.text.startswith("段落 0 0\n\n段落 1 7919") and 500 < found.text.count("段落") < 2000
    assert "content.xml is damaged" in reasons(report, "partial")
    good = package(document("<text:p>好</text:p>"), styles_xml="<a", meta_xml="")
    (found,), report = loaded(good)
    assert found.text == "好" and "styles.xml is broken XML" in reasons(report, "partial")


def test_truncated_xml():
    whole = document(sheet("S", *(row(cell(f"甲{at}"), cell("乙")) for at in range(9))), "spreadsheet")
    (found,), report = loaded(package(whole[: whole.index("甲5") + 20], "spreadsheet"))
    assert "| 甲4 | 乙 |" in found.text and "甲5" in found.text
    assert "content.xml is broken XML" in reasons(report, "partial")


@pytest.mark.parametrize(
    "data",
    [
        package("not xml"),
        package(f"<office:document-content {SPACES}/>"),
        package(document("", "database")),
        package(b""),
    ],
)
def test_no_document(data):
    with pytest.raises(LoadError):
        loaded(data)


def test_hostile():
    inner = "<text:p>deep</text:p>"
    for name in ("section", "span"):
        one = f"<text:{name}>" * 200 + (inner if name == "section" else "deep") + f"</text:{name}>" * 200
        assert "deep" in text_of(one if name == "section" else f"<text:p>{one}</text:p>")
    tables = "<table:table><table:table-row><table:table-cell>" * 60
    ends = "</table:table-cell></table:table-row></table:table>" * 60
    assert text_of(f"{tables}{inner}{ends}") == "deep"
    assert len(text_of("<text:p>a<text:s text:c='999999999'/>b</text:p>")) < 200
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    documents, _ = loaded(package(bomb + document("<text:p>text &b;</text:p>")))
    assert documents[0].text.startswith("text") and len(documents[0].text) < 100
