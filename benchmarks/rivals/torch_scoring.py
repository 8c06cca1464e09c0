"""Scores clips at many crops in PyTorch, in batches of crops, as a worker of benchmarks/run."""
import argparse

import numpy
import torch
import torch.nn.functional as F

import torch_network
import worker

HOP, STEP = 256, 5120


def positions(length, window):
    """Starts of the crops: every 5,120 samples, and one flush with the end (clips are longer)."""
    starts = list(range(0, length - window + 1, STEP))
    end = (length - window) // HOP * HOP
    return starts if starts[-1] == end else starts + [end]


class Scoring:
    def __init__(self, file, seconds, dims, layout, compiled, device):
        self.file, self.device, self.dims = file, device, dims
        self.layout = getattr(torch, layout)
        self.network = torch_network.build(file, dims).to(device).eval()
        if dims == 2:
            self.network = self.network.to(memory_format=self.layout)
        self.call = torch.compile(self.network) if compiled else self.network
        self.window = 44100 * seconds
        self.columns = 1 + self.window // HOP
        waves, mels = file.part("wave"), file.part("mel")
        self.waves = [torch.from_numpy(waves[k]).to(device) for k in sorted(waves, key=int)]
        self.mels = [torch.from_numpy(mels[k]).to(device) for k in sorted(mels, key=int)]
        self.crops = [(i, at) for i, wave in enumerate(self.waves)
                      for at in positions(len(wave), self.window)]

    def inputs(self, crops):
        out = []
        if self.file.model != "cnn-spec":
            x = torch.stack([self.waves[i][at:at + self.window] for i, at in crops])
            out.append(x[:, None] if self.dims == 1 else x[:, None, None])
        if self.file.model != "cnn-audio":
            x = torch.stack([self.mels[i][at // HOP:at // HOP + self.columns] for i, at in crops])
            width = self.file.tables["spec"]["input"][1]
            out.append(F.interpolate(x.mT, width, mode="linear", align_corners=False)[:, None])
        return [x.contiguous(memory_format=self.layout) if x.dim() == 4 else x for x in out]

    def run(self):
        """Log-probabilities of the clips: the geometric mean over their crops, renormalised."""
        sums = torch.zeros(len(self.waves), self.file.classes, device=self.device)
        owners = torch.tensor([i for i, _ in self.crops], device=self.device)
        with torch.inference_mode():
            for first in range(0, len(self.crops), self.file.batch):
                crops = self.crops[first:first + self.file.batch]
                rows = F.log_softmax(self.call(*self.inputs(crops)), 1)
                sums.index_add_(0, owners[first:first + len(crops)], rows)
        counts = torch.bincount(owners)[:, None]
        return F.log_softmax(sums / counts, 1).cpu().numpy()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--variant", required=True,
                        choices=("eager channels_last", "compile channels_last",
                                 "eager contiguous"))
    parser.add_argument("--batch", type=int, help="crops a forward pass; default: as earshot")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = False
    file = worker.StepFile(options.case)
    file.batch = options.batch or file.batch
    layout = {"channels_last": "channels_last", "contiguous": "contiguous_format"}
    scoring = Scoring(file, options.seconds, 2, layout[options.variant.split()[1]],
                      options.variant.startswith("compile"), options.device)
    expected = file.tensors["output.log_probabilities"]
    difference = float(numpy.abs(scoring.run() - expected).max())
    worker.serve({"engine": f"PyTorch {torch.__version__}", "largest_difference": difference},
                 scoring.run)


if __name__ == "__main__":
    main()
