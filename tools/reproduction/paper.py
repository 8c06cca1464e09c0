"""The numbers of Lederle & Wilhelm (DCASE 2018), Tables 3 and 4."""

MODELS = ("cnn-audio", "cnn-spec", "cnn-comb")
SECONDS = (1, 2, 3)

# (model, seconds): mAP@3 public (301 clips), private (1,299), total.
TABLE_3 = {
    ("cnn-audio", 1): (0.920, 0.888, 0.894),
    ("cnn-audio", 2): (0.921, 0.884, 0.891),
    ("cnn-audio", 3): (0.935, 0.889, 0.898),
    ("cnn-spec", 1): (0.930, 0.923, 0.924),
    ("cnn-spec", 2): (0.950, 0.928, 0.932),
    ("cnn-spec", 3): (0.935, 0.930, 0.931),
    ("cnn-comb", 1): (0.955, 0.939, 0.942),
    ("cnn-comb", 2): (0.966, 0.944, 0.948),
    ("cnn-comb", 3): (0.956, 0.944, 0.946),
}

# mAP@3 of cnn-comb at 2 s on the full test set.
TABLE_4 = {
    "Acoustic_guitar": 0.893, "Applause": 1.000, "Bark": 0.982, "Bass_drum": 1.000,
    "Burping_or_eructation": 1.000, "Bus": 0.953, "Cello": 0.951, "Chime": 0.891,
    "Clarinet": 0.991, "Computer_keyboard": 1.000, "Cough": 1.000, "Cowbell": 1.000,
    "Double_bass": 0.946, "Drawer_open_or_close": 0.925, "Electric_piano": 1.000, "Fart": 0.944,
    "Finger_snapping": 1.000, "Fireworks": 0.786, "Flute": 1.000, "Glockenspiel": 0.856,
    "Gong": 0.968, "Gunshot_or_gunfire": 0.950, "Harmonica": 0.970, "Hi-hat": 0.957,
    "Keys_jangling": 0.929, "Knock": 0.957, "Laughter": 0.974, "Meow": 1.000,
    "Microwave_oven": 0.966, "Oboe": 0.976, "Saxophone": 0.942, "Scissors": 0.927,
    "Shatter": 0.960, "Snare_drum": 0.912, "Squeak": 0.603, "Tambourine": 0.975,
    "Tearing": 0.981, "Telephone": 0.788, "Trumpet": 0.959, "Violin_or_fiddle": 0.986,
    "Writing": 0.948,
}
TABLE_4_SECONDS = 2

# Figure 2 scores one fold; it gives no crop length, nor numbers.
FIGURE_2 = (("cnn-audio", None), ("cnn-spec", None), ("cnn-comb", "spectrogram"),
            ("cnn-comb", "audio"), ("cnn-comb", None))
FIGURE_2_FOLD = 0

# Work of a training step of 32 in GFLOP, for the forecast: forward and backward of the trunks, for
# cnn-comb the forward passes of both.
WORK = {("cnn-audio", 1): 169, ("cnn-audio", 2): 267, ("cnn-audio", 3): 400,
        ("cnn-spec", 1): 660, ("cnn-spec", 2): 657, ("cnn-spec", 3): 877,
        ("cnn-comb", 1): 278, ("cnn-comb", 2): 310, ("cnn-comb", 3): 427}
