"""The result as a table for a person."""


def size(count):
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def seconds(value):
    return f"{value:.2f} s" if value >= 1 else f"{value * 1e3:.3g} ms"


def row(name, case):
    ours = case["ours"]
    mine = [seconds(ours["median"]), f"{100 * ours['spread']:.0f} %", size(ours["peak_bytes"])]
    rival = case.get("rival")
    if rival is None:
        reasons = {t["refused"] for t in case.get("trials", []) if t["refused"]}
        return [name, *mine, "none: " + (min(reasons) if reasons else "no rival here"), *[""] * 4]
    return [name, *mine, rival["name"], seconds(rival["median"]), size(rival["peak_bytes"]),
            f"{case['ratio']:.2f}", f"{100 * case['ratio_spread']:.0f} %"]


def kernel(r):
    rates = [f"{1e-9 * r[k]:.1f}" if r[k] else "" for k in ("flops_per_second", "bytes_per_second")]
    return [r["name"], seconds(r["seconds"]), size(r["memory_bytes"]), *rates,
            f"{100 * r['roof']:.0f} %" if r["roof"] is not None else "", r["label"]]


def columns(rows, left):
    """Rows of text under each other, the first one underlined; columns in `left` begin at the left."""
    widths = [min(50, max(len(r[i]) for r in rows)) for i in range(len(rows[0]))]
    lines = ["  ".join(c.ljust(w) if i in left else c.rjust(w)
                       for i, (c, w) in enumerate(zip(r, widths))).rstrip() for r in rows]
    return [lines[0], "-" * len(lines[0]), *lines[1:]]


def text(result):
    """The cases, the kernels where they were run, and what was left out."""
    lines = []
    if result["cases"]:
        head = ["case", "earshot", "+-", "memory", "best rival", "takes", "memory", "ratio", "+-"]
        lines += columns([head] + [row(n, c) for n, c in result["cases"].items()], (0, 4))
    if result.get("kernels"):
        head = ["kernel alone", "time", "memory", "GFLOP/s", "GB/s", "roof",
                "shape and implementation"]
        lines += ["", *columns([head] + [kernel(r) for r in result["kernels"]["rows"]], (0, 6))]
    lines += [f"skipped {s['case']}: {s['why']}" for s in result["skipped"]]
    return "\n".join(lines)
