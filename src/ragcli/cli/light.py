"""Importing Lance without pandas, which it does not need: pyarrow takes .2 s to import it wherever it is installed."""

from __future__ import annotations

import sys
from typing import Any

_PANDAS = "pandas"


class _NoPandas:
    """A finder that says that pandas is not there."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Refuse pandas, and leave all else to the other finders."""
        if name == _PANDAS:
            raise ModuleNotFoundError(name=name)


def import_lance() -> None:
    """Import Lance and pyarrow without pandas.

    Only the command line does this: a program that uses ragcli as a library may want pyarrow with pandas.
    """
    if _PANDAS in sys.modules or "pyarrow" in sys.modules:
        return
    finder: Any = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        import lance  # noqa: F401
    finally:
        sys.meta_path.remove(finder)
