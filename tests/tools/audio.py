"""Sound files for the tests of the programs, made with the standard library only."""

import math
import struct
import wave
from pathlib import Path


def tone(samples, hz=440.0, rate=44100):
    return [int(12000 * math.sin(2 * math.pi * hz * i / rate)) for i in range(samples)]


def write_wav(path, samples, rate=44100, channels=1):
    """16 bit; `samples` are interleaved."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))


def write_float_wav(path, samples, rate=44100):
    """32-bit float, which can hold NaN."""
    data = struct.pack(f"<{len(samples)}f", *samples)
    form = struct.pack("<HHIIHH", 3, 1, rate, 4 * rate, 4, 32)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form
    body += b"data" + struct.pack("<I", len(data)) + data
    Path(path).write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)


def write_awkward(folder):
    """One file of each awkward kind; returns their paths by name."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_wav(folder / "good.wav", tone(30000))
    write_wav(folder / "empty.wav", [])
    write_wav(folder / "one.wav", [1000])
    write_wav(folder / "zeros.wav", [0] * 20000)
    write_wav(folder / "stereo8k.wav", tone(32000, rate=16000), rate=8000, channels=2)
    write_wav(folder / "truncated.wav", tone(30000, hz=500.0))
    cut = (folder / "truncated.wav").read_bytes()[:20000]
    (folder / "truncated.wav").write_bytes(cut)
    (folder / "text.wav").write_text("This is a letter, not a recording.\n" * 20)
    (folder / "nothing.wav").write_bytes(b"")
    write_float_wav(folder / "nan.wav", [0.1] * 500 + [math.nan] + [0.1] * 500)
    (folder / "folder.wav").mkdir()
    return {path.stem: path for path in folder.iterdir()}
