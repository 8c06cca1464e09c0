"""A training step in JAX under jit, as a worker of benchmarks/run; checks itself against ours."""
import argparse
import os

import numpy

import worker


def network(jax, jnp, step, layout):
    """(parameters, statistics, loss function) of the network in `step`; `layout` of activations."""
    channels = 3 if layout == "NHWC" else 1

    def place(values):  # ours [n, h, w, c]
        return values if layout == "NHWC" else jnp.moveaxis(values, 3, 1)

    def convolution(x, weight, bias):  # weight as ours, [c_out, h, w, c_in]
        pads = [((k - 1) // 2, k // 2) for k in weight.shape[1:3]]
        y = jax.lax.conv_general_dilated(x, weight, (1, 1), pads,
                                         dimension_numbers=(layout, "OHWI", layout))
        return jax.nn.relu(y + (bias if channels == 3 else bias[:, None, None]))

    def pool(x, size):
        window = (1, *size, 1) if channels == 3 else (1, 1, *size)
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")

    def batch_norm(x, p, s, name, new):
        axis = x.ndim - 1 if x.ndim == 2 or channels == 3 else 1
        others = tuple(i for i in range(x.ndim) if i != axis)
        shape = [-1 if i == axis else 1 for i in range(x.ndim)]
        if new is None:
            mean, variance = s[name + ".moving_mean"], s[name + ".moving_variance"]
        else:
            mean, variance = x.mean(others), x.var(others)
            count = x.size // x.shape[axis]
            for key, value in (("mean", mean), ("variance", variance * count / (count - 1))):
                key = f"{name}.moving_{key}"
                new[key] = step.momentum * s[key] + (1 - step.momentum) * value
        scale = p[name + ".gamma"] * jax.lax.rsqrt(variance + step.epsilon)
        return (x - mean.reshape(shape)) * scale.reshape(shape) + p[name + ".beta"].reshape(shape)

    def trunk(x, table, p, s, prefix, new):
        x = place(x)
        for b, block in enumerate(table["blocks"], 1):
            for i in range(1, len(block["convolutions"]) + 1):
                name = f"{prefix}block{b}.conv{i}"
                x = convolution(x, p[name + ".weight"], p[name + ".bias"])
            if block["pool"] != [1, 1]:
                x = pool(x, block["pool"])
            x = batch_norm(x, p, s, f"{prefix}block{b}.norm", new)
        return (x if channels == 3 else jnp.moveaxis(x, 1, 3)).reshape(x.shape[0], -1)

    def top(x, layers, p, s, new):
        for name in layers[:-1]:
            x = jax.nn.relu(x @ p[name + ".weight"] + p[name + ".bias"])
            x = batch_norm(x, p, s, name + ".norm", new)
        return x @ p[layers[-1] + ".weight"] + p[layers[-1] + ".bias"]

    def logits_of(trained, frozen, s, inputs, new):
        if not step.joined():
            (table,) = step.tables.values()
            x = trunk(inputs[0], table, trained, s, "", new)
            return top(x, ["dense", "softmax"], trained, s, new)
        x = jnp.concatenate([trunk(v, step.tables[k], frozen, s, k + ".", None)
                             for k, v in zip(("audio", "spec"), inputs)], 1)
        layers = [f"head.dense{i + 1}" for i in range(len(step.head))] + ["head.softmax"]
        return top(jax.lax.stop_gradient(x), layers, trained, s, new)

    part = step.part("input")
    targets = jnp.asarray(part["targets"].reshape(step.batch, -1))
    scale = targets @ jnp.asarray(part["class_weights"].ravel())

    def loss(trained, frozen, s, inputs):
        new = {}
        logits = logits_of(trained, frozen, s, inputs, new)
        losses = -scale * (targets * jax.nn.log_softmax(logits)).sum(1)
        return losses.mean(), (losses, logits, {**s, **new})

    return loss


class Step:
    def __init__(self, jax, step, layout):
        jnp = jax.numpy
        weights = {n: jnp.asarray(v) for n, v in step.part("weight").items()}
        self.statistics = {n: weights.pop(n) for n in list(weights) if ".moving_" in n}
        frozen = {n: weights.pop(n) for n in list(weights)
                  if step.joined() and not n.startswith("head.")}
        self.trained = weights
        zeros = {n: jnp.zeros_like(v) for n, v in weights.items()}
        self.moments = (zeros, {n: jnp.zeros_like(v) for n, v in weights.items()})
        self.count = 0
        inputs = [jnp.asarray(x) for x in step.inputs()]
        value_and_gradient = jax.value_and_grad(network(jax, jnp, step, layout), has_aux=True)

        def adam(t, p, g, m, v):
            m = 0.9 * m + 0.1 * g
            v = 0.999 * v + 0.001 * g * g
            rate = step.learning_rate * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            return p - rate * m / (jnp.sqrt(v) + 1e-7), m, v

        def whole(t, trained, statistics, moments, inputs, frozen):
            (_, (losses, _, statistics)), g = value_and_gradient(trained, frozen, statistics, inputs)
            new = {n: adam(t, p, g[n], moments[0][n], moments[1][n]) for n, p in trained.items()}
            pick = lambda i: {n: x[i] for n, x in new.items()}
            return pick(0), statistics, (pick(1), pick(2)), losses.sum()

        self.inputs, self.frozen = inputs, frozen
        self.gradient = jax.jit(value_and_gradient)
        self.step = jax.jit(whole, donate_argnums=(1, 2, 3))

    def outputs(self):
        (_, (losses, logits, _)), g = self.gradient(self.trained, self.frozen, self.statistics,
                                                    self.inputs)
        out = {"gradient." + n: numpy.asarray(v) for n, v in g.items()}
        return {"output.logits": numpy.asarray(logits), "output.loss": numpy.asarray(losses), **out}

    def run(self):
        self.count += 1
        self.trained, self.statistics, self.moments, loss = self.step(
            float(self.count), self.trained, self.statistics, self.moments, self.inputs, self.frozen)
        if not float(loss) == float(loss):
            raise RuntimeError("the loss is not finite")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", required=True)
    parser.add_argument("--variant", required=True, choices=("jit NHWC", "jit NCHW"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "tf32"))
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:options.threads])
    os.environ["JAX_PLATFORMS"] = "cpu" if options.device == "cpu" else "cuda"
    import jax
    jax.config.update("jax_default_matmul_precision",
                      "tensorfloat32" if options.precision == "tf32" else "highest")
    idle = worker.peak_bytes()
    file = worker.StepFile(options.case)
    step = Step(jax, file, options.variant.split()[1])
    differences = file.differences(step.outputs())
    worker.serve({"engine": f"JAX {jax.__version__}", "variant": options.variant,
                  "idle_bytes": idle, "differences": differences}, step.run)


if __name__ == "__main__":
    main()
