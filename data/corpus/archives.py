"""Reads one sound out of a folder, a zip (pk3), a Doom WAD or an OpenTTD CAT file."""

import struct
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from errors import CorpusError

DMX_FORMAT = 3
DMX_PAD = 16  # bytes of padding at each end of the samples


class Samples(NamedTuple):
    samples: np.ndarray  # float64 mono in -1..1
    rate: int


def read(root, name):
    """The bytes of a sound file, or Samples where the archive holds bare samples."""
    root = Path(root)
    try:
        if root.is_dir():
            return (root / name).read_bytes()
        if root.suffix == ".pk3":
            with zipfile.ZipFile(root) as z:
                return z.read(name)
        data = root.read_bytes()
    except (FileNotFoundError, KeyError) as e:
        raise CorpusError(f"{root}: holds no {name}; another version of the package?") from e
    except zipfile.BadZipFile as e:
        raise CorpusError(f"{root}: damaged zip archive ({e})") from e
    try:
        if root.suffix == ".wad":
            return dmx_samples(wad_lump(data, name))
        if root.suffix == ".cat":
            return cat_entry(data, int(name))
    except (struct.error, IndexError, ValueError) as e:
        raise CorpusError(f"{root}: {name}: {e}") from e
    raise CorpusError(f"{root}: not a folder, .pk3, .wad or .cat")


def wad_lump(data, name):
    """The bytes of the first lump of this name. Directory: offset, size, eight letters."""
    if data[:4] not in (b"IWAD", b"PWAD"):
        raise ValueError("not a WAD file")
    count, directory = struct.unpack_from("<II", data, 4)
    for i in range(count):
        offset, size, raw = struct.unpack_from("<II8s", data, directory + 16 * i)
        if raw.rstrip(b"\0") == name.encode("ascii"):
            if offset + size > len(data):
                raise ValueError("lump runs past the end of the WAD file")
            return data[offset:offset + size]
    raise ValueError("no such lump")


def dmx_samples(lump):
    """A DMX sound: format, rate, count with padding, then unsigned bytes."""
    kind, rate, count = struct.unpack_from("<HHI", lump)
    if kind != DMX_FORMAT or rate == 0:
        raise ValueError("not a digital DMX sound")
    if count <= 2 * DMX_PAD or 8 + count > len(lump):
        raise ValueError("DMX sound is cut short")
    body = np.frombuffer(lump, dtype=np.uint8, count=count, offset=8)[DMX_PAD:-DMX_PAD]
    return Samples((body.astype(np.float64) - 128.0) / 128.0, rate)


def cat_entry(data, number):
    """Entry `number` of a CAT file: a table of (offset, size), names, RIFF bodies.

    The top bit of the first offset says that names lie before the bodies, in newer files.
    """
    first = struct.unpack_from("<I", data)[0] & 0x7FFFFFFF
    if not 0 <= number < first // 8:
        raise ValueError("no such entry")
    offset, size = struct.unpack_from("<II", data, 8 * number)
    offset &= 0x7FFFFFFF
    start = offset + 1 + data[offset]  # the name: a length byte, then its letters
    body = data[start:start + size]
    if len(body) < size or body[:4] != b"RIFF":
        raise ValueError("CAT entry is cut short or not a RIFF file")
    return body
