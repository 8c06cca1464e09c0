"""torchaudio beside a torch built for another CUDA: it refuses to be imported then, although its
transforms are written in PyTorch alone."""
import torch

cuda, torch.version.cuda = torch.version.cuda, None
try:
    from torchaudio import __version__, transforms  # noqa: F401
finally:
    torch.version.cuda = cuda
