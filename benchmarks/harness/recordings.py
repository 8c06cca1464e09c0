"""Made-up recordings: int16 noise with quiet ends, one folder per class."""
import os
import random
import wave

RATE = 44100
CLASSES = ("one", "two", "three", "four")


def make(folder, count, seconds):
    """`count` mono wav files around `seconds` long; the same lengths every time."""
    lengths = random.Random(1)
    for i in range(count):
        path = folder / CLASSES[i % len(CLASSES)] / f"{i:04}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        loud = int(RATE * seconds * lengths.uniform(0.5, 1.5))
        quiet = [bytes(2 * int(RATE * lengths.uniform(0, 0.5))) for _ in range(2)]
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(quiet[0] + os.urandom(2 * loud) + quiet[1])
