"""The pictures inside documents: counted, and read by OCR where that is wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ragcli.loading.source import Source

_T = TypeVar("_T")

_NAMES = (".png", ".jpg", ".jpeg", ".gif", ".emf", ".wmf", ".svg", ".bmp", ".tif", ".tiff", ".webp")


def alternative(words: str | None) -> str:
    """Return the words that describe a picture as a line of the text; nothing for what is only a file's name."""
    said = " ".join((words or "").split())
    return f"Picture: {said}" if said and not said.lower().endswith(_NAMES) else ""


class Pictures:
    """Reads the pictures of one document, or counts those that are left out.

    Args:
        source: the document.
        reading: whether they are read; else they are only counted.
    """

    def __init__(self, source: Source, *, reading: bool) -> None:
        self._source = source
        self._known: dict[str, str] = {}
        self.reading = reading
        self.left_out = 0

    def text(self, name: str, data: bytes | None) -> str:
        """Return what stands in a picture; nothing where pictures are not read, or nothing stands in it."""
        if not self.reading:
            self.left_out += 1
            return ""
        if name not in self._known:
            self._known[name] = self._read(name, data)
        return self._known[name]

    def _read(self, name: str, data: bytes | None) -> str:
        from ragcli.loading.ocr import recognize
        from ragcli.loading.ocr.image import pixels

        if data is None:
            self._source.count_images(failed=1)
            self._source.lose(f"the picture {name} is missing", part=name)
            return ""
        try:
            image, dpi = pixels(data)
            found = recognize(image, dpi=dpi)
        except Exception as error:  # noqa: BLE001  one broken picture does not lose the document
            self._source.count_images(failed=1)
            self._source.lose(f"the picture {name} cannot be read ({type(error).__name__}: {error})", part=name)
            return ""
        self._source.beat()
        text = found.text.strip()
        self._source.count_images(loaded=1 if text else 0, skipped=0 if text else 1)
        return text

    def close(self) -> None:
        """Report the pictures that were left out."""
        if self.left_out:
            self._source.count_images(skipped=self.left_out)
            pictures = "picture" if self.left_out == 1 else "pictures"
            self._source.lose(f"{self.left_out} {pictures} not read", kind="skipped", images=self.left_out)


def wanted(source: Source, *, blank: bool) -> bool:
    """Whether the pictures of a document, or of a slide, are read.

    Args:
        source: the document.
        blank: there is no other text.
    """
    from ragcli.loading.ocr import available

    ocr = source.options.ocr
    return ocr == "always" or (ocr == "auto" and blank and available())


def with_pictures(source: Source, write: Callable[[Pictures], _T], is_blank: Callable[[_T], bool]) -> _T:
    """Write a document, its pictures too where they are asked for, or where there is nothing else; report the rest.

    Args:
        source: the document.
        write: writes it with what reads or counts its pictures; called again where they are to be read after all.
        is_blank: whether what was written holds no text.
    """
    pictures = Pictures(source, reading=wanted(source, blank=False))
    made = write(pictures)
    if pictures.left_out and is_blank(made) and wanted(source, blank=True):
        pictures = Pictures(source, reading=True)
        made = write(pictures)
    pictures.close()
    if pictures.left_out and is_blank(made):
        source.lose("no text in it, where there are pictures", kind="warning")
    return made
