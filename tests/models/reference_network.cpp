#include "tests/models/reference_network.h"

#include <algorithm>
#include <cstring>

#include "kernels/activation.h"
#include "tests/reference/compare.h"
#include "tests/reference/values.h"

namespace earshot::reference {

Named tensors_of(const Tagger& tagger) {
  const Tagger::Snapshots snapshots = tagger.snapshot();
  Named named;
  for (const SafetensorsEntry& entry : tagger.tensors(snapshots)) {
    std::vector<float> values(entry.bytes.size() / sizeof(float));
    std::memcpy(values.data(), entry.bytes.data(), entry.bytes.size());
    named[entry.name] = Values(values.begin(), values.end());
  }
  return named;
}

Values Network::batch_norm(const std::string& name, int64_t c, const Values& x, Mode mode) {
  const BatchNormShape s{static_cast<int64_t>(x.size()) / c, c};
  const NormParameters p{tensors.at(name + ".gamma"),       tensors.at(name + ".beta"),
                         tensors.at(name + ".moving_mean"), tensors.at(name + ".moving_variance"),
                         config_.batch_norm.momentum,       config_.batch_norm.epsilon};
  if (mode == Mode::kInference) return result(batch_norm_inference(s, x, p), 1);
  const Normalised out = batch_norm_train(s, x, p);
  if (mode == Mode::kTrain) {
    tensors[name + ".moving_mean"] = out.moving_mean;
    tensors[name + ".moving_variance"] = out.moving_variance;
  }
  steps_.push_back([=, this](const Values& dy) {
    const NormGradients g = batch_norm_backward(s, x, dy, p.gamma, out.mean, out.inverse_deviation);
    Values scaled(x.size());  // |x - mean| / deviation
    for (size_t i = 0; i < x.size(); ++i)
      scaled[i] = std::abs(x[i] - out.mean[i % c]) * out.inverse_deviation[i % c];
    const Values none(static_cast<size_t>(c), 0.0), one(static_cast<size_t>(c), 1.0);
    const NormGradients m = batch_norm_backward(s, scaled, absolute(dy), one, none, one);
    keep_gradient(name + ".gamma", g.dgamma, earshot::rounding(growth(s.rows), m.dgamma));
    keep_gradient(name + ".beta", g.dbeta, earshot::rounding(growth(s.rows), m.dbeta));
    return result(g.dx, s.rows);
  });
  return result(out.y, s.rows);
}

Pooled Network::decided(const std::string& convolution, Pooled own) const {
  const auto found = decisions_.find(convolution);
  if (found == decisions_.end()) return own;
  const Decision& engine = found->second;
  EXPECT_EQ(engine.y.size(), own.y.size()) << convolution;
  const double scale = *std::max_element(own.y.begin(), own.y.end());
  for (size_t i = 0; i < own.y.size(); ++i) {
    const bool passes = engine.y[i] > 0;
    const bool moved = passes && !engine.argmax.empty() && engine.argmax[i] != own.argmax[i];
    if (arithmetic_ == Arithmetic::kExact && (passes != (own.y[i] > 0) || moved)) {
      EXPECT_LE(own.margin[i], kUnit * growth_ * scale) << convolution << " [" << i << "]";
    }
    own.y[i] = static_cast<double>(engine.y[i]);
    if (moved) own.argmax[i] = engine.argmax[i];
  }
  return own;
}

void Network::keep_gradient(const std::string& name, Values gradient,
                            std::vector<double> tolerance) {
  gradients[name] = std::move(gradient);
  rounding[name] = std::move(tolerance);
}

Values Network::disturbed(Values exact, double growth) {
  if (arithmetic_ == Arithmetic::kDisturbed)
    for (double& x : exact) x *= 1 + kUnit * growth * (2 * random_.uniform() - 1);
  return exact;
}

Values Network::trunk(const NetworkTable& table, int64_t n, Values x, const std::string& prefix,
                      Mode mode) {
  Shape in = table.input;
  for (size_t b = 0; b < table.blocks.size(); ++b) {
    const BlockRow& block = table.blocks[b];
    const std::string name = prefix + "block" + std::to_string(b + 1);
    for (size_t i = 0; i < block.convolutions.size(); ++i) {
      const auto& row = block.convolutions[i];
      const bool last = i + 1 == block.convolutions.size();
      const ConvolutionShape s{n,
                               in.h,
                               in.w,
                               in.c,
                               row.channels,
                               row.kernel_h,
                               row.kernel_w,
                               last ? block.pool_h : 1,
                               last ? block.pool_w : 1};
      const std::string conv = name + ".conv" + std::to_string(i + 1);
      const Values weight = tensors.at(conv + ".weight");
      const int64_t taps = s.kernel_h * s.kernel_w;
      const Pooled out = convolution(s, x, weight, tensors.at(conv + ".bias"));
      growth_ += product_growth(taps * s.c_in);
      const Pooled used = decided(conv, out);
      steps_.push_back([=, this](const Values& dy) {
        const ConvolutionGradients g = convolution_backward(s, x, weight, used, dy);
        const ConvolutionGradients m =
            convolution_backward(s, absolute(x), absolute(weight), used, absolute(dy));
        const int64_t rows = s.y().rows();
        keep_gradient(conv + ".weight", g.dweight,
                      product_rounding(config_.precision, rows, m.dweight));
        keep_gradient(conv + ".bias", g.dbias, earshot::rounding(growth(rows), m.dbias));
        return product(g.dx, taps * s.c_out);
      });
      x = product(out.y, taps * s.c_in);
      in = s.y();
    }
    x = batch_norm(name + ".norm", in.c, x, mode);
  }
  return x;
}

Values Network::output(const std::string& name, const DenseShape& s, const Values& x) {
  const Values weight = tensors.at(name + ".weight");
  steps_.push_back([=, this](const Values& dy) {
    const DenseGradients g = dense_backward(s, x, weight, dy);
    const DenseGradients m = dense_backward(s, absolute(x), absolute(weight), absolute(dy));
    keep_gradient(name + ".weight", g.dweight, product_rounding(config_.precision, s.n, m.dweight));
    keep_gradient(name + ".bias", g.dbias, earshot::rounding(growth(s.n), m.dbias));
    return product(g.dx, s.out);
  });
  return product(dense(s, x, weight, tensors.at(name + ".bias")), s.in);
}

Values Network::hidden(const std::string& name, const DenseShape& s, const Values& x, Mode mode) {
  const Values y = relu(output(name, s, x));
  steps_.push_back([=](const Values& dy) { return relu_backward(y, dy); });
  const Values normal = batch_norm(name + ".norm", s.out, y, mode);
  // Dense, batch norm and dropout are three layers each; the mask is named by the third.
  const uint32_t layer = 3 * hidden_layers_++ + 2;
  return config_.dropout > 0 && mode == Mode::kTrain ? dropout(normal, layer) : normal;
}

Values Network::dropout(const Values& x, uint32_t layer) {
  const DropoutMask mask{static_cast<float>(config_.dropout), kDropoutSeed, &kDropoutStep, layer};
  const auto apply = [mask, keep = 1 - config_.dropout](const Values& values) {
    Values y(values.size());
    for (size_t i = 0; i < y.size(); ++i)
      y[i] = mask.keeps(static_cast<int64_t>(i)) ? values[i] / keep : 0.0;
    return y;
  };
  steps_.push_back(apply);
  return apply(x);
}

Values Network::backward(Values dy) {
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) dy = (*step)(dy);
  return dy;
}

PassResult run_pass(const Tagger& tagger, const Named& tensors, const PassInputs& in, Mode mode,
                    const Decisions& decisions, Network::Arithmetic arithmetic) {
  Network network(tensors, tagger.config(), decisions, arithmetic);
  const int64_t n = in.n;
  const bool joined = tagger.kind() == ModelKind::kComb;
  const bool batch_trunks =
      tagger.config().head.trunk_batch_norm == HeadSettings::TrunkBatchNorm::kBatch;
  Mode trunk_mode = mode;
  if (joined)
    trunk_mode = mode == Mode::kTrain && batch_trunks ? Mode::kFrozenBatch : Mode::kInference;
  std::vector<Values> parts;
  if (tagger.has_audio())
    parts.push_back(network.trunk(tagger.table(ModelKind::kAudio), n, in.wave,
                                  joined ? "audio." : "", trunk_mode));
  if (tagger.has_spec())
    parts.push_back(network.trunk(tagger.table(ModelKind::kSpec), n, in.mel, joined ? "spec." : "",
                                  trunk_mode));
  Values x;  // [n, features of all parts]
  for (int64_t i = 0; i < n; ++i)
    for (const Values& part : parts) {
      const auto features = static_cast<int64_t>(part.size()) / n;
      x.insert(x.end(), part.begin() + i * features, part.begin() + (i + 1) * features);
    }
  if (joined) network.freeze();
  const std::string prefix = joined ? "head." : "";
  const std::vector<int> widths =
      joined ? tagger.config().head.layers
             : std::vector<int>{static_cast<int>(tagger.table(tagger.kind()).dense)};
  for (size_t i = 0; i < widths.size(); ++i) {
    const std::string name = prefix + (joined ? "dense" + std::to_string(i + 1) : "dense");
    x = network.hidden(name, {n, static_cast<int64_t>(x.size()) / n, widths[i]}, x, mode);
  }
  PassResult result;
  result.logits = network.output(prefix + "softmax",
                                 {n, static_cast<int64_t>(x.size()) / n, tagger.classes()}, x);
  result.loss = softmax_loss({n, tagger.classes()}, result.logits, in.targets, in.class_weights);
  if (mode == Mode::kTrain) network.backward(result.loss.dlogits);
  result.gradients = std::move(network.gradients);
  result.rounding = std::move(network.rounding);
  result.statistics = std::move(network.tensors);
  return result;
}

}  // namespace earshot::reference
