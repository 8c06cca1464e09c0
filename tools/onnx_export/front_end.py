"""From the samples of a recording to its crops: trim, log-mel and placement, as predict does."""

import numpy as np

RATE, FFT, HOP, BANDS = 44100, 2048, 256, 128
TRIM_FRAME, TRIM_HOP = 2048, 512
COLUMNS = {1: 170, 2: 300, 3: 400}  # of the network's input


def mel_bank():
    """Slaney's filter bank [128, 1025]: triangles of area 1, linear to 1 kHz, then logarithmic."""
    step = np.log(6.4) / 27

    def mel_to_hz(mel):
        return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(step * (mel - 15)))

    top = 15 + np.log(RATE / 2 / 1000) / step
    hz = mel_to_hz(np.linspace(0, top, BANDS + 2))[:, None]
    bins = np.arange(FFT // 2 + 1) * RATE / FFT
    rising = (bins - hz[:-2]) / (hz[1:-1] - hz[:-2])
    falling = (hz[2:] - bins) / (hz[2:] - hz[1:-1])
    return np.maximum(0, np.minimum(rising, falling)) * 2 / (hz[2:] - hz[:-2])


def length(g, x):
    """Elements of a vector, as a scalar."""
    return g.op("Squeeze", g.op("Shape", x))


def as_vector(g, scalar):
    return g.op("Unsqueeze", scalar, g.ints(0))


def reflected(g, x, pad):
    """x continued by `pad` samples at both ends, by reflection again and again."""
    n = length(g, x)
    one, zero = g.integer(1), g.integer(0)
    turns = g.op("Sub", g.op("Mul", g.integer(2), n), g.integer(2))
    period = g.op("Max", turns, one)
    at = g.op("Range", g.op("Sub", zero, g.integer(pad)), g.op("Add", n, g.integer(pad)), one)
    at = g.op("Mod", at, period)
    return g.op("Gather", x, g.op("Where", g.op("Less", at, n), at, g.op("Sub", period, at)))


def to_int16(g, x):
    """Rounded to what a 16-bit file holds, full scale 1.0."""
    scaled = g.op("Round", g.op("Mul", x, g.constant(32768)))
    scaled = g.op("Clip", scaled, g.constant(-32768), g.constant(32767))
    return g.op("Div", scaled, g.constant(32768))


def prepared(g, samples, features):
    """Scaled to the peak where the features say so, without silence at the ends, 16 bit."""
    if features["peak"]:
        peak = g.op("ReduceMax", g.op("Abs", samples), keepdims=0)
        silent = g.op("Equal", peak, g.constant(0))
        samples = g.op("Div", samples, g.op("Where", silent, g.constant(1), peak))
    if features["trim_db"] == 0:
        return to_int16(g, samples)
    squares = g.op("Mul", *[reflected(g, samples, TRIM_FRAME // 2)] * 2)
    squares = g.op("Unsqueeze", squares, g.ints(0, 1))
    level = g.op("AveragePool", squares, kernel_shape=[TRIM_FRAME], strides=[TRIM_HOP])
    level = g.op("Max", g.op("Squeeze", level, g.ints(0, 1)), g.constant(1e-10))
    loudest = g.op("ReduceMax", level, keepdims=0)
    threshold = g.op("Mul", loudest, g.constant(10 ** (-features["trim_db"] / 10)))
    sound = g.op("Cast", g.op("Greater", level, threshold), to=6)  # int32
    first = g.op("ArgMax", sound, axis=0, keepdims=1)
    last = g.op("ArgMax", sound, axis=0, keepdims=1, select_last_index=1)
    begin = g.op("Mul", first, g.integer(TRIM_HOP))
    end = g.op("Mul", g.op("Add", last, g.integer(1)), g.integer(TRIM_HOP))
    return to_int16(g, g.op("Slice", samples, begin, end))  # stops at the last sample


def log_mel(g, samples, features):
    """[128, 1 + samples / 256] in dB, and the floor."""
    signal = g.op("Unsqueeze", reflected(g, samples, FFT // 2), g.ints(0, 2))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT) / FFT)
    spectrum = g.op("STFT", signal, g.integer(HOP), g.constant(window), g.integer(FFT), onesided=1)
    power = g.op("Squeeze", g.op("ReduceSumSquare", spectrum, axes=[3], keepdims=0), g.ints(0))
    mel = g.op("MatMul", g.constant(mel_bank()), g.op("Transpose", power, perm=[1, 0]))
    decade, least = (20, 1e-5) if features["log"] == "amplitude_db" else (10, 1e-10)
    db = g.op("Log", g.op("Max", mel, g.constant(least)))
    db = g.op("Mul", db, g.constant(decade / np.log(10)))
    floor = g.op("Sub", g.op("ReduceMax", db, keepdims=0), g.constant(80))
    return g.op("Max", db, floor), floor


def resized(g, columns, seconds):
    """[128, native] -> [1, 1, 128, width], linear in time with half-pixel centres."""
    image = g.op("Unsqueeze", columns, g.ints(0, 1))
    return g.op("Resize", image, "", "", g.ints(1, 1, BANDS, COLUMNS[seconds]), mode="linear",
                coordinate_transformation_mode="half_pixel")


def crop_starts(g, samples, window, step, align_end):
    """Where the crops start in the clip, in samples (negative where the clip starts in padding)."""
    n, size = length(g, samples), g.integer(window)
    room = g.op("Abs", g.op("Sub", n, size))
    starts = g.op("Range", g.integer(0), g.op("Add", room, g.integer(1)), g.integer(step))
    if align_end:
        end = as_vector(g, g.op("Mul", g.op("Div", room, g.integer(HOP)), g.integer(HOP)))
        missed = g.op("Not", g.op("Equal", end, g.op("Slice", starts, g.ints(-1), g.ints(1 << 62))))
        count = g.op("Add", g.op("Shape", starts), g.op("Cast", missed, to=7))  # int64
        starts = g.op("Slice", g.op("Concat", starts, end, axis=0), g.ints(0), count)
    longer = g.op("GreaterOrEqual", n, size)
    return g.op("Mul", starts, g.op("Where", longer, g.integer(1), g.integer(-1)))


def padded(g, values, before_and_after, axis, value):
    """`values` with so many cells of `value` at both ends of `axis`."""
    pads = [0] * axis + [before_and_after]
    return g.op("Pad", values, g.ints(*pads, *pads), value)


def window_of(g, values, start, size, axis):
    """`size` cells from `start`, a vector of one."""
    return g.op("Slice", values, start, g.op("Add", start, g.ints(size)), g.ints(axis))
