"""Building ONNX graphs line by line: each operation returns the name of its output."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

OPSET = 17  # the first with STFT


class Graph:
    """Nodes and constants; `prefix` keeps the names of a loop's body apart from its outside."""

    def __init__(self, prefix=""):
        self.prefix, self.nodes, self.initializers, self.count = prefix, [], [], 0

    def name(self, of):
        self.count += 1
        return f"{self.prefix}{of}{self.count}"

    def op(self, kind, *inputs, outputs=1, **attributes):
        names = [self.name(kind.lower()) for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, values, dtype=np.float32):
        name = self.name("constant")
        array = np.ascontiguousarray(values, dtype) if np.ndim(values) else np.array(values, dtype)
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def ints(self, *values):
        return self.constant(list(values), np.int64)

    def integer(self, value):
        return self.constant(value, np.int64)

    def finish(self, name, inputs, outputs):
        return helper.make_graph(self.nodes, name, inputs, outputs, self.initializers)


def floats(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
