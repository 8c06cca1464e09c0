"""The whole of predict as one ONNX model: samples of any length -> probabilities of the classes."""

import json

import onnx
from onnx import TensorProto, helper

from . import front_end
from .graph import OPSET, Graph, floats
from .network import Network


def crop_inputs(g, first, start, samples, columns):
    """The network's inputs for the crop at `start`: wave [1, 1, t], log-mel [1, 1, 128, w]."""
    seconds = first.setting("seconds")
    window = front_end.RATE * seconds
    at = g.op("Add", start, g.ints(window))
    crop = front_end.window_of(g, samples, at, window, axis=0)
    wave = g.op("Unsqueeze", crop, g.ints(0, 1))
    if first.model == "cnn-audio":
        return wave, None
    if first.setting("input.wave_first"):
        return wave, front_end.resized(g, front_end.log_mel(g, crop, first.features)[0], seconds)
    native = 1 + window // front_end.HOP
    at = g.op("Add", g.op("Div", start, g.ints(front_end.HOP)), g.ints(native))
    return wave, front_end.resized(g, front_end.window_of(g, columns, at, native, axis=1), seconds)


def loop_body(checkpoints, starts, samples, columns, classes):
    """One crop: adds the log-probabilities of every fold to the sum so far."""
    g = Graph("crop_")
    start = front_end.as_vector(g, g.op("Gather", starts, "i"))
    wave, mel = crop_inputs(g, checkpoints[0], start, samples, columns)
    total = "sum_in"
    for checkpoint in checkpoints:
        logits = Network(g, checkpoint).logits(wave, mel)
        total = g.op("Add", total, g.op("LogSoftmax", logits, axis=1))
    g.nodes.append(helper.make_node("Identity", [total], ["sum_out"]))
    g.nodes.append(helper.make_node("Identity", ["go_in"], ["go_out"]))
    go = TensorProto.BOOL
    return g.finish("crop", [helper.make_tensor_value_info("i", TensorProto.INT64, []),
                             helper.make_tensor_value_info("go_in", go, []),
                             floats("sum_in", [1, classes])],
                    [helper.make_tensor_value_info("go_out", go, []),
                     floats("sum_out", [1, classes])])


def build(checkpoints):
    """`checkpoints`: the same model of one or more folds, combined by the geometric mean."""
    first = checkpoints[0]
    g, classes = Graph(), len(first.classes)
    window = front_end.RATE * first.setting("seconds")
    samples = front_end.prepared(g, "samples", first.features)
    columns = ""
    if first.model != "cnn-audio" and not first.setting("input.wave_first"):
        mel, floor = front_end.log_mel(g, samples, first.features)
        beside = (floor if first.setting("input.spectrogram_padding") == "floor"
                  else g.constant(0))
        columns = front_end.padded(g, mel, 1 + window // front_end.HOP, 1, beside)
    starts = front_end.crop_starts(g, samples, window, first.setting("scoring.step"),
                                   first.setting("scoring.align_end"))
    everything = front_end.padded(g, samples, window, 0, g.constant(0))
    body = loop_body(checkpoints, starts, everything, columns, classes)
    count = front_end.length(g, starts)
    total = g.op("Loop", count, "", g.constant([[0.0] * classes]), body=body)
    votes = g.op("Mul", g.op("Cast", count, to=1), g.constant(len(checkpoints)))  # float32
    mean = g.op("Squeeze", g.op("Softmax", g.op("Div", total, votes), axis=1), g.ints(0))
    g.nodes.append(helper.make_node("Identity", [mean], ["probabilities"]))
    graph = g.finish(first.model, [floats("samples", ["length"])],
                     [floats("probabilities", [classes])])
    model = helper.make_model(graph, producer_name="earshot",
                              opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 8  # what readers of this opset know
    helper.set_model_props(model, {"classes": json.dumps(first.classes), "model": first.model,
                                   "sample_rate": str(front_end.RATE)})
    onnx.checker.check_model(model, full_check=True)
    return model
