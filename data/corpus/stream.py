"""Random numbers that stay the same: Philox counters, one stream a clip.

The conversions are written out here because numpy promises stable raw output of a bit generator
between versions, but not of the distributions built on it.
"""

import hashlib

import numpy as np


class Stream:
    """The stream of a key such as (seed, class, source, index); equal keys, equal numbers."""

    def __init__(self, *key):
        digest = hashlib.sha256("\x1f".join(map(str, key)).encode()).digest()
        self._bits = np.random.Philox(key=int.from_bytes(digest[:16], "big"))

    def unit(self):
        """A float in [0, 1)."""
        return (int(self._bits.random_raw()) >> 11) * 2.0**-53

    def uniform(self, low, high):
        return low + (high - low) * self.unit()

    def integer(self, low, high):
        """An integer in low..high, both included."""
        return low + int(self.unit() * (high - low + 1))

    def choice(self, items):
        return items[self.integer(0, len(items) - 1)]

    def chance(self, probability):
        return self.unit() < probability
