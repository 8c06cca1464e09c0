"""What was tried, what was lost, what the user saw."""

import sys
import time


class Row:
    def __init__(self, campaign, fault):
        self.campaign, self.fault = campaign, fault
        self.tried = self.struck = self.lost = 0
        self.seen, self.figures, self.losses = "", {}, []
        self.started, self.seconds = time.monotonic(), 0.0

    def tries(self, struck=True):
        self.tried += 1
        self.struck += bool(struck)

    def loses(self, why):
        self.lost += 1
        self.losses.append(why)
        print(f"  LOST: {self.fault}: {why}", file=sys.stderr, flush=True)

    def sees(self, text):
        """Keeps the first sentence that a user would read."""
        self.seen = self.seen or text.strip()


class Table:
    def __init__(self):
        self.rows, self.skipped, self.seconds, self.campaign = [], [], 0.0, ""

    def begin(self, campaign):
        self.campaign = campaign

    def row(self, fault):
        return Open(self, Row(self.campaign, fault))

    def skip(self, what, why):
        self.skipped.append({"campaign": self.campaign, "what": what, "why": why})
        print(f"{self.campaign}: {what} skipped: {why}", flush=True)

    @property
    def tried(self):
        return sum(row.tried for row in self.rows)

    @property
    def lost(self):
        return sum(row.lost for row in self.rows)

    def as_json(self):
        keys = ("campaign", "fault", "tried", "struck", "lost", "seen", "figures", "losses", "seconds")
        return {"rows": [{key: getattr(row, key) for key in keys} for row in self.rows],
                "skipped": self.skipped, "seconds": self.seconds}

    def as_markdown(self):
        def cell(text):
            return str(text).replace("|", "\\|").replace("\n", " ")
        lines = ["| campaign | fault | tried | struck | lost | what the user sees |",
                 "|---|---|---:|---:|---:|---|"]
        for row in self.rows:
            seen = " ".join([row.seen, *(f"{k} {v}" for k, v in row.figures.items())]).strip()
            lines.append(f"| {row.campaign} | {cell(row.fault)} | {row.tried} | {row.struck} | "
                         f"{row.lost} | {cell(seen)} |")
        for entry in self.skipped:
            lines.append(f"| {entry['campaign']} | {cell(entry['what'])} | 0 | 0 | | skipped: "
                         f"{cell(entry['why'])} |")
        return "\n".join(lines) + "\n"


class Open:
    """A row while its faults are tried; printed when done."""

    def __init__(self, table, row):
        self.table, self.row = table, row

    def __enter__(self):
        self.table.rows.append(self.row)
        return self.row

    def __exit__(self, kind, error, _):
        row = self.row
        row.seconds = round(time.monotonic() - row.started, 1)
        if kind is not None and issubclass(kind, Exception):
            row.loses(f"{kind.__name__}: {error}")
        print(f"{row.campaign}: {row.fault}: {row.tried} tried, {row.struck} struck, {row.lost} lost"
              f" ({row.seconds} s)", flush=True)
        return kind is None or issubclass(kind, Exception)
