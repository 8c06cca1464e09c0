"""Reads the preset and sample names of a SoundFont 2 (or sf3) bank, to check what a key plays.

Only the `pdta` list is read. It is searched from the end of the file: some sf3 banks have a
sample chunk of odd length without the pad byte RIFF asks for, which throws a forward walk off.
"""

import struct
from typing import NamedTuple

from errors import CorpusError

# SoundFont 2.04, section 8.1: generator numbers.
_GEN_INSTRUMENT = 41
_GEN_KEY_RANGE = 43
_GEN_SAMPLE = 53

_RECORD_SIZE = {"phdr": 38, "pbag": 4, "pgen": 4, "inst": 22, "ibag": 4, "igen": 4, "shdr": 46}


class Zone(NamedTuple):
    low: int  # lowest key, inclusive
    high: int  # highest key, inclusive
    target: int  # index of an instrument (preset zones) or of a sample (instrument zones)


class SoundFont:
    """`presets` maps (bank, program) to a preset name; `samples_at` names what a key plays."""

    def __init__(self, path):
        with open(path, "rb") as f:
            chunks = _pdta_chunks(f.read(), path)
        try:
            self._parse(chunks)
        except (struct.error, IndexError) as e:
            raise CorpusError(f"{path}: the preset tables of this SoundFont are damaged") from e

    def _parse(self, chunks):
        heads = [struct.unpack_from("<20sHHH", r) for r in _records(chunks, "phdr")]
        insts = [struct.unpack_from("<20sH", r) for r in _records(chunks, "inst")]
        samples = [_text(r[:20]) for r in _records(chunks, "shdr")]
        preset_zones = _zones(chunks, "p", [h[3] for h in heads], _GEN_INSTRUMENT)
        self._inst_zones = _zones(chunks, "i", [i[1] for i in insts], _GEN_SAMPLE)
        self.samples = samples[:-1]
        for zones, count in ((preset_zones, len(insts) - 1), (self._inst_zones, len(self.samples))):
            if any(z.target >= count for zone in zones for z in zone):
                raise IndexError("zone without a target")
        self.presets = {}
        self._preset_zones = {}
        for (name, program, bank, _), zones in zip(heads[:-1], preset_zones):
            self.presets[bank, program] = _text(name)
            self._preset_zones[bank, program] = zones

    def samples_at(self, bank, program, key):
        """Sorted names of all samples that (bank, program) sounds at this key, at any velocity."""
        names = set()
        for preset_zone in self._preset_zones.get((bank, program), []):
            if preset_zone.low <= key <= preset_zone.high:
                for zone in self._inst_zones[preset_zone.target]:
                    if zone.low <= key <= zone.high:
                        names.add(self.samples[zone.target])
        return sorted(names)


def _text(raw):
    return raw.split(b"\0")[0].decode("latin-1").strip()


def _pdta_chunks(data, path):
    at = data.rfind(b"pdta")
    if data[:4] != b"RIFF" or data[8:12] != b"sfbk" or at < 0:
        raise CorpusError(f"{path}: not a SoundFont 2 bank (no RIFF sfbk header or no pdta list)")
    chunks, at = {}, at + 4
    while at + 8 <= len(data):
        name, size = data[at:at + 4].decode("latin-1"), struct.unpack_from("<I", data, at + 4)[0]
        chunks[name] = data[at + 8:at + 8 + size]
        at += 8 + size
    missing = sorted(set(_RECORD_SIZE) - set(chunks))
    if missing:
        raise CorpusError(f"{path}: SoundFont is cut short, chunk {missing[0]} is missing")
    return chunks


def _records(chunks, name):
    data, size = chunks[name], _RECORD_SIZE[name]
    return [data[i:i + size] for i in range(0, len(data), size)]


def _zones(chunks, kind, first_bags, target_gen):
    """Zones of every preset ("p") or instrument ("i"); the last header only ends the list.

    A zone without a target is the global one: its key range is the default of the others.
    """
    bags = [struct.unpack("<HH", r)[0] for r in _records(chunks, kind + "bag")]
    gens = [struct.unpack("<HH", r) for r in _records(chunks, kind + "gen")]
    result = []
    for first, end in zip(first_bags, first_bags[1:]):
        default, zones = (0, 127), []
        for bag in range(first, end):
            keys, target = None, None
            for operator, amount in gens[bags[bag]:bags[bag + 1]]:
                if operator == _GEN_KEY_RANGE:
                    keys = (amount & 255, amount >> 8)
                elif operator == target_gen:
                    target = amount
            if target is not None:
                zones.append(Zone(*(keys or default), target))
            elif bag == first and keys:
                default = keys
        result.append(zones)
    return result
