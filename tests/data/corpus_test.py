#!/usr/bin/python3
"""Tests of data/corpus on synthetic files: no network, no packages, no players."""

import io
import struct
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "data" / "corpus"))

import numpy as np

import archives
import check
import classes
import midi
import oneshots
import phrases
import plan
import postprocess
import render
import rows
import table
from errors import CorpusError
from soundfont import SoundFont
from sources import PACKAGES, PROFILES
from stream import Stream

# The names of FSDKaggle2018, from the paper.
CLASSES = """Acoustic_guitar Applause Bark Bass_drum Burping_or_eructation Bus Cello Chime Clarinet
Computer_keyboard Cough Cowbell Double_bass Drawer_open_or_close Electric_piano Fart Finger_snapping
Fireworks Flute Glockenspiel Gong Gunshot_or_gunfire Harmonica Hi-hat Keys_jangling Knock Laughter
Meow Microwave_oven Oboe Saxophone Scissors Shatter Snare_drum Squeak Tambourine Tearing Telephone
Trumpet Violin_or_fiddle Writing""".split()


def soundfont_bytes(odd_sample_chunk=False):
    """Bank 0 program 42 plays Low on keys 0-59 and High on 60-127; kit 0 plays Kick on key 36."""
    def name(text):
        return text.encode().ljust(20, b"\0")

    def head(title, program, bank, bag):
        return name(title) + struct.pack("<HHHIII", program, bank, bag, 0, 0, 0)

    def chunk(title, data):
        return title + struct.pack("<I", len(data)) + data

    def key_range(low, high):
        return struct.pack("<HH", 43, low | high << 8)

    def sample(title):
        return name(title) + bytes(26)

    bags = struct.pack
    pdta = b"pdta" + b"".join([
        chunk(b"phdr", head("Cello", 42, 0, 0) + head("Standard", 0, 128, 1)
              + head("EOP", 0, 0, 2)),
        chunk(b"pbag", bags("<HHHHHH", 0, 0, 1, 0, 2, 0)),
        chunk(b"pmod", bytes(10)),
        chunk(b"pgen", struct.pack("<HHHHHH", 41, 0, 41, 1, 0, 0)),
        chunk(b"inst", name("strings") + bags("<H", 0) + name("drums") + bags("<H", 2)
              + name("EOI") + bags("<H", 3)),
        chunk(b"ibag", bags("<HHHHHHHH", 0, 0, 2, 0, 4, 0, 6, 0)),
        chunk(b"imod", bytes(10)),
        chunk(b"igen", key_range(0, 59) + struct.pack("<HH", 53, 0) + key_range(60, 127)
              + struct.pack("<HH", 53, 1) + key_range(36, 36) + struct.pack("<HH", 53, 2)
              + bytes(4)),
        chunk(b"shdr", sample("Low") + sample("High") + sample("Kick") + sample("EOS"))])
    sdta = b"LIST" + struct.pack("<I", 7 if odd_sample_chunk else 8)
    sdta += b"sdtasmp" if odd_sample_chunk else b"sdtasmpl"
    body = b"sfbk" + sdta + b"LIST" + struct.pack("<I", len(pdta)) + pdta
    return b"RIFF" + struct.pack("<I", len(body)) + body


def dmx(samples, rate=11025):
    padded = bytes(16) + samples + bytes(16)
    return struct.pack("<HHI", 3, rate, len(padded)) + padded


def wad(name, lump):
    return (b"IWAD" + struct.pack("<II", 1, 12 + len(lump)) + lump
            + struct.pack("<II8s", 12, len(lump), name.encode()))


def cat(body):
    name = b"one\0"
    offset = 8
    return (struct.pack("<II", offset | 0x80000000, len(body)) + bytes([len(name)]) + name + body)


def patch(samples, rate=22050, modes=1):
    head = bytearray(96)
    struct.pack_into("<I", head, 8, len(samples))
    struct.pack_into("<H", head, 20, rate)
    head[55] = modes
    return b"GF1PATCH110\0".ljust(129 + 63 + 47, b"\0") + bytes(head) + samples


class Folder(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def put(self, name, data):
        (self.folder / name).write_bytes(data)
        return self.folder / name


class MidiTest(unittest.TestCase):
    def test_bytes(self):
        track = midi.Track()
        track.note(0, 0, 60, 100, 200)
        track.note(200, 0, 60, 90, 1)  # starts where the first one ends: off comes before on
        track.program(0, 0, 5, 124)
        body = bytes.fromhex("00ff510307a120" "00b00005" "00c07c" "00903c64" "8148803c00" "00903c5a"
                             "01803c00" "861fff2f00")
        self.assertEqual(track.to_bytes(1000),
                         bytes.fromhex("4d546864 00000006 0000 0001 01f4") + b"MTrk"
                         + struct.pack(">I", len(body)) + body)

    def test_variable_length(self):
        for value, text in ((0, "00"), (127, "7f"), (128, "8100"), (0x3FFF, "ff7f"),
                            (0x4000, "818000")):
            self.assertEqual(midi.variable_length(value).hex(), text)

    def test_kit_sends_no_bank(self):
        track = midi.Track()
        track.program(0, midi.DRUM_CHANNEL, 0, 25)
        self.assertIn(bytes.fromhex("00c919"), track.to_bytes(1))
        self.assertNotIn(bytes.fromhex("b900"), track.to_bytes(1))


class SoundFontTest(Folder):
    def test_names(self):
        for odd in (False, True):
            bank = SoundFont(self.put("a.sf2", soundfont_bytes(odd)))
            self.assertEqual(bank.presets, {(0, 42): "Cello", (128, 0): "Standard"})
            self.assertEqual(bank.samples_at(0, 42, 59), ["Low"])
            self.assertEqual(bank.samples_at(0, 42, 60), ["High"])
            self.assertEqual(bank.samples_at(128, 0, 36), ["Kick"])
            self.assertEqual(bank.samples_at(128, 0, 37), [])
            self.assertEqual(bank.samples_at(3, 3, 60), [])

    def test_damage_is_an_error(self):
        whole = soundfont_bytes()
        damaged = [whole[:n] for n in range(0, len(whole) - 46, 37)]
        damaged.append(whole.replace(struct.pack("<HH", 53, 1), struct.pack("<HH", 53, 999)))
        for data in damaged:
            with self.assertRaises(CorpusError):
                bank = SoundFont(self.put("a.sf2", data))
                bank.samples_at(0, 42, 60)


class ArchiveTest(Folder):
    def test_wad(self):
        path = self.put("a.wad", wad("DSPISTOL", dmx(bytes([128, 255, 0]))))
        got = archives.read(path, "DSPISTOL")
        self.assertEqual(got.rate, 11025)
        np.testing.assert_array_equal(got.samples, [0.0, 127 / 128, -1.0])

    def test_cat(self):
        body = b"RIFF" + bytes(20)
        self.assertEqual(archives.read(self.put("a.cat", cat(body)), "0"), body)

    def test_patch(self):
        raw = struct.pack("<hhh", 0, 16384, -32768)
        self.put("a.pat", patch(raw))
        got = archives.read(self.folder, "a.pat")
        self.assertEqual(got.rate, 22050)
        np.testing.assert_array_equal(got.samples, [0.0, 0.5, -1.0])
        self.put("u.pat", patch(bytes([128, 192, 0]), modes=2))
        np.testing.assert_array_equal(archives.read(self.folder, "u.pat").samples, [0.0, 0.5, -1.0])

    def test_zip(self):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as z:
            z.writestr("sound/a.ogg", b"abc")
        self.assertEqual(archives.read(self.put("a.pk3", buffer.getvalue()), "sound/a.ogg"), b"abc")

    def test_cut_short_or_absent_is_an_error(self):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as z:
            z.writestr("x", b"abc" * 50)
        for name, data, entry in (("a.wad", wad("X", dmx(bytes(40))), "X"),
                                  ("a.cat", cat(b"RIFF" + bytes(20)), "0"),
                                  ("a.pat", patch(bytes(40)), "a.pat"),
                                  ("a.pk3", buffer.getvalue(), "x")):
            for n in range(0, len(data), 3):
                path = self.put(name, data[:n])
                with self.assertRaises(CorpusError, msg=f"{name} cut to {n}"):
                    archives.read(self.folder if name == "a.pat" else path, entry)
            path = self.put(name, data)
            with self.assertRaises(CorpusError):
                archives.read(self.folder if name == "a.pat" else path, "7")

    def test_undecodable_is_an_error(self):
        self.put("a.wav", b"RIFF....WAVE")
        with self.assertRaises(CorpusError):
            oneshots.decode(self.folder, "a.wav")


class StreamTest(unittest.TestCase):
    def test_keys(self):
        first = [Stream(1, "Cello", "a", 0).unit() for _ in range(2)]
        self.assertEqual(first[0], first[1])
        self.assertNotEqual(first[0], Stream(1, "Cello", "a", 1).unit())
        # Pinned: another value here would change every corpus that was ever built.
        self.assertEqual(Stream(1, "Cello", "a", 0).integer(0, 10**6), 15765)

    def test_ranges(self):
        stream = Stream("ranges")
        values = [stream.integer(3, 5) for _ in range(300)]
        self.assertEqual(set(values), {3, 4, 5})
        self.assertTrue(all(-2.0 <= stream.uniform(-2.0, 1.0) < 1.0 for _ in range(300)))


class PhraseTest(unittest.TestCase):
    def test_parts_keep_to_their_limits(self):
        for name, style in phrases.STYLES.items():
            for i in range(60):
                keys = tuple(range(50, 75)) if not style.bend else (56,)
                part = phrases.compose(name, keys, Stream(name, i))
                self.assertTrue(part.notes)
                self.assertLessEqual(abs(part.bend), style.bend)
                for note in part.notes:
                    wide = range(60 - style.spread, 61 + style.spread) if style.spread else keys
                    self.assertIn(note.key, wide)
                    self.assertTrue(1 <= note.velocity <= 127 and note.hold > 0)
                self.assertLess(part.length, 16000)


class PostprocessTest(unittest.TestCase):
    def tone(self, seconds=1.0):
        t = np.arange(int(seconds * postprocess.RATE)) / postprocess.RATE
        return 0.2 * np.sin(2 * np.pi * 440 * t) * np.exp(-3 * t)

    def test_same_bytes_again(self):
        one, two = (postprocess.finish(self.tone(), Stream("p", 1)) for _ in range(2))
        self.assertEqual(one.tobytes(), two.tobytes())
        other = postprocess.finish(self.tone(), Stream("p", 2))
        self.assertNotEqual(one.tobytes(), other.tobytes())

    def test_level_and_length(self):
        for seconds in (0.01, 1.0, 9.5):
            x = postprocess.finish(np.sin(np.arange(int(seconds * 44100)) * 0.1), Stream(seconds))
            self.assertTrue(postprocess.SHORTEST <= len(x) <= postprocess.LONGEST)
            self.assertTrue(0.24 * 32767 <= np.abs(x).max() <= 0.98 * 32767)

    def test_silence(self):
        self.assertIsNone(postprocess.finish(np.zeros(5000), Stream(0)))
        self.assertIsNone(postprocess.finish(np.zeros(0), Stream(0)))

    def test_offset_is_removed(self):
        x = postprocess.high_pass(np.full(44100, 0.5))
        self.assertLess(np.abs(x[11025:]).max(), 0.01)
        tone = np.sin(np.arange(44100) * 2 * np.pi * 440 / 44100)
        self.assertLess(np.abs(postprocess.high_pass(tone) - tone)[5000:].max(), 0.07)

    def test_resample_keeps_a_tone(self):
        x = np.sin(2 * np.pi * 1000 * np.arange(8000) / 16000)
        y = postprocess.resample(x, 44100 / 16000)
        want = np.sin(2 * np.pi * 1000 * np.arange(len(y)) / 44100)
        self.assertEqual(len(y), 22050)
        self.assertLess(np.abs(y - want)[200:-200].max(), 0.01)

    def test_resample_down_has_no_alias(self):
        x = np.sin(2 * np.pi * 20000 * np.arange(48000) / 48000)
        self.assertLess(np.abs(postprocess.resample(x, 0.5))[100:-100].max(), 0.02)


class PlanTest(unittest.TestCase):
    def test_share(self):
        self.assertEqual(plan.share(45, [45, 45]), [23, 22])
        self.assertEqual(plan.share(45, [3, 45, 10]), [3, 32, 10])
        self.assertEqual(plan.share(45, [4, 5]), [4, 5])
        self.assertEqual(plan.share(0, [4]), [0])

    def test_families(self):
        got = plan.families([("a", "b"), ("b", "c"), ("d",)])
        self.assertEqual(got, {("a", "b"): "a", ("b", "c"): "a", ("d",): "d"})

    def test_slots_do_not_overlap(self):
        row = rows.Preset(rows.FLUID, 0, 42, (36, 72), "sustained", "")
        unit = plan.Unit("u", "g", "s", "l", row, tuple(range(36, 73)), 42, 45)
        clips = [plan.Clip("Cello", "train", unit, i) for i in range(10)]
        _, slots, length = render.lay_out(clips, 1)
        for (_, _, start, end), (_, _, after, _) in zip(slots, slots[1:]):
            self.assertLess(start, end)
            self.assertLess(end, after)
        self.assertLess(slots[-1][3], length)


class TableTest(unittest.TestCase):
    def every_row(self):
        for label, sources in classes.TABLE.items():
            for split in ("train", "test"):
                for row in getattr(sources, split):
                    yield label, split, row

    def test_names(self):
        self.assertLessEqual(set(classes.TABLE), set(CLASSES))
        for label, split, row in self.every_row():
            self.assertIn(row.package, PROFILES["full"])
            styles = oneshots.STYLES if isinstance(row, rows.Recording) else phrases.STYLES
            self.assertIn(row.style, styles)
        self.assertLess(set(PROFILES["small"]), set(PROFILES["full"]))
        self.assertEqual(len({p.short for p in PACKAGES.values()}), len(PACKAGES))

    def test_every_class_has_both_sides(self):
        for label, sources in classes.TABLE.items():
            self.assertTrue(sources.train and sources.test, label)

    def test_banks_are_on_one_side(self):
        banks = {"train": set(), "test": set()}
        for _, split, row in self.every_row():
            if not isinstance(row, rows.Recording):
                banks[split].add(row.package)
        self.assertEqual(banks["test"], {rows.CSOUND})
        self.assertNotIn(rows.CSOUND, banks["train"])

    def test_no_file_is_used_twice(self):
        seen = {}
        for label, split, row in self.every_row():
            for name in getattr(row, "files", ()):
                self.assertIsNone(seen.get((row.package, name)), (label, row.package, name))
                seen[row.package, name] = split

    def test_families_are_on_one_side(self):
        sides = {}
        for _, split, row in self.every_row():
            if isinstance(row, rows.Recording):
                other = sides.setdefault((row.package, row.family), split)
                self.assertEqual(other, split, row)


class CheckTest(Folder):
    def corpus(self, *clips):
        """clips: (path, split, group, samples)"""
        lines = [",".join(table.COLUMNS)]
        for path, split, group, samples in clips:
            postprocess.write_wav(self.folder / path, np.asarray(samples, dtype="<i2"))
            lines.append(f"{path},Cello,{split},{group},s,l")
        self.put("corpus.csv", ("\n".join(lines) + "\n").encode())

    def noise(self, seed):
        return np.random.Generator(np.random.Philox(seed)).integers(-20000, 20000, 20000)

    def verdict(self):
        out, sys.stdout = sys.stdout, io.StringIO()
        try:
            check.check(self.folder)
        finally:
            sys.stdout = out

    def test_good(self):
        self.corpus(("a.wav", "train", "g", self.noise(1)), ("b.wav", "test", "h", self.noise(2)))
        self.verdict()

    def test_planted_faults(self):
        good = ("a.wav", "train", "g", self.noise(1))
        faults = {
            "the same sound": ("b.wav", "test", "h", self.noise(1)),
            "a louder copy": ("b.wav", "test", "h", self.noise(1) * 3 // 2),
            "a shifted copy": ("b.wav", "test", "h", np.roll(self.noise(1), 40)),
            "silent": ("b.wav", "test", "h", np.zeros(20000)),
            "short": ("b.wav", "test", "h", self.noise(2)[:5000]),
            "same group": ("b.wav", "test", "g", self.noise(2)),
            "no test side": ("b.wav", "train", "h", self.noise(2))}
        for name, bad in faults.items():
            self.corpus(good, bad)
            with self.assertRaises(CorpusError, msg=name):
                self.verdict()

    def test_missing_or_damaged(self):
        with self.assertRaises(CorpusError):
            self.verdict()
        self.corpus(("a.wav", "train", "g", self.noise(1)), ("b.wav", "test", "h", self.noise(2)))
        self.put("b.wav", b"RIFF")
        with self.assertRaises(CorpusError):
            self.verdict()


if __name__ == "__main__":
    unittest.main()
