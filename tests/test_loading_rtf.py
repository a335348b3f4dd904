"""RTF: encodings of fonts, structure, what Outlook, Word, WordPad and TextEdit write, and broken files."""

from __future__ import annotations

import time
import unicodedata

import pytest

from conftest import DATA, lines, run
from ragcli.errors import LoadError
from ragcli.loading.rtf.document import read, to_markdown
from ragcli.loading.source import Options, Source
from ragcli.report import Report

FILES = DATA / "loading"


def escaped(text: str, codec: str) -> bytes:
    r"""Text as RTF writers write it: ``\'xx`` for each byte beyond ASCII."""
    plain = {*range(32, 127)} - set(b"\\{}")
    return "".join(chr(byte) if byte in plain else f"\\'{byte:02x}" for byte in text.encode(codec)).encode()


def fonts(**charsets: int) -> bytes:
    table = "".join(f"{{\\{name}\\fnil\\fcharset{number} Font;}}" for name, number in charsets.items())
    return b"{\\fonttbl" + table.encode() + b"}"


def text_of(body: bytes, head: bytes = b"\\ansi\\ansicpg1252", **options) -> str:
    return to_markdown(b"{\\rtf1" + head + body + b"}", **options).text


def test_libreoffice():
    report = Report("load")
    path = FILES / "writer.rtf"
    (found,) = read(Source("writer.rtf", path=path, options=Options(), report=report))
    assert found.title == "丰富文档" and found.metadata["author"] == "王小明" and found.metadata["date"] == "2024-05-06"
    for wanted in (
        "# 第一章 Rich\n\n## 小节标题\n\n正文   空格\t制表\n换行。注[^1]尾[^e1]批注完漢字(かんじ)。",
        "3. 第三项\n  - 子项\n4. 第四项",
        "文本框里的字 framed",
        "| 表头甲 | 表头乙 |  |\n| --- | --- | --- |\n| 单元\\|格 | 二 行 | 内1, 内2 |\n\n节中文字",
        "[^1]: 脚注内容\n\n[^e1]: 尾注内容",
        "页眉 机密文件",
    ):
        assert wanted in found.text
    assert "这是批注 note" in found.text and "DELETED" not in found.text and not report.failed


def test_languages():
    text = to_markdown((FILES / "languages.rtf").read_bytes()).text
    for wanted in (
        "# 第一章 总则\n", "هذا نص عربي للاختبار مع أرقام 123 و English.", "זהו טקסט בעברית לבדיקה עם מספרים 456.",
        "Это русский текст. «Кавычки» — тире… 😀 emoji.", "これは日本語のテキストです。",
        "이것은 한국어 텍스트입니다. Größe café",
        "```\ndef f(x):\n    return x  # 注释\n```", "- 香蕉\n  - 小香蕉", "| 李四 | 30 | 上海 |",
    ):  # fmt: skip
        assert wanted in text


def test_command():
    done = run("load", FILES / "languages.rtf")
    assert done.returncode == 0
    (record,) = [one for one in lines(done.stdout) if one["type"] == "document"]
    assert record["format"] == "rtf" and "北京故宫博物院建立于1925年" in record["text"]


@pytest.mark.parametrize(
    ("charset", "codec", "text"),
    [
        (134, "gbk", "中文测试，朱镕基"),
        (136, "cp950", "繁體中文，功能許蓋"),  # second bytes that are a backslash or a bar in ASCII
        (128, "cp932", "日本語の表示、ソフト"),
        (129, "cp949", "한국어 똠방각하"),
        (204, "cp1251", "Русский текст"),
        (177, "cp1255", "טקסט בעברית"),
        (178, "cp1256", "نص عربي"),
        (161, "cp1253", "Ελληνικά"),
        (238, "cp1250", "Příliš žluťoučký"),
        (222, "cp874", "ภาษาไทย"),
        (163, "cp1258", "Đươ\u0300ng Viê\u0323t"),
        (77, "mac_roman", "café – “quoted”"),
    ],
)
def test_charsets(charset, codec, text):
    run_of = escaped(text, codec)
    body = fonts(f0=0, f1=charset) + b"\\f0 caf\\'e9 \\f1 " + run_of + b"\\f0 \\'e9nd\\par"
    text = unicodedata.normalize("NFC", text)
    assert text_of(body) == f"café {text}énd"
    grouped = fonts(f0=0, f1=charset) + b"\\f0 caf\\'e9 {\\f1 " + run_of + b"}\\'e9nd\\par"
    assert text_of(grouped) == f"café {text}énd"


def test_pages_without_fonts():
    assert text_of(escaped("没有字体", "gbk"), b"\\ansi\\ansicpg936") == "没有字体"
    assert text_of("原始字节".encode("gbk"), b"\\ansi\\ansicpg936") == "原始字节"
    assert text_of("UTF-8 字节 café".encode()) == "UTF-8 字节 café"
    assert text_of(escaped("Größe café", "mac_roman"), b"\\mac ") == "Größe café"
    chinese = "它说“你好”"
    body = fonts(f0=0) + b"\\f0 " + escaped(chinese, "gbk") + b" it\\'92s"
    assert text_of(body, b"\\ansi\\ansicpg936") == f"{chinese} it’s"


def test_unnamed_encoding():
    chinese = "没有声明编码的中文文本，测试能否识别出来。这是第二句话，包含更多的内容。"
    assert text_of(escaped(chinese, "gbk"), b"\\ansi") == chinese
    russian = "Это обычный русский текст без указания кодировки в файле. " * 3
    assert text_of(escaped(russian, "cp1251"), b"\\ansi") == russian.strip()
    german = "Größe, Äpfel, ÄÖÜ, naïve façade œuvre €"
    assert text_of(escaped(german, "cp1252")) == german
    short = to_markdown(b"{\\rtf1\\ansi " + escaped("中文", "gbk") + b"}", encoding="gbk")
    assert short.text == "中文"


def test_unicode_and_its_fallbacks():
    body = (
        rb"\uc1\u20013?\u-10179?\u-8704? \uc2\u20013 \'d6\'d0x\uc0\u20013 y{\uc1\u8212\emdash }z"
        rb"{\uc3 \u22269\'e5\'9b\'bd}!"
    )
    assert text_of(body) == "中😀 中x中y—z国!"
    assert (
        text_of(rb"a\~b\_c\-d\emdash\endash\ldblquote q\rdblquote\lquote\rquote\bullet \{\}\\")
        == "a\xa0b-cd—–“q”‘’•{}\\"
    )
    assert text_of(b"{\\upr{\\'d6 ansi}{\\*\\ud{\\u20013 }}}") == "中"


def test_symbol_fonts():
    table = b"{\\fonttbl{\\f0 Arial;}{\\f1\\fcharset2 Symbol;}{\\f2\\fcharset2 Wingdings;}}"
    assert text_of(table + rb"\f1 ab\'b3\f2 \'fc\f0  z\u-3913 ?") == "αβ≥✓ z•"


def test_headings():
    styles = (
        b"{\\stylesheet{\\s0 Normal;}{\\s1\\sbasedon0 heading 1;}{\\s2 \\u26631?\\u-26472? 2;}"
        b"{\\s3\\outlinelevel2 Own;}{\\s4\\sbasedon3 Based;}{\\*\\cs9 Char;}}"
    )
    body = (
        styles + b"\\pard\\s1 A\\par\\pard\\s2 B\\par\\pard\\s3 C\\par\\pard\\s4 D\\par"
        b"\\pard\\outlinelevel3 E\\par\\pard\\s0 F\\par"
    )
    assert text_of(body) == "# A\n\n## B\n\n### C\n\n### D\n\n#### E\n\nF"


def test_lists():
    body = (
        b"{\\fonttbl{\\f0 Arial;}{\\f3\\fcharset2 Symbol;}}"
        b"\\pard{\\pntext\\f3\\'b7\\tab}{\\*\\pn\\pnlvlblt\\pnf3{\\pntxtb\\'b7}}one\\par{\\pntext\\f3\\'b7\\tab}two\\par"
        b"\\pard text\\par\\pard{\\listtext 1.\\tab}\\ls2 first\\par{\\listtext 2.\\tab}second\\par"
        b"\\ilvl1{\\listtext a)\\tab}inner\\par\\pard after"
    )
    assert text_of(body) == "- one\n- two\n\ntext\n\n1. first\n2. second\n  - a) inner\n\nafter"
    # marks that are not written: the list says what they are
    listed = (
        b"{\\*\\listtable{\\list{\\listlevel\\levelnfc0}\\listid7}{\\list{\\listlevel\\levelnfc23}\\listid8}}"
        b"{\\*\\listoverridetable{\\listoverride\\listid7\\ls1}{\\listoverride\\listid8\\ls2}}"
        b"\\pard\\ls1 a\\par b\\par\\pard\\ls2 c\\par"
    )
    assert text_of(listed) == "1. a\n2. b\n- c"


def test_tables():
    body = (
        rb"\trowd\cellx1\cellx2\intbl a\cell b\par b2\cell\row\trowd\intbl c|\cell\cell\row\pard after\par"
        rb"\trowd\pard\intbl x\cell\pard\intbl\itap2 n1\nestcell n2\nestcell{\*\nesttableprops\trowd\nestrow}"
        rb"{\nonesttables FALLBACK\par}\pard\intbl\itap1 tail\cell\row\pard"
    )
    expected = "| a | b b2 |\n| --- | --- |\n| c\\| |  |\n\nafter\n\n| x | n1, n2 tail |\n| --- | --- |"
    assert text_of(body) == expected
    assert text_of(rb"\trowd\cellx1\pard\intbl one\par two\cell\row\pard") == "one\n\ntwo"  # a frame


def test_what_stands_beside_the_text():
    body = (
        rb"{\header Secret report, page \chpgn}{\footer\qc Page \chpgn\par}text{\super\chftn}"
        rb"{\footnote\pard {\super\chftn} a note}"
        rb" more{\footnote\ftnalt an end}{\*\atnid B}{\*\atnauthor Bob}\chatn{\*\annotation{\*\atndate 1}look}\par"
        rb'{\field{\*\fldinst HYPERLINK "http://x.org/a"}{\fldrslt{\ul a }link}}'
        rb" {\field{\*\fldinst{\*\formfield{\fftype1\ffres1}} FORMCHECKBOX }{\fldrslt}}"
        rb" {\field{\*\fldinst SYMBOL 183 \\f Symbol}}\par"
        rb"{\shp{\*\shpinst{\sp{\sn wzDescription}{\sv a cat}}{\shptxt\pard in a box\par}}{\shprslt OLD}}\par"
        rb"{\field{\*\fldinst TOC \\o}{\fldrslt CONTENTS\par}}{\deleted DELETED}{\*\unknown UNKNOWN}"
        rb"{\*\shppict{\pict\pngblip 89504e47}}{\nonshppict{\pict\wmetafile8 0102}}{\pict\bin6 {}{}\x}"
        rb"{\object\objemb{\*\objclass Excel}{\*\objdata 00ff}{\result shown}}"
    )
    found = to_markdown(b"{\\rtf1\\ansi" + body + b"}")
    assert found.text == (
        "text[^1] more[^e1]\n\nComment (Bob): look\n\na link ☑ • <http://x.org/a>\n\nPicture: a cat\n\n"
        "in a box\n\nshown\n\n[^1]: a note\n\n[^e1]: an end\n\nSecret report, page"
    )
    assert found.pictures == 2
    said = " ".join(reason for kind, reason in found.losses if kind == "skipped")
    assert "1 embedded object" in said and "table of contents" in said


def test_facts():
    found = to_markdown(
        b"{\\rtf1\\ansi\\ansicpg936{\\info{\\title " + escaped("标题", "gbk") + b"}{\\author A}{\\operator B}"
        b"{\\creatim\\yr2020\\mo1\\dy2\\hr3}{\\revtim\\yr2021\\mo11\\dy12}{\\printim\\yr1999\\mo1\\dy1}}\\title x}"
    )
    assert found.info == {"title": "标题", "author": "A", "date": "2021-11-12"} and found.text == "x"


def test_html_from_outlook():
    found = to_markdown(
        b"{\\rtf1\\ansi\\ansicpg1252\\fromhtml1 \\deff0{\\fonttbl{\\f0\\fswiss Arial;}{\\f1\\fcharset134 Sim;}}"
        b"{\\*\\htmltag19 <html>}{\\*\\htmltag50 <body>}{\\*\\htmltag64 <h2>}\\htmlrtf {\\b\\htmlrtf0 T\\'eatle"
        b"{\\*\\htmltag72 </h2>}\\htmlrtf }\\htmlrtf0{\\*\\mhtmltag84 <X>}{\\*\\htmltag64 <p>}"
        b"\\htmlrtf {\\f1\\htmlrtf0 " + escaped("中文", "gbk") + b"\\htmlrtf }\\htmlrtf0 \\{x\\} &amp; "
        b"\\lquote y\\rquote\\htmlrtf \\par HIDDEN\\htmlrtf0"
        b"{\\*\\htmltag72 </p>}{\\*\\htmltag0 \\par }{\\*\\htmltag27 </html>}}"
    )
    assert found.text == "## Têtle\n\n中文{x} & ‘y’"
    assert found.html is not None and found.html.startswith("<html><body><h2>Têtle</h2><p>中文")


def test_textedit():
    body = (
        b"\\cocoartf2513{\\fonttbl\\f0\\fmodern\\fcharset0 Courier;\\f1\\fnil\\fcharset134 PingFangSC-Regular;}\n"
        b"\\pard\n\\f0 class A \\{\\\n    // \n\\f1 " + escaped("最大容量", "gbk") + b"\n\\f0 \\\n\\}\\\n\\\nEnd"
    )
    assert text_of(body, b"\\ansi\\ansicpg936") == "class A {\n// 最大容量\n}\n\nEnd"


def test_broken():
    cut = to_markdown(b"{\\rtf1\\ansi hello {\\b world {\\i deep")
    assert cut.text == "hello world deep" and cut.losses[0][0] == "partial"
    early = to_markdown(b"{\\rtf1\\ansi one\\par}two\\par}")
    assert early.text == "one\n\ntwo"
    after = to_markdown(b"{\\rtf1\\ansi one}MZ rubbish")
    assert after.text == "one" and after.losses == (("warning", "10 bytes after its end were not read"),)
    bad = to_markdown(b"{\\rtf1\\ansi{\\fonttbl{\\f0\\fcharset129 B;}}\\f0 a\\'ff\\'ffb}")
    assert "\ufffd" in bad.text and "could not be decoded" in bad.losses[0][1]
    with pytest.raises(LoadError, match="RTF"):
        to_markdown(b"no RTF")


@pytest.mark.parametrize(
    "body",
    [
        b"{" * 100_000 + b"x",
        b"{\\footnote " * 30_000 + b"x",
        b"{\\shptxt x" * 30_000,
        b"{\\field{\\fldrslt x" * 20_000,
        b"{\\*\\x " * 60_000,
        b"{x}" * 60_000,
        b"\\cell" * 100_000 + b"\\row x",
        b"\\intbl\\itap999999 x\\nestcell\\nestrow\\cell\\row",
        b"\\bin99999999999 x x",
        b"x\\uc999999999\\u20013 ",
        b"x\\u99999999 \\f-5 \\ls-1\\ilvl-4 \\outlinelevel99 \\fcharset \\ansicpg99999 ",
        b"x\\ilvl999999{\\listtext -\\tab}\\ls1 y\\par",
        b"x}" * 50_000,
    ],
    ids=lambda body: body[:16].decode(),
)
def test_hostile(body):
    start = time.process_time()
    found = to_markdown(b"{\\rtf1\\ansi " + body)
    assert "x" in found.text or body.startswith((b"{\\*", b"\\bin"))
    assert time.process_time() - start < 5
