"""An epoch in PyTorch: clips -> augmentation -> training step, as a worker of benchmarks/run."""
import argparse
import pathlib

import numpy
import soundfile
import torch
import torch.nn.functional as F

import mel
import torch_step
import worker

HOP, NATIVE = 256, {1: 173, 2: 345, 3: 517}


def load(folder, count, spec):
    """The first clips of the folder as int16 samples, or as log-mel [128, frames]."""
    clips = []
    for path in sorted(pathlib.Path(folder).rglob("*.wav"))[:count]:
        samples, _ = soundfile.read(path, dtype="int16")
        wave = samples.astype(numpy.float32) / 32768
        clips.append(torch.from_numpy(mel.librosa_clip(wave) if spec else samples))
    return clips


class Examples(torch.utils.data.Dataset):
    """The paper's augmentation: roll, crop or replicate, blend with a partner (2.4)."""

    def __init__(self, clips, window, width, classes):
        self.clips, self.window, self.width, self.classes = clips, window, width, classes

    def __len__(self):
        return len(self.clips)

    def placed(self, index):
        clip = self.clips[index]
        length = clip.shape[-1]
        if length >= self.window:  # rolled and cropped at once
            start = int(torch.randint(length, ()))
            doubled = torch.cat([clip[..., start:], clip[..., :start]], -1)
            at = int(torch.randint(length - self.window + 1, ()))
            out = doubled[..., at:at + self.window]
        else:
            rolled = torch.roll(clip, int(torch.randint(length, ())), -1)
            copies = 1 + int(torch.randint(self.window // length, ()))
            spare = self.window - copies * length
            cuts = torch.randint(spare + 1, (copies,)).sort().values.tolist()
            out = clip.new_zeros((*clip.shape[:-1], self.window))
            for j, cut in enumerate(cuts):
                out[..., cut + j * length:cut + (j + 1) * length] = rolled
        return out.float() / 32768 if clip.dtype == torch.int16 else out

    def __getitem__(self, index):
        partner = int(torch.randint(len(self.clips), ()))
        weight = float(torch.rand(()))
        x = torch.lerp(self.placed(partner), self.placed(index), weight)
        target = x.new_zeros(self.classes)
        target[index % self.classes] += weight
        target[partner % self.classes] += 1 - weight
        if x.dim() == 1:
            return x[None, None], target
        return F.interpolate(x[None], self.width, mode="linear", align_corners=False), target


class Epoch:
    def __init__(self, options, file):
        spec = file.model == "cnn-spec"
        clips = load(options.clips, options.examples, spec)
        device = options.device
        in_memory = options.loading == "in memory"
        if in_memory:
            clips = [clip.to(device) for clip in clips]
        window = NATIVE[options.seconds] if spec else 44100 * options.seconds
        width = file.tables["spec"]["input"][1] if spec else None
        self.data = Examples(clips, window, width, file.classes)
        settings = torch_step.variants(file.model, device)[options.variant]
        self.step = torch_step.Step(file, settings, options.precision, device)
        self.batch = file.batch
        self.loader = None
        if not in_memory:
            workers = int(options.loading)
            self.loader = torch.utils.data.DataLoader(
                self.data, self.batch, shuffle=True, num_workers=workers,
                persistent_workers=workers > 0, pin_memory=device != "cpu",
                multiprocessing_context="fork" if workers else None)

    def batches(self):
        if self.loader is not None:
            yield from self.loader
            return
        order = torch.randperm(len(self.data)).tolist()
        for first in range(0, len(order), self.batch):
            examples = [self.data[i] for i in order[first:first + self.batch]]
            yield [torch.stack(part) for part in zip(*examples)]

    def run(self):
        for x, targets in self.batches():
            self.step.feed([x], targets)
            self.step.run()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", required=True, help="weights, from bench_worker step --save")
    parser.add_argument("--clips", required=True, help="folder of wav files")
    parser.add_argument("--examples", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--loading", required=True,
                        help="worker processes of the DataLoader, or 'in memory'")
    parser.add_argument("--variant", required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    file = worker.StepFile(options.case)
    epoch = Epoch(options, file)
    worker.serve({"engine": f"PyTorch {torch.__version__}", "examples": len(epoch.data),
                  "differences": file.differences(epoch.step.outputs())}, epoch.run)


if __name__ == "__main__":
    main()
