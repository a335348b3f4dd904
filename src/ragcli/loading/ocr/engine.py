"""RapidOCR's three models (lines, upside down or not, letters), and the threads that share the lines of a page.

Its models lie in its own package and are named by their paths: one that is named is never looked for in the network.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ragcli.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]  # height x width x 3, RGB
    Quads = NDArray[np.float32]  # lines x 4 corners (from the top left, clockwise) x 2 (x, y)

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def available() -> bool:
    """Whether the extra is installed."""
    return importlib.util.find_spec("rapidocr") is not None


class Engine:
    """The models, loaded.

    Args:
        threads: how many it may take.

    Raises:
        ModelError: the package carries no models.
    """

    def __init__(self, threads: int) -> None:
        import rapidocr

        logging.getLogger("RapidOCR").disabled = True
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="ocr") if threads > 1 else None
        folder = Path(rapidocr.__file__).parent / "models"
        paths = {}
        for kind in ("Det", "Cls", "Rec"):
            found = sorted(folder.glob(f"*_{kind.lower()}_*.onnx"))
            if not found:
                raise ModelError(f"no model '{kind}' in the installed rapidocr.", hint="pip install -U 'ragcli[ocr]'")
            paths[f"{kind}.model_path"] = str(found[0])

        def model(kind: str, **more: Any) -> Any:
            return rapidocr.RapidOCR(
                params={
                    "Global.use_det": kind == "Det",
                    "Global.use_cls": kind == "Cls",
                    "Global.use_rec": kind == "Rec",
                    "Global.log_level": "critical",
                    "Global.min_side_len": 1,  # sizes are ours to choose
                    "Global.max_side_len": 1_000_000,
                    "Global.min_height": 1,
                    "Global.width_height_ratio": -1,
                    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                    **paths,
                    **more,
                }
            )

        # Only the search uses threads inside the model; lines are read side by side, which wastes less.
        self._lines = model("Det", **{"EngineConfig.onnxruntime.intra_op_num_threads": threads, "Det.limit_type": "max",
                                      "Det.limit_side_len": 1_000_000, "Det.max_candidates": 5000})  # fmt: skip
        self._sides = model("Cls")
        self._letters = model("Rec", **{"EngineConfig.onnxruntime.enable_cpu_mem_arena": True})

    def find(self, image: Image) -> Quads:
        """Return where the lines of an image are."""
        import numpy as np

        boxes = self._lines(np.ascontiguousarray(image[:, :, ::-1])).boxes
        return np.empty((0, 4, 2), np.float32) if boxes is None else np.asarray(boxes, np.float32).reshape(-1, 4, 2)

    def is_over(self, crop: Image) -> bool:
        """Whether a line is upside down, at first sight."""
        import numpy as np

        return bool(self._sides(np.ascontiguousarray(crop[:, :, ::-1])).cls_res[0][0] == "180")

    def read(self, crop: Image) -> tuple[str, float]:
        """Read one line, and say how sure that is."""
        import numpy as np

        found = self._letters(np.ascontiguousarray(crop[:, :, ::-1]))
        return (found.txts[0].strip(), float(found.scores[0])) if found.txts else ("", 0.0)

    def each(self, function: Callable[[_In], _Out], items: Sequence[_In]) -> list[_Out]:
        """Apply a function to each item, on all threads."""
        if self._pool is None:
            return [function(item) for item in items]
        return list(self._pool.map(function, items))

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()


_wanted: int | None = None
_engine: Engine | None = None


def threads(n: int) -> None:
    """Set how many threads recognition may take from now on; all cores unless this is called."""
    global _wanted, _engine
    _wanted = max(1, n)
    if _engine is not None and _engine.threads != _wanted:
        _engine.close()
        _engine = None


def engine() -> Engine:
    """Return the models, loaded on first use."""
    global _engine
    if _engine is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        _engine = Engine(_wanted or cores)
    return _engine
