"""XLSX and XLS: cells as they are shown, merged cells, what stands beside the cells, and files that are broken."""

from __future__ import annotations

import json
import struct
import time
import zipfile
from pathlib import Path

import pytest
from lxml import etree

from conftest import DATA, lines, run
from ragcli.errors import LoadError
from ragcli.loading.sheets.markdown import assembled, cell_name, linked, written
from ragcli.loading.sheets.numformat import BUILTIN, shown, shown_text
from ragcli.loading.sheets.spreadsheetml import spreadsheet_2003
from ragcli.loading.sheets.xls import read as read_xls
from ragcli.loading.sheets.xlsx import read as read_xlsx
from ragcli.loading.source import Options, Source
from ragcli.report import Report

FILES = DATA / "loading"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
STRICT_MAIN = "http://purl.oclc.org/ooxml/spreadsheetml/main"
STRICT_REL = "http://purl.oclc.org/ooxml/officeDocument/relationships"


def loaded(path: Path, **options):
    """The documents of a file, and the report."""
    report = Report("load")
    reader = read_xls if path.suffix == ".xls" else read_xlsx
    return list(reader(Source(path.name, path=path, options=Options(**options), report=report))), report


def workbook(path: Path, sheets: dict[str, str], *, strings=(), styles="", main=MAIN, rel=REL, extra=None, **named):
    """Write a workbook whose sheets are given as the XML of their rows (or of the whole sheet)."""
    entries = "".join(f'<sheet name="{name}" sheetId="{at}" r:id="r{at}"/>' for at, name in enumerate(sheets, 1))
    parts = {
        "_rels/.rels": f'<Relationships><Relationship Id="r1" Type="{rel}/officeDocument" Target="xl/workbook.xml"/>'
        "</Relationships>",
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{rel}">{named.get("properties", "")}'
        f"<sheets>{entries}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": "<Relationships>"
        + "".join(
            f'<Relationship Id="r{at}" Type="{rel}/worksheet" Target="worksheets/sheet{at}.xml"/>'
            for at in range(1, len(sheets) + 1)
        )
        + "</Relationships>",
    }
    if strings:
        parts["xl/sharedStrings.xml"] = f'<sst xmlns="{main}">{"".join(strings)}</sst>'
    if styles:
        parts["xl/styles.xml"] = f'<styleSheet xmlns="{main}">{styles}</styleSheet>'
    for at, content in enumerate(sheets.values(), 1):
        if "<sheetData" not in content:
            content = f"<sheetData>{content}</sheetData>"
        parts[f"xl/worksheets/sheet{at}.xml"] = f'<worksheet xmlns="{main}" xmlns:r="{rel}">{content}</worksheet>'
    parts.update(extra or {})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def text(cell: str, content: str) -> str:
    return f'<c r="{cell}" t="inlineStr"><is><t>{content}</t></is></c>'


@pytest.mark.parametrize("name", ["sheets.xlsx", "sheets.xls"])
def test_a_workbook_with_everything(name):
    """The same workbook, written by XlsxWriter, and by LibreOffice as XLS."""
    (document,), report = loaded(FILES / name)
    content = document.text
    assert document.title == "季度销售"
    assert document.metadata["author"] == "王芳"
    assert document.metadata["hidden_sheets"] == ["Hidden", "VeryHidden"]
    assert document.metadata["hidden_rows"] == 1
    assert document.metadata["hidden_columns"] == 2
    assert [span["sheet"] for span in document.spans] == [
        "销售", "Dates", "Hidden", "VeryHidden", "Links", "Only Chart",
    ]  # fmt: skip
    for span in document.spans:
        assert content[span["start"] : span["end"]].startswith(f"## {span['sheet']}\n\n")
    assert content.startswith(
        "## 销售\n\n2024 年销售报表\n\n"
        "| 地区 | 第一季度 / 数量 | 第一季度 / 金额 | 第二季度 / 数量 | 第二季度 / 金额 | 合计 |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        "| 华北 | 500 | ¥6,172.50 | 71.4% | (7.50) | 6672.5 |\n"
        "| 华北 | 600 | ¥7,407.00 | 85.7% | (9.00) | 8007 |\n"
    )
    for row in (
        "| 2024年1月15日 |",
        "| 2024年1月15日 星期一 |",
        "| 2024-01-15 13:30 |",
        "| 36:00 |",
        "| 6:00 PM |",
        "| 138-0013-8000 |",
        "| 0.3 |",
        "| 12345678901 |",
        "| 1 3/4 |",
        "| € 1,234.50 |",
        "| 110105199001011234 |",
        "| TRUE |",
        "| #DIV/0! |",
        "| [the report](https://example.org/report?a=1) | x |",
        "| https://example.com/plain | y |",
        "| a@example.org | a\\|b c |",
        "| rich text here | z |",
    ):
        assert row in content
    for said in ("Comment (B5): 王芳: 请核对这个数", "Comment (F8): second note", "说明：数据截至三月", "Second box",
                 "销售趋势图", "地区轴", "Sheet of its own", "secret figure 4711", "deeply hidden 0815",
                 "机密文件"):  # fmt: skip
        assert content.count(said) == 1
    assert report.counts["images_skipped"] == 1
    assert [loss["kind"] for loss in report.losses] == ["skipped"]


def test_each_chunk_of_a_long_sheet_has_the_header(tmp_path):
    rows = "".join(
        f'<row r="{at}">{text(f"A{at}", f"Person {at}")}<c r="B{at}"><v>{at}</v></c>{text(f"C{at}", "上海市")}</row>'
        for at in range(2, 502)
    )
    head = f'<row r="1">{text("A1", "Name")}{text("B1", "Amount")}{text("C1", "City")}</row>'
    path = workbook(tmp_path / "long.xlsx", {"People": head + rows})
    stream = run("load", path).stdout
    chunks = [one for one in lines(run("split", stdin=stream).stdout) if one["type"] == "chunk"]
    assert len(chunks) > 5
    assert all("| Name | Amount | City |\n| --- | --- | --- |" in one["header"] + one["text"] for one in chunks)
    assert sum(one["text"].count("| Person ") for one in chunks) == 500


def test_strict_files_and_odd_packages(tmp_path):
    rows = f'<row r="1">{text("A1", "strict words")}<c r="B1" t="d" s="1"><v>2024-01-15T00:00:00</v></c></row>'
    path = workbook(tmp_path / "strict.xlsx", {"S": rows}, main=STRICT_MAIN, rel=STRICT_REL)
    assert "| strict words | 2024-01-15 |" in loaded(path)[0][0].text
    # Names in another case, with backslashes, without relations or a list of content types.
    odd = tmp_path / "odd.xlsx"
    with zipfile.ZipFile(path) as given, zipfile.ZipFile(odd, "w") as made:
        for name in given.namelist():
            if not name.startswith("_rels"):
                member = zipfile.ZipInfo("x")
                member.filename = name.replace("/", "\\").replace("sheet1", "SHEET1")
                made.writestr(member, given.read(name))
    assert "strict words" in loaded(odd)[0][0].text


def test_cells_without_names_wrong_dimension_and_far_away(tmp_path):
    sheet = (
        '<dimension ref="A1:B2"/><sheetData>'
        '<row><c t="inlineStr"><is><t>first</t></is></c><c><v>2</v></c></row>'
        '<row><c/><c t="inlineStr"><is><t>third</t></is></c></row>'
        f'<row r="1048576">{text("A1048576", "last row")}{text("XFD1048576", "last cell")}</row></sheetData>'
        '<mergeCells><mergeCell ref="A1:XFD1048576"/><mergeCell ref="A1:A1048576"/><mergeCell ref="none"/></mergeCells>'
    )
    began = time.monotonic()
    (document,), report = loaded(workbook(tmp_path / "far.xlsx", {"S": sheet}))
    assert time.monotonic() - began < 5
    assert "| first | 2 |" in document.text
    assert "third" in document.text
    assert "| last row |  | last cell |" in document.text
    assert len(document.text) < 500
    assert not report.failed


def test_formulas_without_values_are_shown_and_reported(tmp_path):
    rows = (
        '<row r="1"><c r="A1"><v>1</v></c><c r="B1"><f>A1+1</f><v></v></c><c r="C1"><f>A1*2</f></c>'
        '<c r="D1"><f>A1*3</f><v>3</v></c><c r="E1" t="str"><f>""</f><v></v></c></row>'
    )
    (document,), report = loaded(workbook(tmp_path / "f.xlsx", {"S": rows}))
    assert "| 1 | =A1+1 | =A1*2 | 3 |" in document.text
    assert [(loss["kind"], loss["reason"]) for loss in report.losses] == [
        ("warning", "2 formulas without a stored value; open and save it once")
    ]


def test_readings_over_japanese_and_coded_characters(tmp_path):
    strings = [
        '<si><t>東京</t><rPh sb="0" eb="2"><t>トウキョウ</t></rPh><phoneticPr fontId="1"/></si>',
        "<si><r><t>two </t></r><r><rPr><b/></rPr><t>pieces</t></r></si>",
        "<si><t>line_x000D_end _x005F_x0041_</t></si>",
    ]
    cells = "".join(f'<c r="{letter}1" t="s"><v>{at}</v></c>' for at, letter in enumerate("ABCD"))
    (document,), report = loaded(workbook(tmp_path / "s.xlsx", {"S": f'<row r="1">{cells}</row>'}, strings=strings))
    assert "| 東京 | two pieces | line end _x0041_ |" in document.text
    assert [loss["kind"] for loss in report.losses] == ["partial"]  # there is no fourth text


def test_the_date_system_of_1904_and_styles(tmp_path):
    styles = (
        '<numFmts><numFmt numFmtId="164" formatCode="yyyy&quot;年&quot;m&quot;月&quot;"/></numFmts>'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="999"/></cellXfs>'
    )
    cells = "".join(f'<c r="{letter}1" s="{at}"><v>0</v></c>' for at, letter in enumerate("ABCDE"))
    path = workbook(
        tmp_path / "d.xlsx", {"S": f'<row r="1">{cells}</row>'}, styles=styles, properties='<workbookPr date1904="1"/>'
    )
    assert "| 0 | 1904-01-01 | 1904年1月 | 0 | 0 |" in loaded(path)[0][0].text


def test_threads_of_comments_and_old_boxes(tmp_path):
    sheet = f'<sheetData><row r="1">{text("A1", "cell")}</row></sheetData><legacyDrawing r:id="r3"/>'
    related = "".join(
        f'<Relationship Id="r{at}" Type="{kind}" Target="{target}"/>'
        for at, (kind, target) in enumerate(
            [
                (f"{REL}/comments", "../comments1.xml"),
                ("http://schemas.microsoft.com/office/2017/10/relationships/threadedComment", "../threaded/t1.xml"),
                (f"{REL}/vmlDrawing", "../drawings/v1.vml"),
            ],
            1,
        )
    )
    thread = "http://schemas.microsoft.com/office/spreadsheetml/2018/threadedcomments"
    extra = {
        "xl/worksheets/_rels/sheet1.xml.rels": f"<Relationships>{related}</Relationships>",
        "xl/comments1.xml": f'<comments xmlns="{MAIN}"><commentList>'
        '<comment ref="B3"><text><t>[Threaded comment] Your version of Excel allows it</t></text></comment>'
        '<comment ref="C4"><text><r><t>Old </t></r><r><t>note</t></r></text></comment></commentList></comments>',
        "xl/threaded/t1.xml": f'<ThreadedComments xmlns="{thread}">'
        '<threadedComment ref="B3" personId="p1" id="1"><text>Is this right?</text></threadedComment>'
        '<threadedComment ref="B3" personId="p2" id="2" parentId="1"><text>是的</text></threadedComment>'
        "</ThreadedComments>",
        "xl/persons/person.xml": f'<personList xmlns="{thread}"><person id="p1" displayName="Ann"/>'
        '<person id="p2" displayName="李雷"/></personList>',
        "xl/drawings/v1.vml": '<xml xmlns:v="urn:schemas-microsoft-com:vml" xmlns:x="urn:x">'
        "<v:shape><v:textbox><div>Push me</div></v:textbox><x:ClientData ObjectType='Button'/></v:shape>"
        "<v:shape><v:textbox><div>Old note</div></v:textbox><x:ClientData ObjectType='Note'/></v:shape></xml>",
    }
    (document,), _ = loaded(workbook(tmp_path / "c.xlsx", {"S": sheet}, extra=extra))
    assert document.text == (
        "## S\n\ncell\n\nPush me\n\nComment (B3): Ann: Is this right?\n\n"
        "Comment (B3): 李雷: 是的\n\nComment (C4): Old note"
    )


def test_one_broken_sheet_does_not_lose_the_others(tmp_path):
    path = workbook(tmp_path / "b.xlsx", {name: f'<row r="1">{text("A1", f"in {name}")}</row>' for name in "ABC"})
    broken = tmp_path / "broken.xlsx"
    with zipfile.ZipFile(path) as given, zipfile.ZipFile(broken, "w") as made:
        for name in given.namelist():
            data = given.read(name)
            if name.endswith("sheet2.xml"):
                data = data[:-40]
            if not name.endswith("sheet3.xml"):
                made.writestr(name, data)
    (document,), report = loaded(broken)
    assert "in A" in document.text
    assert "in B" in document.text
    assert [loss["kind"] for loss in report.losses] == ["partial", "partial"]
    assert {loss["sheet"] for loss in report.losses} == {"B", "C"}


def test_bombs_stop(tmp_path):
    """One text of 32,000 characters in a million cells; a row of a million cells; a million merged areas."""
    many = "".join(f'<row r="{at}"><c r="A{at}" t="s"><v>0</v></c></row>' for at in range(1, 20_001))
    (document,), report = loaded(
        workbook(tmp_path / "text.xlsx", {"S": many}, strings=[f"<si><t>{'x' * 32_000}</t></si>"])
    )
    assert len(document.text) < 300_000_000
    assert [loss["kind"] for loss in report.losses] == ["partial"]
    diagonal = "".join(f'<row r="{at}"><c r="{cell_name(at - 1, at)}"><v>7</v></c></row>' for at in range(1, 12_001))
    (document,), _ = loaded(workbook(tmp_path / "diagonal.xlsx", {"S": diagonal}))
    assert len(document.text) < 1_000_000
    assert document.text.count("7") >= 12_000
    merged = "".join(f'<mergeCell ref="A{at}:XFD1048576"/>' for at in range(1, 50_001))
    numbers = many.replace(' t="s"', "")
    sheet = f"<sheetData>{numbers}</sheetData><mergeCells>{merged}</mergeCells>"
    assert len(loaded(workbook(tmp_path / "merged.xlsx", {"S": sheet}))[0][0].text) < 1_000_000


def test_a_binary_workbook_and_no_workbook_fail_clearly(tmp_path):
    for name, part, words in (("a.xlsx", "xl/workbook.bin", "XLSB"), ("b.xlsx", "xl/nothing.xml", "xl/workbook.xml")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(part, "x")
        with pytest.raises(LoadError, match=words):
            loaded(tmp_path / name)
    with pytest.raises(LoadError, match="it holds no sheet"):
        loaded(workbook(tmp_path / "c.xlsx", {}))


def record(kind: int, data: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def excel5(texts: list[str], page: int | None) -> bytes:
    """A sheet of Excel 5 as a bare stream, two columns of GBK texts; the first is the sheet's name."""
    name, *cells = [one.encode("gbk") for one in texts]
    head = record(0x809, struct.pack("<HHHH", 0x500, 5, 0, 0))
    if page:
        head += record(0x42, struct.pack("<H", page))
    at = len(head) + 4 + 7 + len(name) + 4
    sheet = record(0x809, struct.pack("<HHHH", 0x500, 16, 0, 0))
    for i, one in enumerate(cells):
        sheet += record(0x204, struct.pack("<HHHH", i // 2, i % 2, 0, len(one)) + one)
    listed = record(0x85, struct.pack("<IBB", at, 0, 0) + bytes([len(name)]) + name)
    return head + listed + record(10) + sheet + record(10)


@pytest.mark.parametrize(("page", "encoding", "kinds"), [(936, None, []), (None, None, ["warning"]), (None, "gbk", [])])
def test_chinese_before_unicode(tmp_path, page, encoding, kinds):
    path = tmp_path / "old.xls"
    path.write_bytes(excel5(["工作表", "姓名", "部门", "张三丰", "销售部", "李四光", "财务部"], page))
    (document,), report = loaded(path, encoding=encoding)
    assert document.text == "## 工作表\n\n| 姓名 | 部门 |\n| --- | --- |\n| 张三丰 | 销售部 |\n| 李四光 | 财务部 |"
    assert [loss["kind"] for loss in report.losses] == kinds
    done = run("load", path, "--encoding", "gbk")
    assert lines(done.stdout)[0]["format"] == "xls"  # known without a container


def test_a_password():
    path = FILES / "sheets-password.xls"
    assert "| 员工1 | 2024年1月 | 10,007.50 |" in loaded(path, password="s3cret密码")[0][0].text
    for given, words in ((None, "needs a password"), ("wrong", "the password does not open")):
        with pytest.raises(LoadError, match=words):
            loaded(path, password=given)


def test_a_cut_off_xls_gives_what_there_is(tmp_path):
    path = tmp_path / "cut.xls"
    path.write_bytes(excel5(["S", "Alpha", "Beta", "Gamma", "Delta"], 936)[:-14])
    (document,), report = loaded(path)
    assert "Gamma" in document.text
    assert [loss["kind"] for loss in report.losses] == ["partial"]


@pytest.mark.parametrize("name", ["sheets.xlsx", "sheets.xls"])
def test_damaged_files_end_as_sentences(tmp_path, name):
    """Bytes changed and ends cut off: documents or a LoadError, never anything else."""
    data = (FILES / name).read_bytes()
    for seed in range(25):
        broken = bytearray(data)
        for step in range(1, 12):
            broken[(seed * 7919 + step * 104_729) % len(data)] = (seed * 31 + step * 17) % 256
        path = tmp_path / f"{seed}{Path(name).suffix}"
        path.write_bytes(broken[: len(data) - (seed % 5) * 1000])
        try:
            loaded(path)
        except LoadError as error:
            assert error.message


def test_excel_2003_in_xml():
    space = "urn:schemas-microsoft-com:office:spreadsheet"
    root = etree.fromstring(
        f"""<Workbook xmlns="{space}" xmlns:ss="{space}" xmlns:o="urn:schemas-microsoft-com:office:office">
        <o:DocumentProperties><o:Title>旧表</o:Title></o:DocumentProperties>
        <Styles><Style ss:ID="Default"/><Style ss:ID="p"><NumberFormat ss:Format="Percent"/></Style>
        <Style ss:ID="d" ss:Parent="p"><NumberFormat ss:Format="yyyy&quot;年&quot;m&quot;月&quot;"/></Style></Styles>
        <Worksheet ss:Name="一"><Table><Row><Cell ss:MergeAcross="2"><Data ss:Type="String">标题</Data></Cell></Row>
        <Row ss:Index="3"><Cell><Data ss:Type="String">名</Data></Cell><Cell><Data ss:Type="String">期</Data></Cell>
        <Cell><Data ss:Type="String">率</Data></Cell></Row><Row><Cell ss:MergeDown="1"><Data ss:Type="String">甲</Data>
        <Comment><Data>a note</Data></Comment></Cell><Cell ss:StyleID="d"><Data ss:Type="DateTime">2024-01-15T00:00:00
        </Data></Cell><Cell ss:StyleID="p"><Data ss:Type="Number">0.125</Data></Cell></Row><Row><Cell ss:Index="2"
        ss:HRef="https://e.org/"><Data ss:Type="String">link</Data></Cell><Cell><Data ss:Type="Boolean">1</Data></Cell>
        </Row></Table></Worksheet></Workbook>"""
    )
    source = Source("old.xls", options=Options(), report=Report("load"), data=b"")
    (document,) = spreadsheet_2003(source, root)
    assert document.text == (
        "## 一\n\n标题\n\n| 名 | 期 | 率 |\n| --- | --- | --- |\n| 甲 | 2024年1月 | 12.50% |\n"
        "| 甲 | [link](https://e.org/) | TRUE |\n\nComment (A4): a note"
    )
    assert document.title == "旧表"
    assert document.spans == [{"start": 0, "end": len(document.text), "sheet": "一"}]


FORMATS = [
    (0.1 + 0.2, "General", "0.3"), (1 / 3, "General", "0.333333333"), (12345678901234, "General", "12345678901234"),
    (0.00001234567, "General", "1.23457E-05"), (2.675, "0.00", "2.68"), (1234567.891, "#,##0.00", "1,234,567.89"),
    (0.285, "0%", "29%"), (-1234.5, "#,##0.00;[Red]-#,##0.00", "-1,234.50"), (-3, '"$"#,##0_);\\("$"#,##0\\)', "($3)"),
    (1234.5, "[$¥-804]#,##0.00", "¥1,234.50"), (0, '_ "¥"* #,##0.00_ ;_ "¥"* -#,##0.00_ ;_ "¥"* "-"??_ ;_ @_ ', "¥-"),
    (45306, 'yyyy"年"m"月"d"日"', "2024年1月15日"), (45306, "[$-804]aaaa", "星期一"),
    (45306, BUILTIN[14], "2024-01-15"),
    (45306, '[DBNum1][$-804]yyyy"年"m"月"d"日"', "二〇二四年一月十五日"), (0.6, BUILTIN[55], "下午2时24分"),
    (12345, "[DBNum2][$-804]General", "壹万贰仟叁佰肆拾伍"), (45306, '[$-411]ggge"年"m"月"', "令和6年1月"),
    (1.5, "[h]:mm", "36:00"), (59, "yyyy-mm-dd", "1900-02-28"), (61, "yyyy-mm-dd", "1900-03-01"),
    (45306.123456, "mm:ss.0", "57:46.6"), (45306.75, "[$-409]h:mm AM/PM;@", "6:00 PM"), (45306, "mmm-yy", "Jan-24"),
    (12345, "##0.0E+0", "12.3E+3"), (1.3, "# ?/8", "1 2/8"), (123456789, '0!.0,"万"', "12345.7万"),
    (123456789, '#,##0.0,,"M"', "123.5M"), (1234567890, "(###) ###-####", "(123) 456-7890"), (5, ";;;", "5"),
    (120, '[>=100]0"高";0"低"', "120高"), (20, '[>=100]0"高";0"低"', "20低"), (-1, '[<0]"负"0;0', "负1"),
    (0, '0;-0;"零"', "零"), (1234.5, 'General"元"', "1234.5元"), (12, '0"d"', "12d"), (float("nan"), "0", "nan"),
    (1e300, "yyyy", "1E+300"), (-1, "yyyy-mm-dd", "-1"), (7, "x" * 300, "7"), (7, "0/", "7/"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "code", "expected"), FORMATS)
def test_number_formats(value, code, expected):
    """As Excel shows them; LibreOffice agrees on all but the first 60 days of 1900 and dates before them."""
    assert shown(float(value), code) == expected


def test_formats_of_text_and_of_1904():
    assert shown_text("甲", '0;0;0;"<"@">"') == "<甲>"
    assert shown_text("甲", "0.00") == "甲"
    assert shown(0.0, "yyyy-mm-dd", date1904=True) == "1904-01-01"


def grid(*rows: str):
    return [(at, dict(enumerate(row.split(",")))) for at, row in enumerate(rows)]


def test_blank_rows_part_tables_and_headers_go_on():
    sheet = grid("Report", "", "", ",a,b", ",1,2", "", ",3,4", "", "Part two", "", ",5,6", "", ",other,header", ",x,y")
    assert written(sheet) == (
        "Report\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |\n\nPart two\n\n"
        "| a | b |\n| --- | --- |\n| 5 | 6 |\n\n| other | header |\n| --- | --- |\n| x | y |"
    )


def test_what_stands_above_a_header_is_no_header():
    sheet = grid(
        "资产负债表,,,", "编制单位：某公司,,,单位：元", "资产,期末余额,负债,期末余额", "货币资金,100,短期借款,50"
    )
    assert written(sheet, [(0, 0, 0, 3), (1, 0, 1, 2)]) == (
        "资产负债表\n\n编制单位：某公司 单位：元\n\n| 资产 | 期末余额 | 负债 | 期末余额 |\n| --- | --- | --- | --- |\n"
        "| 货币资金 | 100 | 短期借款 | 50 |"
    )
    assert written(grid("Report,2024,,", "a,b,c,d", "1,2,3,4")).startswith("Report 2024\n\n| a | b | c | d |")
    assert written(grid("Name: Ann", "Only this,", "x,y")).startswith("Name: Ann\n\nOnly this\n\n| x | y |")


def test_merged_cells_in_forms_and_long_texts():
    form = grid("姓名,张三,,性别,男", "备注,很长的一段话,,,", "x,y,z,v,w")
    assert written(form, [(1, 1, 1, 4)]) == (
        "| 姓名 | 张三 |  | 性别 | 男 |\n| --- | --- | --- | --- | --- |\n"
        "| 备注 | 很长的一段话 |  |  |  |\n| x | y | z | v | w |"
    )
    label = "词" * 201
    rows = [(0, {0: "h", 1: "k"}), (1, {0: label, 1: "1"}), (2, {1: "2"})]
    assert written(rows, [(1, 0, 2, 0)]).count(label) == 1


def test_text_only_sheets_are_paragraphs_and_lists_are_tables():
    assert written(grid("A long line of prose that says what the workbook is about and who may read it and when.",
                        "Second line", "Third")).count("\n\n") == 2  # fmt: skip
    assert written(grid("Name", "Ann", "Bob", "Cid")).startswith("| Name |\n| --- |\n| Ann |")
    assert written([]) == ""
    assert assembled([("A", ""), ("B\nb", "x")]) == ("## B b\n\nx", [{"start": 0, "end": 9, "sheet": "B b"}])


def test_links_and_names():
    assert linked("see", "https://e.org/a b") == "[see](https://e.org/a%20b)"
    assert linked("https://e.org/", "https://e.org") == "https://e.org/"
    assert linked("next", "#Sheet2!A1") == "next"
    assert [cell_name(0, 0), cell_name(1, 26), cell_name(1_048_575, 16_383)] == ["A1", "AA2", "XFD1048576"]


def test_the_command_line_counts_what_is_lost(tmp_path):
    done = run("load", FILES / "sheets.xlsx", "--report", tmp_path / "r.json")
    assert done.returncode == 0
    assert lines(done.stdout)[0]["format"] == "xlsx"
    assert json.loads((tmp_path / "r.json").read_text())["counts"]["images_skipped"] == 1
