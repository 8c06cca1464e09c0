"""A page of a result for a browser: its table, the ratios as bars and the kernels under the roofs.
Runs in the rivals' environment, which has matplotlib: charts.py RESULT.json FOLDER."""
import html
import json
import pathlib
import sys

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402


def ratios(result, path):
    names = list(result["ratios"])[::-1]
    values = [result["ratios"][name] for name in names]
    figure, axes = pyplot.subplots(figsize=(8, 0.8 + 0.32 * len(names)))
    axes.set_xscale("log")  # twice and half are as long
    axes.barh(names, [v - 1 for v in values], left=1, color=["#2a7f62" if v >= 1 else "#b3432b" for v in values])
    for i, value in enumerate(values):
        axes.text(max(value, 1), i, f" {value:.2f}", va="center")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("time of the best rival / time of earshot")
    axes.margins(x=0.12)
    figure.savefig(path, bbox_inches="tight", dpi=110)


def roofline(kernels, path):
    product, copy = (kernels[k] for k in ("product_flops_per_second", "copy_bytes_per_second"))
    figure, axes = pyplot.subplots(figsize=(8, 5))
    ridge = product / copy
    axes.loglog([ridge / 1e3, ridge, ridge * 1e3], [product / 1e12, product / 1e9, product / 1e9],
                color="black", linewidth=1)
    for row in kernels["rows"]:
        if row["flops_per_second"] and row["bytes_per_second"]:
            x = row["flops_per_second"] / row["bytes_per_second"]
            axes.plot(x, row["flops_per_second"] / 1e9, "o", color="#2a5f8f", markersize=4)
            axes.annotate(row["name"], (x, row["flops_per_second"] / 1e9), fontsize=6,
                          xytext=(3, 3), textcoords="offset points")
    axes.set_xlabel("operations a byte (counted)")
    axes.set_ylabel("GFLOP/s (counted as the direct, dense algorithm)")
    axes.set_title(f"roofs measured: {product / 1e9:.0f} GFLOP/s, {copy / 1e9:.1f} GB/s", fontsize=9)
    figure.savefig(path, bbox_inches="tight", dpi=110)


def page(result, table):
    about = "".join(f"<tr><td>{html.escape(k)}<td>{html.escape(str(v))}"
                    for k, v in result["environment"].items())
    images = "".join(f'<p><img src="{name}.png" alt="{name}">'
                     for name, there in (("ratios", result["ratios"]),
                                         ("roofline", result.get("kernels"))) if there)
    return (f"<!doctype html><meta charset=utf-8><title>earshot beside its rivals</title>"
            f"<style>body{{font:15px sans-serif;max-width:70em;margin:2em auto}}"
            f"pre{{font-size:13px}}td{{padding-right:1em;vertical-align:top}}</style>"
            f"<h1>earshot beside its rivals</h1><pre>{html.escape(table)}</pre>{images}"
            f"<h2>Environment</h2><table>{about}</table>\n")


def main():
    source, folder = map(pathlib.Path, sys.argv[1:])
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    from harness import table
    result = json.loads(source.read_text())
    if result["ratios"]:
        ratios(result, folder / "ratios.png")
    if result.get("kernels"):
        roofline(result["kernels"], folder / "roofline.png")
    (folder / "index.html").write_text(page(result, table.text(result)))


if __name__ == "__main__":
    main()
