"""Text markups: reStructuredText, AsciiDoc, LaTeX, XML and source code, real and broken."""

from __future__ import annotations

import json
import time

import pytest

from conftest import DATA, lines, run
from ragcli.errors import LoadError
from ragcli.loading.formats import identify, loader
from ragcli.loading.source import Options, Source
from ragcli.loading.xml.stream import read_large
from ragcli.report import Report
from ragcli.splitting import split

FILES = DATA / "loading"


def load(data: str | bytes, name: str):
    """The documents of a file, and what was lost."""
    report = Report("load")
    data = data.encode() if isinstance(data, str) else data
    source = Source(name, options=Options(), report=report, data=data)
    return list(loader(identify(source))(source)), report.losses


def text_of(data: str | bytes, name: str) -> str:
    (document,), losses = load(data, name)
    assert not losses
    return document.text


def kinds(losses) -> list[str]:
    return [loss["kind"] for loss in losses]


# reStructuredText


def test_rst_real_file():
    (document,), losses = load((FILES / "sympy-numeric.rst").read_bytes(), "numeric.rst")
    assert not losses and document.title == "Numeric Computation" and document.format == "rst"
    assert document.text.startswith("# Numeric Computation\n\n")
    assert "\n## So Which Should I Use?\n" in document.text
    assert "| ufuncify | 10ns | Complex vector expressions | f2py, Cython |" in document.text
    assert "[Aesara](https://aesara.readthedocs.io/en/latest/)" in document.text
    assert "```python\n>>> from sympy import *\n" in document.text


RST = """
==========
 产品手册
==========

:Author: 张三
:Date: 2024-05-06

.. contents::

.. _install:

安装
====

中文一行，
接着一行。See :ref:`install`, :func:`~os.path.join`, `site <https://a.b/c>`_ and |name|.

.. |name| replace:: the **product**
.. A comment that is not text.

.. note:: Take care
   of it.

.. code-block:: python

   # not a heading
   x = 1

Literal::

    $ run

.. unknown-directive:: its argument
   :option: value

   Its text.

+------+---------------+
| 名称 | 说明          |
+======+===============+
| 甲   | - one         |
|      | - two         |
+------+-------+-------+
| spans| x     | y     |
+------+-------+-------+

=====  =====
A      B
=====  =====
中文   e
       more
=====  =====

.. list-table:: Sizes
   :header-rows: 1

   * - A
     - B
   * - 1
     - 2

* one

  * nested
* two

term : kind
    What it means.

A note [#]_.

.. [#] Said below.

.. math:: E = mc^2

.. include:: other.rst
.. csv-table:: From a file
   :file: data.csv
"""


def test_rst():
    (document,), losses = load(RST, "manual.rst")
    text = document.text
    assert document.title == "产品手册" and document.metadata == {"author": "张三", "date": "2024-05-06"}
    for wanted in (
        "# 产品手册\n\n",
        "\n\n## 安装\n\n中文一行，接着一行。See 安装, `join`, [site](https://a.b/c) and the **product**.\n\n",
        "Note: Take care of it.",
        "```python\n# not a heading\nx = 1\n```",
        "Literal:\n\n```\n$ run\n```",
        "its argument\n\nIts text.",
        "| 名称 | 说明 |  |\n| --- | --- | --- |\n| 甲 | - one - two |  |\n| spans | x | y |",
        "| A | B |\n| --- | --- |\n| 中文 | e more |",
        "Sizes\n\n| A | B |\n| --- | --- |\n| 1 | 2 |",
        "- one\n  - nested\n- two",
        "- term (kind): What it means.",
        "A note [^1].\n\n[^1]: Said below.",
        "$$\nE = mc^2\n$$",
        "From a file",
    ):
        assert wanted in text
    assert "comment" not in text and "value" not in text and ":ref:" not in text
    assert kinds(losses) == ["warning", "warning"]
    assert "other.rst" in losses[0]["reason"] and "data.csv" in losses[1]["reason"]


def test_rst_reads_no_other_file(tmp_path):
    (tmp_path / "secret.txt").write_text("SECRET")
    (tmp_path / "a.rst").write_text(
        "Title\n=====\n\n.. include:: secret.txt\n.. literalinclude:: secret.txt\n.. raw:: html\n   :file: secret.txt\n"
    )
    done = run("load", tmp_path / "a.rst")
    assert b"SECRET" not in done.stdout and done.stderr.count(b"secret.txt") >= 3


# AsciiDoc


def test_asciidoc_real_file():
    (document,), _ = load((FILES / "asciidoctor-zh.adoc").read_bytes(), "README.adoc")
    assert document.title == "Asciidoctor" and document.metadata["author"] == "Dan Allen; Sarah White"
    assert "\n## 整体概况\n" in document.text and "由 Ruby 编写，打包成 RubyGem" in document.text
    assert "遵从 [MIT](https://github.com/asciidoctor/asciidoctor/blob/HEAD/LICENSE) 协议" in document.text
    assert "{uri" not in document.text and "ifdef::" not in document.text


ASCIIDOC = """= 手册: Guide
Zhang San <z@example.com>
v1.2, 2024-03-01
:product: ragcli

// a comment
Intro to {product} and {unknown}, *bold*, `code`.footnote:[A note.]

== 第一节

NOTE: Take care.

////
hidden
////

[source,python]
----
# not a heading <1>
----
<1> Called out

[cols="1,2a", options="header"]
|===
| Name | Said

| A
| * x
* y

2+| both
.2+| down | b
| c
|===

,===
x,"a, b"
1,2
,===

* one
** nested
* two
+
joined

. first
. second

term:: What it means

ifdef::github[]
Kept.
endif::[]

include::other.adoc[]

Old title
---------

Hard +
break, image:x.png[Alt], <<a,Section>>, https://a.b[text].
"""


def test_asciidoc():
    (document,), losses = load(ASCIIDOC, "guide.adoc")
    text = document.text
    assert document.title == "手册: Guide"
    assert document.metadata == {"author": "Zhang San", "version": "1.2", "date": "2024-03-01"}
    for wanted in (
        "# 手册: Guide\n\nIntro to ragcli and {unknown}, **bold**, `code`.[^1]\n\n## 第一节\n\nNote: Take care.",
        "```python\n# not a heading\n```\n\n1. Called out",
        "| Name | Said |\n| --- | --- |\n| A | - x - y |\n| both |  |\n| down | b |\n|  | c |",
        "| x | a, b |\n| --- | --- |\n| 1 | 2 |",
        "- one\n  - nested\n- two\n\n  joined",
        "1. first\n",
        "- term: What it means",
        "Kept.",
        "## Old title\n\nHard break, ![Alt](x.png), Section, [text](https://a.b).",
        "[^1]: A note.",
    ):
        assert wanted in text
    assert "hidden" not in text and "comment" not in text
    assert kinds(losses) == ["warning"] and "other.adoc" in losses[0]["reason"]


# LaTeX

LATEX = r"""% !TEX encoding = UTF-8
\documentclass{ctexart}
\usepackage{amsmath}
\newcommand{\R}{\mathbb{R}}
\newcommand{\be}{\begin{equation}}
\newcommand{\ee}{\end{equation}}
\newcommand{\hi}[2][dear]{Hello #1 #2!}
\newtheorem{thm}{定理}
\title{测试\thanks{Supported.}}
\author{张三 \and Li Si}
\date{2024年}
\begin{document}
\maketitle
\begin{abstract}
这是摘要，中文文本要足够长，才知道它是中文。我们在这里研究一些问题，得到一些结果，并且讨论它们的意义和用处，以及以后的工作。
\end{abstract}
\section{引言}\label{sec:a} % hidden comment
一行，
接着。\hi{world} 100\% ``quoted'' Caf\'e na\"{\i}ve, $x \in \R$.\footnote{A \emph{note}.} See \cite{knuth}.
\be
E = mc^2 \label{e}
\ee
\begin{align*}
a &= b
\end{align*}
\subsection*{列表}
\begin{itemize}
  \item one
  \begin{enumerate}
    \item nested \textbf{bold}
  \end{enumerate}
  \item two
\end{itemize}
\begin{description}\item[Term] meaning\end{description}
\begin{table}
\caption{表格}
\begin{tabular}{l|cc}
\toprule
Name & \multicolumn{2}{c}{Values} \\ \midrule
\multirow{2}{*}{A} & 1 & a\_b \\
 & 3 & {\small y \& z} \\[2pt]
\bottomrule
\end{tabular}
\end{table}
\begin{lstlisting}[language=Python]
# not a heading % no comment
\end{lstlisting}
Use \verb|a%b|, \href{https://a.b/c\#d}{text}, \url{http://x.y/%7E}.
\begin{thm}[Name] It holds. \end{thm}
\unknown{kept}{too} {\bfseries grouped}
\input{chapter2}
\iffalse hidden \fi
\begin{thebibliography}{9}\bibitem{knuth} Knuth, \emph{TAOCP}.\end{thebibliography}
\end{document}
hidden
"""


def test_latex():
    (document,), losses = load(LATEX, "paper.tex")
    text = document.text
    assert document.title == "测试" and document.metadata == {"author": "张三, Li Si", "date": "2024年"}
    for wanted in (
        "# 测试[^1]\n\n张三, Li Si\n\n2024年\n\n## 摘要\n\n这是摘要，",
        "\n\n## 引言\n\n一行，接着。Hello dear world! 100% “quoted” Café naïve, $x \\in \\mathbb{R}$.[^2] See [1].\n\n",
        "$$\nE = mc^2\n$$\n\n$$\n\\begin{align*}\na &= b\n\\end{align*}\n$$\n\n### 列表\n\n",
        "- one\n  1. nested **bold**\n- two\n\n- Term: meaning",
        "表格\n\n| Name | Values |  |\n| --- | --- | --- |\n| A | 1 | a_b |\n|  | 3 | y & z |",
        "```python\n# not a heading % no comment\n```",
        "Use `a%b`, [text](https://a.b/c#d), http://x.y/%7E.",
        "定理 (Name): It holds.",
        "kept too grouped",
        "## 参考文献\n\n[1] Knuth, *TAOCP*.",
        "[^1]: Supported.\n\n[^2]: A *note*.",
    ):
        assert wanted in text
    assert "hidden" not in text and "usepackage" not in text and "newcommand" not in text
    assert kinds(losses) == ["warning"] and "chapter2" in losses[0]["reason"]


def test_latex_encoding():
    page = r"\documentclass{article}\usepackage{CJK}\begin{document}\begin{CJK}{GBK}{song}中文\end{CJK}\end{document}"
    assert text_of(page.encode("gbk"), "a.tex") == "中文"


def test_latex_unbalanced():
    assert "kept" in text_of("\\section{Open\n\n\\textbf{kept \\begin{itemize} \\item a } $ 5 \\end{table}", "a.tex")


def test_latex_beamer():
    text = text_of("\\section{One}\\begin{frame}{Slide}\\begin{block}{Box} Said.\\end{block}\\end{frame}", "a.tex")
    assert text == "# One\n\n## Slide\n\n**Box**\n\nSaid."


# XML


@pytest.mark.parametrize(
    ("declared", "codec"),
    [("gb2312", "gb18030"), ("GBK", "gbk"), ("big5", "big5"), ("utf-16", "utf-16"), ("UTF-16", "utf-16-be"),
     ("UTF-8", "utf-8"), ("UTF-8", "utf-8-sig"), ("UTF-16", "utf-8"), ("UTF-32", "utf-32-le"), ("x", "utf-32-be")],
)  # fmt: skip
def test_xml_encodings(declared, codec):
    page = f'<?xml version="1.0" encoding="{declared}"?><a><name>故宮博物院</name></a>'
    assert text_of(page.encode(codec), "a.xml") == "a:\n  name: 故宮博物院"


def test_xml_records():
    page = """<?xml version="1.0"?><catalog updated="2024">
      <book id="b1"><author>张三</author><title lang="zh">书 &amp; more</title><where><city>北京</city></where></book>
      <book id="b2"><author>Li</author><title>Two</title><note><![CDATA[x < y]]></note></book></catalog>"""
    assert text_of(page, "a.xml") == (
        "catalog (updated: 2024)\n\n"
        "book (id: b1):\n  author: 张三\n  title (lang: zh): 书 & more\n  where:\n    city: 北京\n\n"
        "book (id: b2):\n  author: Li\n  title: Two\n  note: x < y"
    )


def test_xml_large():
    def read(page: str):
        report = Report("load")
        source = Source("a.xml", options=Options(), report=report, data=page.encode())
        return [document.text for document in read_large(source)], kinds(report.losses)

    row = "<row id='{0}'><name>甲{0}</name><note>text</note></row>"
    page = f"<rows at='x'>{''.join(row.format(number) for number in range(3))}<p>One <b>word</b>.</p>"
    blocks = [f"row (id: {number}):\n  name: 甲{number}\n  note: text" for number in range(3)]
    wanted = "\n\n".join(["rows (at: x)", *blocks, "One word."])
    assert read(page + "</rows>") == ([wanted], [])
    assert read(page + "<row>") == ([wanted], ["partial"])
    pages = "".join(f"<page><title>{name}</title><text>{text}</text></page>" for name, text in ("甲x", "乙y"))
    assert read(f"<mediawiki>{pages}</mediawiki>") == (["# 甲\n\nx", "# 乙\n\ny"], [])
    with pytest.raises(LoadError, match="expand without end"):
        read(f'<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">{BOMB}]><l>&j;</l>')


BOMB = "".join(f'<!ENTITY {after} "{f"&{name};" * 10}">' for name, after in zip("abcdefghi", "bcdefghij", strict=True))


@pytest.mark.parametrize(
    "page",
    [
        f'<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">{BOMB}]><l>&j;</l>',
        f'<!DOCTYPE l [<!ENTITY a "{"a" * 100_000}">]><l>{"&a;" * 100_000}</l>',
        f'<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">{BOMB}]><l x="&j;">& </m>',
    ],
    ids=["billion laughs", "quadratic", "in an attribute of a broken file"],
)
def test_xml_bombs(page):
    start = time.monotonic()
    with pytest.raises(LoadError, match="expand without end"):
        load(page, "a.xml")
    assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    "page",
    [
        '<!DOCTYPE l [<!ENTITY x SYSTEM "{0}">]><l>before &x; after</l>',
        '<!DOCTYPE l [<!ENTITY x SYSTEM "{0}">]><l y="&x;">before  after</l>',
        '<!DOCTYPE l SYSTEM "{0}" [<!ENTITY % p SYSTEM "{0}"> %p;]><l>before after</l>',
        '<l xmlns:xi="http://www.w3.org/2001/XInclude">before <xi:include href="{0}" parse="text"/> after</l>',
    ],
)
def test_xml_reads_no_other_file(tmp_path, page):
    secret = tmp_path / "secret.txt"
    secret.write_text("SECRET")
    (document,), losses = load(page.replace("{0}", secret.as_uri()), "a.xml")
    assert "SECRET" not in json.dumps([document.text, losses]) and "before after" in document.text
    assert kinds(losses) == ["warning"] and "secret.txt" in losses[0]["reason"]


@pytest.mark.parametrize(
    ("page", "wanted", "lost"),
    [
        ("<l>a&nbsp;b &eacute; R&D &other;</l>", "l: a b é R&D &other;", []),
        ('<!DOCTYPE l PUBLIC "x" "y.dtd"><l>a&eacute;b</l>', "l: aéb", []),
        ("<a><b>x</b><c>y and z", "a:\n  b: x\n  c: y and z", ["partial"]),
        ("<?xml version='1.0'?><a><t>1</t></a>\n<?xml version='1.0'?><a><t>2</t></a>", "a:\n  t: 1\n\na:\n  t: 2", []),
        ("\n\n <?xml version='1.0'?><a>text</a>", "a: text", []),
        ("<a><b>one</b>" + "<b>two</b>" * 99 + "<![CDATA[never closed ", "never closed", ["partial"]),
        ("<a>" * 300 + "deep" + "</a>" * 300, "deep", []),
        ("<a>" * 5000 + "deeper" + "</a>" * 5000, "deeper", ["warning"]),
        ("no XML at all", "no XML at all", []),
    ],
)
def test_xml_broken(page, wanted, lost):
    (document,), losses = load(page, "a.xml")
    assert wanted in document.text and kinds(losses) == lost


def test_xml_prose():
    page = """<article xmlns="http://docbook.org/ns/docbook" xmlns:xlink="http://www.w3.org/1999/xlink" xml:lang="zh">
    <info><title>手册</title><author><personname><firstname>San</firstname><surname>Zhang</surname></personname></author>
    </info><section><title>第一节</title><para>A <emphasis>real</emphasis> paragraph,
    with a <link xlink:href="https://a.b">link</link><footnote><para>Said below.</para></footnote>.</para>
    <itemizedlist><listitem><para>one</para><itemizedlist><listitem><para>nested</para></listitem></itemizedlist>
    </listitem><listitem><para>two</para></listitem></itemizedlist>
    <programlisting language="python"># not a heading
x = 1</programlisting>
    <note><para>Take care.</para></note>
    <table><title>Sizes</title><tgroup cols="2"><colspec colname="a"/><colspec colname="b"/><thead><row><entry>A</entry>
    <entry>B</entry></row></thead><tbody><row><entry namest="a" nameend="b">both</entry></row>
    <row><entry morerows="1">down</entry><entry>1</entry></row><row><entry>2</entry></row></tbody></tgroup></table>
    <section><title>Deeper</title><para>Text.</para></section></section></article>"""
    (document,), losses = load(page, "a.xml")
    assert not losses and document.title == "手册" and document.metadata["author"] == "San Zhang"
    for wanted in (
        "# 手册",
        "## 第一节\n\nA real paragraph, with a [link](https://a.b)[^1].\n\n- one\n  - nested\n- two\n\n",
        "```python\n# not a heading\nx = 1\n```",
        "Note: Take care.",
        "Sizes\n\n| A | B |\n| --- | --- |\n| both |  |\n| down | 1 |\n|  | 2 |",
        "### Deeper\n\nText.",
        "[^1]: Said below.",
    ):
        assert wanted in document.text


def test_xml_feed():
    page = """<rss version="2.0"><channel><title>新闻</title><description>每日</description><item><title>标题一</title>
    <link>http://x.y/1</link><pubDate>Mon, 01 Jan 2024</pubDate>
    <description><![CDATA[<p>第一段 &amp; more</p><ul><li>甲</li></ul>]]></description></item></channel></rss>"""
    text = text_of(page, "feed.xml")
    assert text == "# 新闻\n\n每日\n\n## 标题一\n\nLink: http://x.y/1\nDate: Mon, 01 Jan 2024\n\n第一段 & more\n\n- 甲"


def test_xml_wiki():
    page = """<mediawiki><page><title>甲</title><revision><timestamp>2024</timestamp>
    <text>'''Bold''' [[a|link]]
== Part ==
* item</text></revision></page><page><title>乙</title><redirect title="甲"/><revision><text>x</text></revision></page>
    </mediawiki>"""
    (document,), losses = load(page, "dump.xml")
    assert document.source == "dump.xml#甲" and document.text == "# 甲\n\n**Bold** link\n## Part\n- item"
    assert kinds(losses) == ["skipped"]


def test_word_2003():
    space = 'xmlns:w="http://schemas.microsoft.com/office/word/2003/wordml"'
    page = f"""<?xml version="1.0"?><?mso-application progid="Word.Document"?><w:wordDocument {space}>
    <w:styles><w:style w:styleId="1"><w:name w:val="heading 1"/></w:style></w:styles><w:body>
    <w:p><w:pPr><w:pStyle w:val="1"/></w:pPr><w:r><w:t>标题</w:t></w:r></w:p><w:p><w:r><w:t>Te</w:t></w:r><w:r><w:t>xt
    </w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p>
    </w:tc></w:tr></w:tbl></w:body></w:wordDocument>"""
    assert text_of(page, "old.doc") == "# 标题\n\nText\n\n| a | b |\n| --- | --- |"


@pytest.mark.parametrize("name", ["a.rst", "a.adoc", "a.tex", "a.xml"])
def test_hostile(name):
    start = time.monotonic()
    for piece in (
        "`a ",
        "{",
        "\\a{",
        "[[a ",
        "<a>",
        "|===\n",
        "== ==\n",
        "+-+\n| |\n",
        "$",
        "\\begin{a}",
        "&a;",
        "::\n",
    ):
        load(piece * 10_000, name)
    assert time.monotonic() - start < 20


# Source code


def test_code():
    page = '#!/usr/bin/env -S python3 -u\n# -*- coding: gbk -*-\nname = "中文"\n'
    (document,), losses = load(page.encode("gbk"), "tool")
    assert not losses and document.format == "code" and document.text == page
    assert document.metadata == {"language": "python", "encoding": "gb18030"}


@pytest.mark.parametrize(
    ("name", "text", "language"),
    [("a.py", "x", "python"), ("Makefile", "all:\n", "makefile"), ("a.yaml", "# c\na: 1", "yaml"),
     ("run", "#!/bin/bash\nls", "shell"), ("run", "#! /usr/local/bin/perl5.36 -w\n1;", "perl"), ("a.rs", "x", "rust")],
)  # fmt: skip
def test_code_language(name, text, language):
    (document,), _ = load(text, name)
    assert document.metadata["language"] == language and document.text == text


def test_comments_are_no_headings(tmp_path):
    function = "# A comment\ndef f():\n    # another\n    return 1\n\n\n"
    (tmp_path / "a.py").write_text(function * 100)
    documents = run("load", tmp_path / "a.py").stdout
    chunks = lines(run("split", "--size", "200", stdin=documents).stdout)
    assert len(chunks) > 10 and not any(chunk["headings"] for chunk in chunks)
    assert all(chunk["text"].startswith("# A comment") for chunk in chunks)
    (document,), _ = load("# A comment\n", "a.sh")
    (chunk,) = split([document])
    assert chunk.headings == []


def test_hostile_tables():
    wide = "\\begin{tabular}{l}" + "\\multicolumn{4000}{c}{x} \\\\ " * 2000 + "kept \\end{tabular}"
    uneven = "\\begin{tabular}{l}" + "x & " * 3000 + "\\\\ " + "y \\\\ " * 3000 + "kept \\end{tabular}"
    for page in (wide, uneven):
        (document,), _ = load(page, "a.tex")
        assert "| kept " in document.text and len(document.text) < 4_000_000
