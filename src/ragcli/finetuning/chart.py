"""The course of a run as a picture and as text: training loss, evaluation loss, learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ragcli.errors import MissingExtraError
from ragcli.records import Json

# As on ragcli's pages, in daylight: ragcli.pages.style.
_INK, _FAINT, _RULE = "#1b1f24", "#59636e", "#d5dae0"
_TRAIN, _EVALUATION, _RATE = "#1d5fd0", "#b3470b", "#14795a"
_SPAN = 40.0  # a run is as many standard deviations of its smoothing long
_DECADE = 8.0  # a loss that falls by more than this is drawn on a logarithmic axis
_LABEL = 10  # columns of a terminal for the numbers beside a chart, at most: -1.23e-05 and the axis
_BLOCKS = " ▁▂▃▄▅▆▇█"

Points = list[tuple[float, float]]


def loss_chart(records: Iterable[Json], path: Path) -> bool:
    """Draw a run's losses and learning rate as a PNG of 1,200 by 750 pixels.

    Where a step was taken twice, as after a run was killed and went on, the last one counts.

    Args:
        records: of a run; those of type ``step`` (step, loss, learning_rate) and ``evaluation`` (step, loss) are drawn.
        path: of the picture, which is replaced as a whole.

    Returns:
        Whether there was anything to draw.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("Drawing the loss", "finetune") from error

    train, evaluation, rate = _read(records)
    if not train and not evaluation:
        return False
    # No pyplot: it asks for a display, and keeps every figure.
    figure = Figure(figsize=(8, 5), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    if rate:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(5, 1))
    else:
        upper, lower = figure.subplots(), None
    figure.subplots_adjust(left=0.09, right=0.965, top=0.86, bottom=0.105, hspace=0.12)
    _losses(upper, train, evaluation)
    if lower is not None:
        lower.plot(*zip(*rate, strict=True), color=_RATE, linewidth=1.5, marker="." if len(rate) == 1 else "")
        lower.set_ylim(0, (max(value for _, value in rate) or 1e-12) * 1.15)
        lower.yaxis.get_major_locator().set_params(nbins=2)
        _plain(lower)
        lower.text(1, 1.02, "learning rate", transform=lower.transAxes, color=_FAINT, size=8.5, va="bottom", ha="right")
        lower.yaxis.get_offset_text().set(color=_FAINT, size=8.5)
    last = lower if lower is not None else upper
    last.set_xlabel("step", color=_FAINT, size=9.5)
    last.xaxis.get_major_locator().set_params(integer=True)
    steps = [step for step, _ in (*train, *evaluation)]
    if min(steps) == max(steps):
        last.set_xlim(steps[0] - 1, steps[0] + 1)
    part = path.with_name(f".{path.name}.part")
    figure.savefig(part, format="png")
    part.replace(path)
    return True


def _losses(axes: Any, train: Points, evaluation: Points) -> None:
    if train:
        steps, values = zip(*train, strict=True)
        smooth = smoothed(values)
        axes.plot(steps, values, color=_TRAIN, alpha=0.28, linewidth=1)
        alone = "o" if len(values) == 1 else ""
        axes.plot(
            steps, smooth, color=_TRAIN, linewidth=2.2, marker=alone, label="training loss", solid_capstyle="round"
        )
    if evaluation:
        best = min(evaluation, key=lambda point: point[1])
        axes.plot(
            *zip(*evaluation, strict=True), color=_EVALUATION, linewidth=1.6, marker="o", markersize=4.5,
            markeredgecolor="white", label="evaluation loss",
        )  # fmt: skip
        axes.plot(*best, "o", markersize=11, markerfacecolor="none", markeredgecolor=_EVALUATION, markeredgewidth=1.4)
    both = [value for _, value in (*train, *evaluation)]
    if min(both) > 0 and max(both) > _DECADE * min(both):
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    elif len(set(both)) == 1:
        axes.set_ylim(both[0] - 0.5, both[0] + 0.5)
    _plain(axes)
    axes.set_title(_title(train, evaluation), loc="left", color=_INK, size=13, weight="bold", pad=22)
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.012, 0.995), ncols=2, frameon=False, fontsize=9.5, labelcolor=_FAINT,
        handlelength=1.6, borderpad=0.2, columnspacing=1.6,
    )  # fmt: skip


def _title(train: Points, evaluation: Points) -> str:
    said = []
    if train:
        values = [value for _, value in train]
        said.append(f"training loss {_short(values[0])} → {_short(smoothed(values)[-1])}")
    if evaluation:
        step, best = min(evaluation, key=lambda point: point[1])
        said.append(f"best evaluation loss {_short(best)} at step {step:g}")
    text = ", ".join(said)
    return text[0].upper() + text[1:]


def _short(value: float) -> str:
    return f"{value:#.3g}" if 1e-4 <= abs(value) < 1000 else f"{value:.3g}"


def _plain(axes: Any) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_FAINT)
    axes.grid(axis="y", color=_RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", length=0, colors=_FAINT, labelsize=9.5, pad=5)
    axes.margins(x=0.015)


def _read(records: Iterable[Json]) -> tuple[Points, Points, Points]:
    """Return (step, value) of training losses, evaluation losses and learning rates, by step."""
    train: dict[float, float] = {}
    evaluation: dict[float, float] = {}
    rate: dict[float, float] = {}
    kinds = {"step": (("loss", train), ("learning_rate", rate)), "evaluation": (("loss", evaluation),)}
    for record in records:
        step = record.get("step")
        for name, where in kinds.get(str(record.get("type")), ()):
            value = record.get(name)
            if _number(step) and _number(value):
                where[step] = value  # type: ignore[index,assignment]
    return sorted(train.items()), sorted(evaluation.items()), sorted(rate.items())


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def smoothed(values: Sequence[float]) -> list[float]:
    """Return means over the neighbours of each value, which do not lag behind as running means do.

    They are weighted by a Gaussian of a standard deviation of a fortieth of the values; at the ends the neighbours are
    those on one side.
    """
    import numpy as np

    width = len(values) / _SPAN
    reach = int(3 * width)
    if not reach:
        return list(values)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    # the kernel may be the longer one, so that "same" would be as long as it
    total, weight = (np.convolve(one, kernel)[reach:][: len(values)] for one in (values, np.ones(len(values))))
    return [float(one) for one in total / weight]


def terminal_chart(values: Sequence[float], width: int = 60, height: int = 6) -> str:
    """Draw values as columns of block characters: a line of text for each row, the last without an end.

    Args:
        values: such as the losses of a run, in order; what is no finite number leaves a gap.
        width: columns of the terminal that may be used, labels included.
        height: rows.

    Returns:
        The drawing, in which a column is the mean of values next to each other; empty where there is no number.
    """
    columns = _columns(values, max(1, width - _LABEL))
    kept = [value for value in columns if value is not None]
    if not kept:
        return ""
    low, high = min(kept), max(kept)
    labels = [f"{high:.3g}", *[""] * (height - 2), f"{low:.3g}"][:height]
    margin = max(map(len, labels))
    # The lowest value is not nothing: it gets the lowest block.
    most = height * 8
    tall = [0 if one is None else 1 + round((one - low) / ((high - low) or 1) * (most - 1)) for one in columns]
    rows = []
    for at, label in enumerate(labels):
        floor = 8 * (height - 1 - at)
        drawn = "".join(_BLOCKS[min(8, max(0, one - floor))] for one in tall)
        rows.append(f"{label:>{margin}} ┤{drawn}".rstrip())
    return "\n".join(rows)


def _columns(values: Sequence[float], count: int) -> list[float | None]:
    """Return the means of as many runs of values, each of nearly the same size; None where there is no number."""
    count = min(count, len(values))
    out: list[float | None] = []
    for at in range(count):
        some = [one for one in values[at * len(values) // count : (at + 1) * len(values) // count] if _number(one)]
        out.append(sum(some) / len(some) if some else None)
    return out
