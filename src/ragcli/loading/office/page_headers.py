"""Headers and footers of pages in office documents: what is worth keeping of them."""

from __future__ import annotations

import re

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\d_]+")
_PAGE_WORDS = frozenset(
    (
        *"第共页頁张張之ページ쪽",
        *("page", "pages", "of", "p", "pg", "seite", "von", "sur", "pagina", "página", "de", "di", "strana", "strona"),
        *("страница", "стр", "из", "صفحة", "من", "עמוד", "מתוך", "페이지"),
    )
)


def says_something(text: str, *, numbered: bool) -> bool:
    """Whether a header says more than the number of the page.

    Args:
        text: what it says.
        numbered: whether a field for the number of the page was left out of it.
    """
    words = _WORD.findall(text.lower())
    return bool(words) and not (numbered and _PAGE_WORDS.issuperset(words))
