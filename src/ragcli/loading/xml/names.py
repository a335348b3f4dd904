"""What DocBook, JATS, TEI, DITA, NITF and their like call the parts of a text."""

from __future__ import annotations

TITLES = {"title", "head", "article-title", "subtitle", "bridgehead", "heading", "hedline"}
PARAGRAPHS = {
    "p", "para", "simpara", "shortdesc", "cmd", "stepresult", "ab", "l", "speaker", "attribution", "caption",
    "term", "dt", "dlterm", "label", "primary", "glossterm", "line", "verse", "lb", "member", "entry", "td", "th",
    "disp-formula", "disp-quote", "hl1", "hl2", "byline", "stage", "bibl", "biblStruct", "ref", "mixed-citation",
    "element-citation", "citation", "nlm-citation", "li", "item", "subtitle", "kwd", "question", "answer", "dd", "def",
    "aff",
}  # fmt: skip
PLAIN = PARAGRAPHS | {  # what stands under these names alone is a paragraph, not a value
    "listitem", "list-item", "step", "substep", "sli", "result", "prereq", "context", "postreq", "note", "blockquote",
    "license-p", "abstract", "body", "div", "section", "sec", "figDesc", "quote", "addr-line", "ack", "desc",
    "personname", "author", "contrib", "tip", "warning", "caution", "important", "copyright-statement", "info",
}  # fmt: skip
LISTS = {"itemizedlist", "orderedlist", "list", "ul", "ol", "simplelist", "procedure", "steps", "substeps", "sl",
          "steps-unordered", "calloutlist", "ref-list", "listBibl", "stepalternatives", "choices",
          "steps-informal", "bibliolist", "segmentedlist"}  # fmt: skip
ORDERED = {"orderedlist", "ol", "procedure", "steps", "substeps"}
GLOSSED = {"varlistentry": ("term", "listitem"), "dlentry": ("dt", "dd"), "def-item": ("term", "def"),
            "glossentry": ("glossterm", "glossdef"), "glossBody": ("glossterm", "glossdef")}  # fmt: skip
TABLES = {"table", "informaltable", "simpletable", "properties", "choicetable"}
ROWS = {"row", "tr", "strow", "sthead", "property", "prophead", "chrow", "chhead"}
CELLS = {"entry", "td", "th", "stentry", "cell", "proptype", "propvalue", "propdesc", "choption", "chdesc",
          "choptionhd", "chdeschd", "proptypehd", "propvaluehd", "propdeschd"}  # fmt: skip
CODE = {"programlisting", "screen", "codeblock", "literallayout", "pre", "synopsis", "msgblock", "eg", "egXML",
         "code-block", "preformat", "listing", "funcsynopsisinfo", "classsynopsis"}  # fmt: skip
NOTES = {"footnote", "fn"}
NAMES = {"name", "personname", "persName", "string-name"}
GIVEN = ("given-names", "firstname", "forename")
KEYWORDS = {"kwd-group", "keywordset", "keywords"}
INLINE = {
    "emphasis", "bold", "italic", "b", "i", "u", "em", "strong", "sub", "sup", "subscript", "superscript", "xref",
    "link", "ulink", "ext-link", "hi", "ph", "keyword", "literal", "code", "filename", "command", "codeph", "option",
    "a", "abbrev", "abbr", "acronym", "quote", "q", "phrase", "span", "uicontrol", "tt", "sc", "monospace", "inline",
    "named-content", "styled-content", "inline-formula", "inlineequation", "tex-math", "alternatives", "date", "num",
    "persName", "placeName", "name", "surname", "given-names", "forename", "firstname", "othername", "foreName",
    "email", "title-abbrev", "uri",
}  # fmt: skip
ADMONITIONS = {"note", "tip", "warning", "caution", "important", "danger", "attention", "remember", "notice"}
FLOATS = {"p", "para", "simpara", "figure", "fig", "table-wrap", "variablelist", "dl", "def-list", "blockquote",
           "informalfigure", "example"}  # fmt: skip
UNTITLED = ADMONITIONS | TABLES | (LISTS - {"ref-list", "listBibl", "bibliolist"}) | {
    "caption", "figure", "fig", "informalfigure", "example", "formalpara", "sidebar", "blockquote", "table-wrap",
    "variablelist",
    "equation", "boxed-text", "disp-quote", "def-list", "dl", "qandaset", "biblioentry", "bibliomixed", "note",
    "mixed-citation", "element-citation", "citation", "nlm-citation", "bibl", "biblStruct", "monogr", "analytic",
    "series", "product", "related-article", "media-group", "supplementary-material", "statement", "refbody",
    "glossary-entry", "step", "citetitle", "verse-group", "lg", "sp", "quote",
}  # fmt: skip
HEADS = {"info", "bookinfo", "articleinfo", "chapterinfo", "sectioninfo", "partinfo", "titleblock", "title-group",
          "setinfo", "blockinfo", "titleStmt", "fileDesc", "teiHeader", "front", "article-meta", "docTitle",
          "titlePart", "titlealts", "body.head", "refmeta", "refnamediv"}  # fmt: skip
LEFT_OUT = {"indexterm", "titleabbrev", "navtitle", "searchtitle", "alt-title", "anchor", "index-terms", "object-id",
             "journal-id", "article-id", "permissions-id", "custom-meta-group", "counts", "xs",
             "revhistory", "colspec", "remark", "draft-comment", "toc", "lot", "index", "self-uri"}  # fmt: skip
LANGUAGES = ("language", "outputclass", "lang", "role")
