"""Table 3, Table 4 and Figure 2 beside the paper's, as text, JSON and one HTML page."""

import html

from .paper import FIGURE_2, MODELS, SECONDS, TABLE_3, TABLE_4, TABLE_4_SECONDS

COLOURS = ("#4c78a8", "#f58518", "#9ecae9", "#ffbf79", "#333333")


def figure_label(model, zero):
    return f"{model} ({zero} input 0)" if zero else model


def figure_key(model, zero):
    return f"figure2-{model}" + (f"-{zero}-zeroed" if zero else "")


def row_key(model, seconds):
    return f"{seconds}s-{model}"


def gather(scores):
    """`scores`: {key: what evaluate wrote of one model} -> the tables as plain data."""
    table_3 = []
    for model in MODELS:
        for seconds in SECONDS:
            ours = scores.get(row_key(model, seconds))
            row = {"model": model, "seconds": seconds, "paper": TABLE_3[model, seconds],
                   "folds": ours["folds"] if ours else [], "ours": None, "intervals": None}
            if ours:
                row["ours"] = [ours["map3"][part] for part in ("public", "private", "total")]
                row["intervals"] = [ours["map3"][part] for part in
                                    ("public_interval", "private_interval", "interval")]
            table_3.append(row)
    best = scores.get(row_key("cnn-comb", TABLE_4_SECONDS))
    classes = {entry["label"]: entry for entry in best["per_class"]} if best else {}
    table_4 = [{"label": label, "paper": paper, "ours": classes.get(label, {}).get("map3"),
                "interval": classes.get(label, {}).get("interval")}
               for label, paper in TABLE_4.items()]
    figure_2 = []
    for model, zero in FIGURE_2:
        ours = scores.get(figure_key(model, zero))
        figure_2.append({"model": figure_label(model, zero), "per_class": {
            entry["label"]: entry["map3"] for entry in ours["per_class"]} if ours else None})
    return {"table_3": table_3, "table_4": table_4, "figure_2": figure_2}


def number(value, interval=None):
    if value is None:
        return "-"
    return f"{value:.3f}" + (f" ± {interval:.3f}" if interval is not None else "")


def rows_3(tables):
    yield ("model", "crop", "folds", "public", "paper", "private", "paper", "total", "paper")
    for row in tables["table_3"]:
        ours, spread = row["ours"] or [None] * 3, row["intervals"] or [None] * 3
        cells = [row["model"], f"{row['seconds']} s", str(len(row["folds"]) or "-")]
        for value, interval, paper in zip(ours, spread, row["paper"]):
            cells += [number(value, interval), number(paper)]
        yield tuple(cells)


def rows_4(tables):
    yield ("class", "mAP@3", "paper")
    for row in tables["table_4"]:
        yield row["label"], number(row["ours"], row["interval"]), number(row["paper"])


def rows_figure(tables):
    yield ("class", *(bar["model"] for bar in tables["figure_2"]))
    for label in TABLE_4:
        yield (label, *(number((bar["per_class"] or {}).get(label)) for bar in tables["figure_2"]))


TITLES = ((f"Table 3. mAP@3 with 95 % intervals over clips", rows_3),
          (f"Table 4. mAP@3 per class, cnn-comb {TABLE_4_SECONDS} s", rows_4),
          (f"Figure 2. mAP@3 per class on one fold, {TABLE_4_SECONDS} s; the paper draws it without "
           "numbers", rows_figure))


def as_text(tables):
    parts = []
    for title, rows in TITLES:
        rows = list(rows(tables))
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        parts.append(title)
        parts += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
                  for row in rows]
        parts.append("")
    return "\n".join(parts)


def html_table(rows):
    head, *body = ["".join(f"<t{kind}>{html.escape(cell)}</t{kind}>" for cell in row)
                   for kind, row in zip(["h"] + ["d"] * 1000, rows)]
    return (f"<table><thead><tr>{head}</tr></thead><tbody>"
            + "".join(f"<tr>{row}</tr>" for row in body) + "</tbody></table>")


def bars(tables):
    """Figure 2 as groups of bars, one group a class."""
    shown = [bar for bar in tables["figure_2"] if bar["per_class"]]
    if not shown:
        return ""
    bar_height, left, scale = 5, 170, 500
    parts, y = [], 24
    for i, bar in enumerate(shown):
        x = left + i * 175
        parts.append(f'<rect x="{x}" y="4" width="10" height="10" fill="{COLOURS[i]}"/>'
                     f'<text x="{x + 14}" y="13">{html.escape(bar["model"])}</text>')
    for label in TABLE_4:
        height = bar_height * len(shown)
        parts.append(f'<text x="{left - 6}" y="{y + height / 2 + 4}" text-anchor="end">{label}</text>')
        for i, bar in enumerate(shown):
            value = bar["per_class"].get(label) or 0
            parts.append(f'<rect x="{left}" y="{y + i * bar_height}" height="{bar_height - 1}" '
                         f'width="{value * scale:.1f}" fill="{COLOURS[i]}"/>')
        y += height + 6
    width = left + 175 * 5
    return f'<svg width="{width}" height="{y}" font-size="11">{"".join(parts)}</svg>'


def as_html(tables):
    sections = "".join(f"<h2>{html.escape(title)}</h2>"
                       + (bars(tables) if rows is rows_figure else "") + html_table(rows(tables))
                       for title, rows in TITLES)
    style = ("body{font-family:sans-serif;margin:2em}table{border-collapse:collapse;margin:1em 0}"
             "td,th{padding:2px 10px;text-align:left;border-bottom:1px solid #ddd}"
             "td{font-variant-numeric:tabular-nums}")
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><title>The paper\'s tables</title>'
            f"<style>{style}</style><h1>The paper's tables, reproduced</h1>{sections}</html>\n")
