"""Draws results.svg from results.json; run in an environment of its own, for matplotlib's sake."""

import json
import sys
from pathlib import Path
from statistics import median

import matplotlib.pyplot as plt

GROUPS = (
    ("webhook", "minimal", "tutorial", "fastapi"),
    ("launch", "guide, bytecode", "guide"),
    ("query",),
)
OURS, THEIRS = "#1f6f78", "#c9c3b8"


def draw(rounds, file):
    names = [name for group in GROUPS for name in group]
    gaps = [0.6 * number for number, group in enumerate(GROUPS) for _ in group]
    places = [number + gap for number, gap in enumerate(gaps)]
    figure, (cold, warm) = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, width_ratios=(3, 2))
    for axes, what, title in ((cold, "cold", "first call, start included"), (warm, "warm", "later calls")):
        for place, name in zip(places, names, strict=True):
            values = sorted(one[what] for one in rounds[name])
            middle = median(values)
            quarter = len(values) // 4
            around = [[middle - values[quarter]], [values[-1 - quarter] - middle]]
            colour = OURS if name in ("webhook", "launch", "query") else THEIRS
            axes.barh(place, middle, color=colour, xerr=around, error_kw={"ecolor": "#555", "lw": 1}, height=0.7)
            label = f"  {middle:.0f}" if middle >= 20 else f"  {middle:.1f}"
            axes.text(values[-1 - quarter], place, label, va="center", fontsize=9)
        axes.set_title(f"{title}, ms", fontsize=10, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.15)
    cold.set_yticks(places, names)
    cold.invert_yaxis()
    figure.text(0.99, 0.01, "medians and quartiles", ha="right", fontsize=8, color="#555")
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})


if __name__ == "__main__":
    here = Path(__file__).parent
    plt.rcParams["svg.hashsalt"] = "results"
    draw(json.loads((here / "results.json").read_text())["rounds"], here / (sys.argv[1:] or ["results.svg"])[0])
