"""What an experiment writes: results.json, a table, a figure."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import ml_collections
import numpy as np
from matplotlib.figure import Figure

from mscn_tf.runtime.files import atomic_write

# By key of a row: the column's head, and how a number is written.
_COLUMNS = {
    "psnr": ("PSNR, dB", "{:.2f}"),
    "psnr_adam": ("after Adam, dB", "{:.2f}"),
    "kept_frozen": ("gates frozen: kept", "{:.0f}"),
    "psnr_frozen": ("dB", "{:.2f}"),
    "view_psnr": ("views, dB", "{:.2f}"),
    "accuracy": ("accuracy, %", "{:.2%}"),
    "iou": ("IoU, %", "{:.1%}"),
}


def grouped(rows: list[dict[str, Any]]) -> dict[tuple[str, float], list[dict[str, Any]]]:
    """Rows of all seeds by arm and wanted share."""
    groups = defaultdict(list)
    for row in rows:
        groups[row["arm"], row["wanted"]].append(row)
    return dict(groups)


def spread(values: list[float], form: str) -> str:
    """Mean and standard deviation over seeds."""
    mean = form.format(np.mean(values)).replace("%", "")
    if len(values) == 1:
        return mean
    return f"{mean} ± {form.format(np.std(values, ddof=1)).replace('%', '')}"


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: a row for each arm and wanted share, means and standard deviations over seeds."""
    keys = [key for key in _COLUMNS if any(key in row for row in rows)]
    keys += sorted(
        {key for row in rows for key in row if key.startswith("psnr_") and key not in _COLUMNS},
        key=lambda key: int(key[5:]),
    )
    heads = [_COLUMNS[key][0] if key in _COLUMNS else f"{key[5:]} steps, dB" for key in keys]
    stored = max((len(row.get("stored", ())) for row in rows), default=0)
    heads += ["bytes a signal: PSNR"] * (stored > 0)
    lines = [
        "| arm | wanted, % | kept | of it, % | " + " | ".join([*heads, "CPU s"]) + " |",
        "|" + "---|" * (5 + len(heads)),
    ]
    for (arm, wanted), group in grouped(rows).items():
        kept = [row["kept"] for row in group]
        share = [row["kept"] / row["reference"] for row in group]
        cells = [arm, f"{100 * wanted:.3g}", spread(kept, "{:.0f}"), spread(share, "{:.1%}")]
        for key in keys:
            values = [row[key] for row in group if key in row]
            form = _COLUMNS[key][1] if key in _COLUMNS else "{:.2f}"
            cells.append(spread(values, form) if values else "")
        if stored:
            points = zip(*[row.get("stored", ()) for row in group])
            cells.append(
                ", ".join(
                    f"{np.mean([p['bytes'] for p in point]):.0f}: "
                    f"{np.mean([p['psnr'] for p in point]):.2f}"
                    for point in points
                )
            )
        cells.append(f"{np.mean([row['cpu_seconds'] for row in group]):.0f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def figure(config: ml_collections.ConfigDict, rows: list[dict[str, Any]]) -> bytes:
    """A PNG: quality over what is kept, a line an arm, bars of a standard deviation over seeds."""
    measure = config.get("shown", "psnr")
    drawn = Figure(figsize=(7.5, 5), dpi=110, layout="constrained")
    axes = drawn.subplots()
    arms: dict[str, list] = defaultdict(list)
    for (arm, _), group in grouped(rows).items():
        values = [row[measure] for row in group]
        error = np.std(values, ddof=1) if len(values) > 1 else 0.0
        arms[arm].append((np.mean([row["kept"] for row in group]), np.mean(values), error))
    for (arm, points), marker in zip(arms.items(), "osD^vP*X<>h" * 9):
        kept, means, errors = zip(*sorted(points))
        axes.errorbar(kept, means, errors, label=arm, marker=marker, markersize=5, capsize=2)
    axes.set_xscale("log")
    axes.set_xlabel("non-zero values kept a signal")
    axes.set_ylabel(_COLUMNS.get(measure, (measure,))[0])
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=9)
    axes.set_title(config.title)
    file = io.BytesIO()
    drawn.savefig(file, format="png")
    return file.getvalue()


def write_report(
    config: ml_collections.ConfigDict, rows: list[dict[str, Any]], workdir: Path
) -> None:
    """Writes ``results.json``, ``table.md`` and ``figure.png``."""
    results = {
        "name": config.name,
        "config": json.loads(config.to_json_best_effort()),
        "rows": rows,
    }
    for name, data in (
        ("results.json", json.dumps(results, indent=1).encode()),
        ("table.md", table(rows).encode()),
        ("figure.png", figure(config, rows)),
    ):
        with atomic_write(workdir / name) as file:
            file.write(data)
