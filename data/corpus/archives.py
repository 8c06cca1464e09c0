"""Reads one sound out of a folder, a zip (pk3), a Doom WAD, an OpenTTD CAT file, a GF1 patch."""

import struct
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from errors import CorpusError

# A GF1 patch (freepats): file, instrument and layer headers, then waveforms with theirs.
PATCH_MAGIC = b"GF1PATCH110\0"
PATCH_HEADERS = 129 + 63 + 47
WAVEFORM_HEADER = 96
IS_16_BIT, IS_UNSIGNED = 1, 2

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
            data = (root / name).read_bytes()
        elif root.suffix == ".pk3":
            with zipfile.ZipFile(root) as z:
                data = z.read(name)
        else:
            data = root.read_bytes()
    except (FileNotFoundError, KeyError) as e:
        raise CorpusError(f"{root}: holds no {name}; another version of the package?") from e
    except zipfile.BadZipFile as e:
        raise CorpusError(f"{root}: damaged zip archive ({e})") from e
    try:
        if name.endswith(".pat"):
            return patch_samples(data)
        if root.suffix == ".wad":
            return dmx_samples(wad_lump(data, name))
        if root.suffix == ".cat":
            return cat_entry(data, int(name))
    except (struct.error, IndexError, ValueError) as e:
        raise CorpusError(f"{root}: {name}: {e}") from e
    return data


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


def patch_samples(data):
    """The first waveform of a GF1 patch at its recorded pitch."""
    if data[:12] != PATCH_MAGIC:
        raise ValueError("not a GF1 patch")
    size, rate = struct.unpack_from("<I8xH", data, PATCH_HEADERS + 8)
    modes = data[PATCH_HEADERS + 55]
    body = data[PATCH_HEADERS + WAVEFORM_HEADER:][:size]
    if len(body) < size or rate == 0:
        raise ValueError("GF1 patch is cut short")
    kind, full = ("i2", 32768.0) if modes & IS_16_BIT else ("i1", 128.0)
    x = np.frombuffer(body, dtype="<" + kind, count=size // np.dtype(kind).itemsize)
    if modes & IS_UNSIGNED:
        x = x ^ np.array(-int(full), dtype=x.dtype)
    return Samples(x.astype(np.float64) / full, rate)
