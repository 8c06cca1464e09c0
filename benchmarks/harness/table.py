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


def text(cases, skipped):
    head = ["case", "earshot", "+-", "memory", "best rival", "takes", "memory", "ratio", "+-"]
    rows = [head] + [row(name, case) for name, case in cases.items()]
    widths = [min(44, max(len(r[i]) for r in rows)) for i in range(len(head))]
    lines = []
    for r in rows:
        lines.append("  ".join(c[:44].ljust(w) if i in (0, 4) else c.rjust(w)
                               for i, (c, w) in enumerate(zip(r, widths))).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    lines += [f"skipped {s['case']}: {s['why']}" for s in skipped]
    return "\n".join(lines)
