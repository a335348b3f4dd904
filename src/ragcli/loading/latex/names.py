"""What the macros of LaTeX mean that are read as text: characters, marks, and arguments that are no text."""

from __future__ import annotations

SECTIONS = {"part": 0, "chapter": 1, "section": 2, "subsection": 3, "subsubsection": 4, "paragraph": 5,
            "subparagraph": 6, "addchap": 1, "addsec": 2}  # fmt: skip
ACCENTS = {"'": "\u0301", "`": "\u0300", "^": "\u0302", '"': "\u0308", "~": "\u0303", "=": "\u0304", ".": "\u0307",
           "c": "\u0327", "v": "\u030c", "H": "\u030b", "u": "\u0306", "k": "\u0328", "r": "\u030a", "d": "\u0323",
           "b": "\u0331", "t": "\u0361"}  # fmt: skip
SYMBOLS = {
    "ss": "ß", "SS": "ẞ", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "aa": "å",
    "AA": "Å", "i": "ı", "j": "ȷ", "dh": "ð", "DH": "Ð", "th": "þ", "TH": "Þ", "dj": "đ", "DJ": "Đ", "ng": "ŋ",
    "dots": "…", "ldots": "…", "textellipsis": "…", "cdots": "⋯", "textbackslash": "\\", "copyright": "©",
    "textcopyright": "©", "textregistered": "®", "texttrademark": "™", "pounds": "£", "textsterling": "£",
    "texteuro": "€", "euro": "€", "EUR": "€", "textyen": "¥", "S": "§", "P": "¶", "dag": "†", "ddag": "‡",
    "textdegree": "°", "textdagger": "†", "textbullet": "•", "textperiodcentered": "·", "textendash": "–",
    "textemdash": "—", "textquotedblleft": "“", "textquotedblright": "”", "textquoteleft": "‘", "textquoteright": "’",
    "guillemotleft": "«", "guillemotright": "»", "og": "« ", "fg": " »", "textless": "<", "textgreater": ">",
    "textbar": "|", "textunderscore": "_", "textasciitilde": "~", "textasciicircum": "^", "textbraceleft": "{",
    "textbraceright": "}", "lbrace": "{", "rbrace": "}", "textdollar": "$", "textpercent": "%", "textnumero": "№",
    "textonehalf": "½", "textmu": "µ", "textohm": "Ω", "texttimes": "×", "textpm": "±", "textsection": "§",
    "LaTeX": "LaTeX", "TeX": "TeX", "LaTeXe": "LaTeX2e", "XeLaTeX": "XeLaTeX", "XeTeX": "XeTeX", "LuaLaTeX": "LuaLaTeX",
    "LuaTeX": "LuaTeX", "pdfLaTeX": "pdfLaTeX", "pdfTeX": "pdfTeX", "BibTeX": "BibTeX", "CTeX": "CTeX", "TikZ": "TikZ",
    "quad": " ", "qquad": " ", "space": " ", "enspace": " ", "thinspace": " ", "newline": " ", "linebreak": " ",
    "slash": "/", "hyp": "-", "today": "", "nobreakspace": " ", "textquotesingle": "'", "textquotedbl": '"',
    "euros": "€",
    "checkmark": "✓", "times": "×", "rightarrow": "→", "to": "→", "leftarrow": "←", "Rightarrow": "⇒", "pm": "±",
    "leq": "≤", "geq": "≥", "neq": "≠", "approx": "≈", "cdot": "·", "infty": "∞", "alpha": "α", "beta": "β",
    "gamma": "γ", "delta": "δ", "mu": "μ", "pi": "π", "sigma": "σ", "lambda": "λ", "omega": "ω", "bigstar": "★",
    "ie": "i.e.", "eg": "e.g.", "etal": "et al.", "degree": "°", "celsius": "°C", "percent": "%", "ding": "",
}  # fmt: skip
CHARACTERS = {"&": "&", "%": "%", "$": "$", "#": "#", "_": "_", "{": "{", "}": "}", " ": " ", "\n": " ", "\t": " ",
              ",": " ", ";": " ", ":": " ", "-": "", "/": "", "@": "", "!": "", "|": "‖", ">": " ", "<": "", "+": "",
              "*": ""}  # fmt: skip
BOLD = {"textbf", "strong"}
ITALIC = {"emph", "textit", "textsl"}
CODE = {"texttt", "code", "path", "file", "cmd", "nolinkurl", "lstinline", "mintinline"}
# Names, and how many arguments after them are no text.
NO_TEXT = {
    "label": 1, "vspace": 1, "hspace": 1, "vskip": 0, "hskip": 0, "usepackage": 1, "RequirePackage": 1,
    "documentclass": 1, "documentstyle": 1, "bibliographystyle": 1, "setlength": 2, "addtolength": 2, "setcounter": 2,
    "addtocounter": 2, "stepcounter": 1, "refstepcounter": 1, "pagestyle": 1, "thispagestyle": 1, "pagenumbering": 1,
    "color": 1, "textcolor": 1, "fontsize": 2, "fontfamily": 1, "fontseries": 1, "fontshape": 1, "fontencoding": 1,
    "hypersetup": 1, "newcounter": 1, "newlength": 1, "addcontentsline": 3, "addtocontents": 2, "markboth": 2,
    "markright": 1, "index": 1, "glossary": 1, "rule": 2, "linespread": 1, "captionsetup": 1, "graphicspath": 1,
    "lstset": 1, "lstdefinestyle": 2, "lstdefinelanguage": 2, "usetheme": 1, "usecolortheme": 1, "usefonttheme": 1,
    "useinnertheme": 1, "useoutertheme": 1, "setbeamertemplate": 2, "setbeamercolor": 2, "setbeamerfont": 2,
    "setbeamersize": 1, "tikzset": 1, "usetikzlibrary": 1, "pgfplotsset": 1, "definecolor": 3, "colorlet": 2,
    "resizebox": 2, "scalebox": 1, "rotatebox": 1, "parbox": 1, "raisebox": 1, "colorbox": 1, "fcolorbox": 2,
    "geometry": 1, "newgeometry": 1, "setmainfont": 1, "setsansfont": 1, "setmonofont": 1, "setCJKmainfont": 1,
    "setCJKsansfont": 1, "setCJKmonofont": 1, "newfontfamily": 2, "newCJKfontfamily": 2, "setCJKfamilyfont": 2,
    "CJKfamily": 1, "ctexset": 1, "cline": 1, "cmidrule": 1, "rowcolor": 1, "cellcolor": 1, "columncolor": 1,
    "rowcolors": 3, "arrayrulecolor": 1, "specialrule": 3, "addlinespace": 0, "hline": 0, "theoremstyle": 1,
    "numberwithin": 2, "allowdisplaybreaks": 0, "setstretch": 1, "hyphenation": 1, "selectlanguage": 1,
    "foreignlanguage": 1, "setdefaultlanguage": 1, "setmainlanguage": 1, "setotherlanguage": 1, "includeonly": 1,
    "nocite": 1, "counterwithin": 2, "pdfbookmark": 2, "hypertarget": 1, "hyperlink": 1, "hyperref": 0,
    "enlargethispage": 1,
    "titleformat": 5, "titlespacing": 4, "fancyhead": 1, "fancyfoot": 1, "fancyhf": 1, "lhead": 1, "rhead": 1,
    "chead": 1, "lfoot": 1, "rfoot": 1, "cfoot": 1, "sisetup": 1, "makeatletter": 0, "makeatother": 0, "let": 0,
    "zihao": 1, "ziju": 1, "setmathfont": 1, "special": 1, "pdfinfo": 1, "the": 0, "crefname": 3, "Crefname": 3,
    "SetKwInOut": 2, "newsavebox": 1, "usebox": 1, "sbox": 1, "savebox": 1, "pgfmathsetmacro": 2, "listoffigures": 0,
    "onlyenv": 0, "column": 1, "setitemize": 1, "setenumerate": 1, "setlist": 1, "DeclareGraphicsExtensions": 1,
    "PassOptionsToPackage": 2, "ProvidesPackage": 1, "NeedsTeXFormat": 1, "urlstyle": 1, "bibliographyfont": 1,
    "printbibliography": 0, "SetCell": 1, "SetRow": 1, "makecell": 0, "pdfoutput": 0, "phantom": 1,
    "hphantom": 1, "vphantom": 1, "citestyle": 1, "setkeys": 2, "AtBeginDocument": 1, "AtEndDocument": 1,
    "romannumeral": 0, "extrarowheight": 0, "arraystretch": 0, "tabcolsep": 0, "multicolumn": 2, "multirow": 2,
}  # fmt: skip
# Environments, and how many arguments after their name are no text.
ARGUMENTS = {
    "minipage": 1, "multicols": 1, "wrapfigure": 2, "wraptable": 2, "adjustbox": 1, "CJK": 2, "CJK*": 2, "spacing": 1,
    "adjustwidth": 2, "list": 2, "tabbing": 0, "column": 1, "columns": 0, "varwidth": 1, "otherlanguage": 1,
    "subfigure": 1, "subtable": 1, "sidewaysfigure": 0, "letter": 0, "thebibliography": 1, "onlyenv": 0,
    "hyphenrules": 1,
    "turn": 1, "rotate": 1, "multienumerate": 0, "scope": 0, "axis": 0, "tblr": 1, "longtblr": 1, "talltblr": 1,
    "tasks": 0, "textblock": 1, "textblock*": 1,
}  # fmt: skip
TABLES = {"tabular": 1, "tabular*": 2, "tabularx": 2, "tabulary": 2, "tabularray": 1, "longtable": 1, "longtable*": 1,
          "supertabular": 1, "xtabular": 1, "xltabular": 2, "tblr": 1, "longtblr": 1, "talltblr": 1, "ltablex": 1,
          "NiceTabular": 1, "tabu": 1, "longtabu": 1, "mpsupertabular": 1, "deluxetable": 1}  # fmt: skip
MATH = {"equation", "displaymath", "math", "align", "gather", "multline", "eqnarray", "flalign", "alignat", "dmath",
        "IEEEeqnarray", "empheq"}  # fmt: skip
LISTS = {"itemize": False, "enumerate": True, "description": False, "compactitem": False, "compactenum": True,
         "compactdesc": False, "inparaenum": True, "inparaitem": False, "asparaenum": True, "asparaitem": False,
         "list": False, "trivlist": False, "itemize*": False, "enumerate*": True, "description*": False, "tasks": False,
         "questions": True, "parts": True, "steps": True, "dinglist": False, "easylist": False}  # fmt: skip
THEOREMS = {"theorem": "Theorem", "lemma": "Lemma", "corollary": "Corollary", "proposition": "Proposition",
            "definition": "Definition", "proof": "Proof", "remark": "Remark", "example": "Example", "claim": "Claim",
            "conjecture": "Conjecture", "assumption": "Assumption", "axiom": "Axiom", "exercise": "Exercise",
            "problem": "Problem", "solution": "Solution", "note": "Note"}  # fmt: skip
DRAWN = {"tikzpicture", "pgfpicture", "picture", "pspicture", "circuitikz", "forest", "tikzcd", "axis"}
OTHER_FILES = {"input", "include", "subfile", "verbatiminput", "lstinputlisting", "bibliography", "addbibresource",
               "includepdf", "inputminted", "import", "subimport", "VerbatimInput", "includestandalone"}  # fmt: skip
REFERENCES = {"ref", "eqref", "autoref", "cref", "Cref", "pageref", "nameref", "vref", "labelcref", "fref", "figref"}
CITATIONS = {"cite", "citep", "citet", "citealp", "citealt", "citeauthor", "citeyear", "parencite", "textcite",
             "autocite", "footcite", "supercite", "upcite", "Citet", "Citep", "citeyearpar", "citenum",
             "fullcite"}  # fmt: skip
