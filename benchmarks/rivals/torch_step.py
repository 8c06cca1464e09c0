"""A training step in PyTorch, as a worker of benchmarks/run; checks itself against ours."""
import argparse
import contextlib

import torch
import torch.nn.functional as F

import torch_network
import worker


def variants(model, device):
    """name -> settings; what a careful user of PyTorch would try on this device."""
    out = {"eager channels_last": dict(dims=2, layout="channels_last"),
           "compile channels_last": dict(dims=2, layout="channels_last", compile="default"),
           "eager contiguous": dict(dims=2, layout="contiguous")}
    if model != "cnn-spec":
        out["eager conv1d"] = dict(dims=1, layout="contiguous")
        out["compile conv1d"] = dict(dims=1, layout="contiguous", compile="default")
    if device.startswith("cuda"):
        out["graph channels_last"] = dict(dims=2, layout="channels_last", graph=True)
        out["graph contiguous"] = dict(dims=2, layout="contiguous", graph=True)
        for mode in ("reduce-overhead", "max-autotune"):
            out[f"{mode} channels_last"] = dict(dims=2, layout="channels_last", compile=mode)
    return out


def set_precision(precision, device):
    """fp32, tf32 or bf16 as earshot means them; returns the autocast context of the forward pass."""
    tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    if precision == "bf16":
        return lambda: torch.autocast(device, dtype=torch.bfloat16)
    return contextlib.nullcontext


class Step:
    def __init__(self, step, settings, precision, device):
        self.autocast = set_precision(precision, device)
        self.device = device
        dims = settings["dims"]
        self.network = torch_network.build(step, dims).to(device).train()
        self.inputs = [torch_network.as_input(x, dims).to(device) for x in step.inputs()]
        if settings["layout"] == "channels_last":
            self.network = self.network.to(memory_format=torch.channels_last)
            self.inputs = [x.to(memory_format=torch.channels_last) if x.dim() == 4 else x
                           for x in self.inputs]
        part = step.part("input")
        self.weights = torch.from_numpy(part["class_weights"]).to(device).flatten()
        self.targets = torch.from_numpy(part["targets"]).to(device).flatten(1)
        self.scale = self.targets @ self.weights
        trained = [p for p in self.network.parameters() if p.requires_grad]
        graph = settings.get("graph", False)
        self.adam = torch.optim.Adam(trained, lr=step.learning_rate, eps=1e-7, fused=True,
                                     capturable=graph)
        mode = settings.get("compile")
        self.call = torch.compile(self.forward, mode=mode) if mode else self.forward
        self.replay = None
        self.wants_graph = graph

    def feed(self, inputs, targets):
        """Another batch, written over the last one: a recorded graph reads from there."""
        for to, x in zip((*self.inputs, self.targets), (*inputs, targets)):
            to.copy_(x, non_blocking=True)
        torch.mv(self.targets, self.weights, out=self.scale)

    def forward(self, *inputs):
        with self.autocast():
            logits = self.network(*inputs)
        log_p = F.log_softmax(logits.float(), 1)
        losses = -self.scale * (self.targets * log_p).sum(1)
        return losses, logits

    def backward(self):
        self.adam.zero_grad(set_to_none=True)
        losses, logits = self.call(*self.inputs)
        losses.mean().backward()
        return losses, logits

    def outputs(self):
        """Forward and backward once, as named arrays."""
        losses, logits = self.backward()
        out = {"output.logits": torch_network.from_torch(logits.float()).T,
               "output.loss": torch_network.from_torch(losses)}
        for tensor, name in torch_network.named(self.network):
            if tensor.requires_grad:
                out["gradient." + name] = torch_network.from_torch(tensor.grad)
        return out

    def eager(self):
        losses, _ = self.backward()
        self.adam.step()
        return losses

    def capture(self):
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.eager()
        torch.cuda.current_stream().wait_stream(stream)
        self.replay = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.replay):
            self.losses = self.eager()

    def run(self):
        """One step; reads the loss as earshot does, which also waits for the device."""
        if self.wants_graph and self.replay is None:
            self.capture()
        if self.replay:
            self.replay.replay()
            loss = self.losses.sum().item()
        else:
            loss = self.eager().sum().item()
        if not loss == loss:
            raise RuntimeError("the loss is not finite")
        if self.device == "cuda":
            torch.cuda.synchronize()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", required=True)
    parser.add_argument("--variant", required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    idle = worker.peak_bytes()
    file = worker.StepFile(options.case)
    step = Step(file, variants(file.model, options.device)[options.variant], options.precision,
                options.device)
    differences = file.differences(step.outputs())
    worker.serve({"engine": f"PyTorch {torch.__version__}", "variant": options.variant,
                  "idle_bytes": idle, "differences": differences}, step.run)


if __name__ == "__main__":
    main()
