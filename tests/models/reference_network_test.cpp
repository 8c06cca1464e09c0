// The chained reference: its gradients are slopes of its loss, in networks with every piece of the
// paper's (two convolutions in a block, uneven pools, joined head) and few cells.
#include "tests/models/reference_network.h"

#include <numeric>

#include "tests/reference/finite_difference.h"
#include "tests/reference/values.h"

namespace earshot {
namespace {

using reference::Named;
using reference::Network;
using reference::Values;

constexpr int64_t kSmallBatch = 3;
constexpr int kSmallClasses = 4;

const NetworkTable kAudio{
    {1, 1, 61, 1}, {{{{1, 11, 3}, {1, 11, 3}}, 1, 4}, {{{1, 5, 4}}, 1, 4}}, 5};
const NetworkTable kSpec{{1, 13, 11, 1}, {{{{4, 4, 2}, {4, 4, 3}}, 1, 1}, {{{3, 3, 4}}, 2, 4}}, 5};

class Draw {
 public:
  Values operator()(int64_t count) { return widen(random_values(count, name_++)); }
  Named tensors;
  void affine(const std::string& name, int64_t weights, int64_t outputs) {
    tensors[name + ".weight"] = (*this)(weights);
    tensors[name + ".bias"] = (*this)(outputs);
  }
  void norm(const std::string& name, int64_t c) {
    for (const char* part : {".gamma", ".beta", ".moving_mean", ".moving_variance"})
      tensors[name + part] = absolute((*this)(c));
  }
  void trunk(const NetworkTable& table, const std::string& prefix) {
    int64_t c = table.input.c;
    for (size_t b = 0; b < table.blocks.size(); ++b) {
      const std::string block = prefix + "block" + std::to_string(b + 1);
      for (size_t i = 0; i < table.blocks[b].convolutions.size(); ++i) {
        const auto& row = table.blocks[b].convolutions[i];
        affine(block + ".conv" + std::to_string(i + 1),
               row.channels * row.kernel_h * row.kernel_w * c, row.channels);
        c = row.channels;
      }
      norm(block + ".norm", c);
    }
  }

 private:
  uint32_t name_ = 40;
};

struct Chain {
  std::vector<NetworkTable> frozen, trained;
  std::vector<int64_t> hidden;
};

/// Loss of a chain over fixed inputs; `network` keeps the gradients.
double loss_of(const Chain& chain, const std::vector<Values>& inputs, const Values& targets,
               Network& network, Mode mode) {
  Values x;
  std::vector<Values> parts;
  for (const auto* tables : {&chain.frozen, &chain.trained}) {
    for (const NetworkTable& table : *tables)
      parts.push_back(network.trunk(table, kSmallBatch, inputs[parts.size()],
                                    "trunk" + std::to_string(parts.size()) + ".",
                                    tables == &chain.frozen ? Mode::kInference : mode));
    if (tables == &chain.frozen) network.freeze();
  }
  for (int64_t i = 0; i < kSmallBatch; ++i)
    for (const Values& part : parts) {
      const auto each = static_cast<int64_t>(part.size()) / kSmallBatch;
      x.insert(x.end(), part.begin() + i * each, part.begin() + (i + 1) * each);
    }
  for (size_t i = 0; i < chain.hidden.size(); ++i)
    x = network.hidden("hidden" + std::to_string(i),
                       {kSmallBatch, static_cast<int64_t>(x.size()) / kSmallBatch, chain.hidden[i]},
                       x, mode);
  const Values logits = network.output(
      "softmax", {kSmallBatch, static_cast<int64_t>(x.size()) / kSmallBatch, kSmallClasses}, x);
  const auto loss =
      reference::softmax_loss({kSmallBatch, kSmallClasses}, logits, targets, {0.5, 1, 2, 1.5});
  if (mode == Mode::kTrain) network.backward(loss.dlogits);
  return std::accumulate(loss.loss.begin(), loss.loss.end(), 0.0) / kSmallBatch;
}

class ChainedReference : public testing::TestWithParam<Chain> {};

TEST_P(ChainedReference, GradientsAreSlopesOfTheLoss) {
  const Chain& chain = GetParam();
  Draw draw;
  std::vector<Values> inputs;
  int64_t features = 0;
  for (const auto* tables : {&chain.frozen, &chain.trained})
    for (const NetworkTable& table : *tables) {
      draw.trunk(table, "trunk" + std::to_string(inputs.size()) + ".");
      inputs.push_back(draw(kSmallBatch * table.input.count()));
      features += trunk_features(table);
    }
  for (size_t i = 0; i < chain.hidden.size(); ++i) {
    draw.affine("hidden" + std::to_string(i), features * chain.hidden[i], chain.hidden[i]);
    draw.norm("hidden" + std::to_string(i) + ".norm", chain.hidden[i]);
    features = chain.hidden[i];
  }
  draw.affine("softmax", features * kSmallClasses, kSmallClasses);
  const Values targets = absolute(draw(kSmallBatch * kSmallClasses));

  Named& tensors = draw.tensors;
  Network trained(tensors, Config{});
  const double at = loss_of(chain, inputs, targets, trained, Mode::kTrain);
  const auto loss = [&] {
    Network network(tensors, Config{});
    return loss_of(chain, inputs, targets, network, Mode::kFrozenBatch);
  };
  EXPECT_EQ(loss(), at);
  ASSERT_EQ(trained.gradients.size(), 4 * chain.hidden.size() + 2 + 10 * chain.trained.size());
  for (const auto& [name, gradient] : trained.gradients)
    expect_derivative(loss, tensors.at(name), gradient, at, "d" + name, {}, /*h=*/1e-6,
                      /*slack=*/1e-5);
}

INSTANTIATE_TEST_SUITE_P(Chains, ChainedReference,
                         testing::Values(Chain{{}, {kAudio}, {5}}, Chain{{}, {kSpec}, {5}},
                                         Chain{{kAudio, kSpec}, {}, {6, 5}}));

}  // namespace
}  // namespace earshot
