"""The picture of a comparison: losses above, distances below on a logarithmic scale."""

import math

WIDTH, HEIGHT, GAP, LEFT, TOP = 300, 150, 60, 56, 40
OURS, THEIRS, ORDERS = "#0b6e99", "#e07b00", "#999999"


def polyline(points, colour, dash=""):
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (f'<polyline points="{text}" fill="none" stroke="{colour}" stroke-width="1.5"'
            f'{dashed}/>')


def text(x, y, words, anchor="middle", size=12, colour="#333"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{colour}">{words}</text>')


def panel(left, top, lines, low, high, ticks):
    """`lines`: [(values in low ... high, colour, dash)]; `ticks`: [(value, label)]."""
    parts = [f'<rect x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" '
             'stroke="#ccc"/>']

    def y(value):
        return top + HEIGHT * (1 - (min(max(value, low), high) - low) / (high - low))

    for value, label in ticks:
        parts.append(f'<path d="M{left} {y(value):.1f}h{WIDTH}" stroke="#eee"/>')
        parts.append(text(left - 5, y(value) + 4, label, "end", 10))
    for values, colour, dash in lines:
        step = WIDTH / max(1, len(values) - 1)
        parts.append(polyline([(left + i * step, y(v)) for i, v in enumerate(values)], colour,
                              dash))
    count = len(lines[0][0])
    for i in range(0, count + 1, 50):
        parts.append(text(left + WIDTH * i / count, top + HEIGHT + 14, i, size=10))
    return parts


def logarithms(values):
    return [math.log10(max(v, 1e-9)) for v in values]


def picture(results):
    parts = []
    for i, r in enumerate(results):
        left = LEFT + i * (WIDTH + GAP)
        parts.append(text(left + WIDTH / 2, TOP - 10, f"{r['model']}: loss of each step", size=13))
        high = max(r["ours"] + r["pytorch"])
        ticks = [(v, f"{v:g}") for v in range(0, int(high) + 1, max(1, int(high) // 4))]
        parts += panel(left, TOP, [(r["pytorch"], THEIRS, ""), (r["ours"], OURS, "4 3")], 0, high,
                       ticks)
        top = TOP + HEIGHT + GAP
        parts.append(text(left + WIDTH / 2, top - 10, "relative distance", size=13))
        parts += panel(left, top, [(logarithms(r["among"]), ORDERS, ""),
                                   (logarithms(r["apart"]), OURS, "")], -8, 0,
                       [(e, f"1e{e}") for e in range(-8, 1, 2)])
    bottom = TOP + 2 * HEIGHT + GAP + 36
    width = LEFT + len(results) * (WIDTH + GAP)
    for x, colour, words in ((LEFT, OURS, "earshot"), (LEFT + 110, THEIRS, "PyTorch"),
                             (LEFT + 220, ORDERS, "PyTorch among three float orders")):
        parts.append(polyline([(x, bottom), (x + 24, bottom)], colour))
        parts.append(text(x + 30, bottom + 4, words, "start"))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{bottom + 16}" '
            f'font-family="sans-serif"><rect width="100%" height="100%" fill="#fff"/>'
            + "".join(parts) + "</svg>\n")
