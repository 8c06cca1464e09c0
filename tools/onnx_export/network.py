"""The paper's networks as ONNX layers, from a checkpoint's tensors. Channels first, as ONNX wants
them; before the dense layers the features go back to the order they were trained in."""

HOPPED_POOLS = {"audio": {1: 8, 2: 16, 3: 16}, "spec": {1: 1, 2: 2, 3: 2}}


def pools(trunk, seconds):
    """Of each block, as Tables 1 and 2 have them."""
    first = HOPPED_POOLS[trunk][seconds]
    if trunk == "audio":
        return [[first], [16], [16], [16]]
    return [[first, first], [2, 2], [2, 4], [2, 2], [2, 2], [2, 2]]


class Network:
    def __init__(self, graph, checkpoint):
        self.g, self.tensors = graph, checkpoint.tensors
        self.seconds = checkpoint.setting("seconds")
        self.epsilon = checkpoint.setting("batch_norm.epsilon")
        self.model = checkpoint.model

    def constant(self, name):
        return self.g.constant(self.tensors[name].reshape(-1))

    def norm(self, name, x):
        parts = [self.constant(f"{name}.norm.{part}")
                 for part in ("gamma", "beta", "moving_mean", "moving_variance")]
        return self.g.op("BatchNormalization", x, *parts, epsilon=self.epsilon)

    def trunk(self, trunk, prefix, x):
        """[1, 1, ...] -> features [1, count]."""
        one_d = trunk == "audio"
        for i, pool in enumerate(pools(trunk, self.seconds)):
            block = f"{prefix}block{i + 1}"
            for conv in (name for name in (f"{block}.conv1", f"{block}.conv2")
                         if f"{name}.weight" in self.tensors):
                weight = self.tensors[f"{conv}.weight"].transpose(0, 3, 1, 2)
                weight = weight[:, :, 0] if one_d else weight
                kernel = weight.shape[2:]
                pads = [(k - 1) // 2 for k in kernel] + [k // 2 for k in kernel]
                x = self.g.op("Conv", x, self.g.constant(weight), self.constant(f"{conv}.bias"),
                              pads=pads)
                x = self.g.op("Relu", x)
            if max(pool) > 1:
                x = self.g.op("MaxPool", x, kernel_shape=pool, strides=pool)
            x = self.norm(block, x)
        x = self.g.op("Transpose", x, perm=[0, 2, 1] if one_d else [0, 2, 3, 1])
        return self.g.op("Flatten", x)

    def dense(self, name, x):
        weight = self.tensors[f"{name}.weight"]
        weight = weight.reshape(weight.shape[0], weight.shape[-1])
        return self.g.op("Gemm", x, self.g.constant(weight), self.constant(f"{name}.bias"))

    def hidden(self, name, x):
        return self.norm(name, self.g.op("Relu", self.dense(name, x)))

    def logits(self, wave, mel):
        if self.model != "cnn-comb":
            trunk = self.model[len("cnn-"):]
            x = self.trunk(trunk, "", wave if trunk == "audio" else mel)
            return self.dense("softmax", self.hidden("dense", x))
        x = self.g.op("Concat", self.trunk("audio", "audio.", wave),
                      self.trunk("spec", "spec.", mel), axis=1)
        layer = 1
        while f"head.dense{layer}.weight" in self.tensors:
            x = self.hidden(f"head.dense{layer}", x)
            layer += 1
        return self.dense("head.softmax", x)
