"""Writes standard MIDI files of format 0. A tick is a millisecond."""

import struct

from errors import CorpusError

TICKS_PER_QUARTER = 500
MICROSECONDS_PER_QUARTER = 500_000  # 500 ticks of 1,000 us each: a tick is a millisecond

DRUM_CHANNEL = 9
BANK_SELECT = 0
ALL_SOUND_OFF = 120
RESET_CONTROLLERS = 121
CENTRE_BEND = 8192


class Track:
    """Collects events at absolute times in milliseconds and puts them in order."""

    def __init__(self):
        self._events = []  # (time, order at equal times, sequence number, bytes)

    def _add(self, time, order, message):
        if time < 0:
            raise CorpusError(f"MIDI event at negative time {time} ms")
        self._events.append((time, order, len(self._events), bytes(message)))

    def control(self, time, channel, number, value):
        self._add(time, 1, (0xB0 | channel, number, value))

    def program(self, time, channel, bank, program):
        """On the drum channel the program is the kit and the bank is not sent."""
        if channel != DRUM_CHANNEL:
            self.control(time, channel, BANK_SELECT, bank)
        self._add(time, 1, (0xC0 | channel, program))

    def bend(self, time, channel, value):
        """value in 0..16383; 8192 is centre, the ends are two semitones away."""
        self._add(time, 1, (0xE0 | channel, value & 127, value >> 7))

    def note(self, time, channel, key, velocity, hold):
        self._add(time, 2, (0x90 | channel, key, velocity))
        self._add(time + hold, 0, (0x80 | channel, key, 0))

    def silence(self, time, channel):
        """Cuts every tail, so that one clip cannot leak into the next."""
        self.control(time, channel, ALL_SOUND_OFF, 0)
        self.control(time, channel, RESET_CONTROLLERS, 0)
        self.bend(time, channel, CENTRE_BEND)

    def to_bytes(self, end):
        """The whole file; the track ends at `end` milliseconds."""
        body = bytearray(b"\x00\xff\x51\x03" + MICROSECONDS_PER_QUARTER.to_bytes(3, "big"))
        now = 0
        for time, _, _, message in sorted(self._events):
            body += variable_length(time - now) + message
            now = time
        body += variable_length(max(0, end - now)) + b"\xff\x2f\x00"
        header = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, TICKS_PER_QUARTER)
        return header + struct.pack(">4sI", b"MTrk", len(body)) + bytes(body)


def variable_length(value):
    """MIDI's variable-length quantity: seven bits a byte, most significant first."""
    out = [value & 127]
    while value := value >> 7:
        out.append(0x80 | (value & 127))
    return bytes(reversed(out))
