"""A progress bar on a terminal, a line every ten per cent elsewhere."""

import sys
import time


class Progress:
    def __init__(self, title, total, out=sys.stderr):
        self._title, self._total, self._out = title, max(1, total), out
        self._done, self._shown, self._start = 0, -1, time.monotonic()
        self._live = out.isatty()
        self._show()

    def advance(self, count=1):
        self._done += count
        self._show()

    def _show(self):
        percent = 100 * self._done // self._total
        step = percent if self._live else percent // 10
        if step == self._shown:
            return
        self._shown = step
        seconds = time.monotonic() - self._start
        if self._live:
            filled = 30 * self._done // self._total
            bar = "#" * filled + "-" * (30 - filled)
            line = f"\r{self._title:<10} [{bar}] {percent:3d} %  {self._done}/{self._total}"
            self._out.write(f"{line}  {seconds:5.1f} s")
            if self._done >= self._total:
                self._out.write("\n")
        else:
            self._out.write(f"{self._title}: {self._done}/{self._total} ({seconds:.1f} s)\n")
        self._out.flush()
