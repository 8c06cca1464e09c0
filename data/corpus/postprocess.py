"""From raw samples to a clip: high-pass, trim, peak, 16 bit. Every step gives the same bytes again.

Everything is float64 and either exact arithmetic or numpy's FFT. Tables of sines come from `math`,
because numpy picks its own sine by the CPU.
"""

import math
import wave

import numpy as np

RATE = 44100
SHORTEST = int(0.3 * RATE)
LONGEST = 8 * RATE
HIGH_PASS = 18.0  # Hz: some recordings carry an offset
TRIM_BELOW = 10 ** (-48 / 20)  # of the peak
KEEP_BEFORE = int(0.005 * RATE)
KEEP_AFTER = int(0.030 * RATE)
FADE = int(0.010 * RATE)
PEAK = (0.25, 0.97)

SINC_TAPS = 32
SINC_PHASES = 512


def high_pass(x):
    """Second-order Butterworth at HIGH_PASS, causal, as H(f) on the zero-padded spectrum."""
    n = fft_size(len(x) + RATE // 4)
    s = 1j * np.arange(n // 2 + 1) * (RATE / n / HIGH_PASS)
    response = s * s / (s * s + math.sqrt(2.0) * s + 1.0)
    return np.fft.irfft(np.fft.rfft(x, n) * response, n)[:len(x)]


def fft_size(n):
    """The smallest 2^a * {1, 3, 5} not below n."""
    return min(m << max(0, math.ceil(math.log2(n / m))) for m in (1, 3, 5))


def trim(x):
    """Cuts what is below TRIM_BELOW of the peak at both ends; empty when x is silent."""
    peak = np.abs(x).max(initial=0.0)
    if peak < 1e-6:
        return x[:0]
    loud = np.flatnonzero(np.abs(x) > peak * TRIM_BELOW)
    return x[max(0, loud[0] - KEEP_BEFORE):loud[-1] + 1 + KEEP_AFTER]


def finish(x, stream):
    """float64 mono at 44.1 kHz -> int16 clip of 0.3 to 8 s; None when there is nothing to hear."""
    x = trim(high_pass(np.asarray(x, dtype=np.float64)))[:LONGEST]
    if len(x) == 0:
        return None
    fade = min(FADE, len(x) // 2)
    x = x.copy()
    x[-fade:] *= np.arange(fade, 0, -1) / fade
    x *= stream.uniform(*PEAK) / np.abs(x).max()
    if len(x) < SHORTEST:
        x = np.concatenate([x, np.zeros(SHORTEST - len(x))])
    return np.rint(x * 32767.0).astype("<i2")


def resample(x, ratio):
    """x at `ratio` times as many samples: windowed sinc, band-limited when ratio < 1."""
    if ratio == 1.0:
        return np.asarray(x, dtype=np.float64)
    table = _sinc_table(min(1.0, ratio))
    padded = np.concatenate([np.zeros(SINC_TAPS), x, np.zeros(SINC_TAPS + 1)])
    position = np.arange(int(len(x) * ratio)) / ratio
    whole = position.astype(np.int64)
    phase = (position - whole) * SINC_PHASES
    row = phase.astype(np.int64)
    fraction = phase - row
    out = np.zeros(len(position))
    for tap in range(SINC_TAPS):
        weight = table[row, tap] * (1.0 - fraction) + table[row + 1, tap] * fraction
        out += weight * padded[whole + (SINC_TAPS + tap - SINC_TAPS // 2 + 1)]
    return out


def _sinc_table(cutoff):
    """[SINC_PHASES + 1, SINC_TAPS] weights; a Hann window over the taps."""
    half = SINC_TAPS // 2
    table = np.zeros((SINC_PHASES + 1, SINC_TAPS))
    for p in range(SINC_PHASES + 1):
        for tap in range(SINC_TAPS):
            t = tap - half + 1 - p / SINC_PHASES
            if abs(t) < half:
                sinc = math.sin(math.pi * cutoff * t) / (math.pi * t) if t else cutoff
                table[p, tap] = sinc * (0.5 + 0.5 * math.cos(math.pi * t / half))
    return table


def write_wav(path, samples):
    with wave.open(str(path), "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(RATE)
        f.writeframes(samples.tobytes())
