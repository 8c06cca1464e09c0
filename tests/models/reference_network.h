// Whole networks of the paper in double: the layers of tests/reference in a row, each pushing its
// backward step. Tensors go by the names of a checkpoint. How far float32 may be away is found by
// Monte Carlo arithmetic (Parker 1997): the same pass with every layer's result disturbed at random
// by as much as float32 may (tests/reference/compare.h).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "kernels/philox.h"
#include "models/networks.h"
#include "models/tagger.h"
#include "tests/reference/compare.h"
#include "tests/reference/reference.h"

namespace earshot::reference {

using Named = std::map<std::string, Values>;

/// All tensors of a tagger, parameters and statistics.
Named tensors_of(const Tagger& tagger);

/// Which ReLUs passed and which cells won in a pass of the engine, by convolution. Close to a tie
/// float32 may decide otherwise than double; gradients are compared on the engine's side of it.
struct Decision {
  std::vector<float> y;
  Cells argmax;  // empty where there is no pool
};
using Decisions = std::map<std::string, Decision>;

class Network {
 public:
  enum class Arithmetic { kExact, kDisturbed };
  /// Without `decisions` the network decides for itself.
  Network(const Named& named, const Config& config, const Decisions& decisions = {},
          Arithmetic arithmetic = Arithmetic::kExact)
      : tensors(named), config_(config), decisions_(decisions), arithmetic_(arithmetic) {}
  Network(const Network&) = delete;  // its steps point at it
  Network& operator=(const Network&) = delete;

  /// Blocks of a table, each followed by batch norm; x [n, input] -> features.
  Values trunk(const NetworkTable& table, int64_t n, Values x, const std::string& prefix,
               Mode mode);
  /// Dense -> ReLU -> batch norm -> dropout where the config asks for it.
  Values hidden(const std::string& name, const DenseShape& s, const Values& x, Mode mode);
  Values output(const std::string& name, const DenseShape& s, const Values& x);
  /// Runs the backward steps, last first; fills `gradients`.
  Values backward(Values dy);
  /// Nothing up to here is trained.
  void freeze() { steps_.clear(); }

  Named tensors;  // batch norm in training updates its statistics
  Named gradients;
  Named rounding;  // of the last sum in each gradient: growth x sum of absolute values

 private:
  Values dropout(const Values& x, uint32_t layer);
  Values batch_norm(const std::string& name, int64_t c, const Values& x, Mode mode);
  void keep_gradient(const std::string& name, Values gradient, std::vector<double> tolerance);
  /// Takes over the engine's decisions; each that differs must have been within rounding of a tie.
  Pooled decided(const std::string& convolution, Pooled own) const;
  /// The result of sums of `terms`, or of `terms` products of matrix units, as the arithmetic gives
  /// it.
  Values result(Values exact, int64_t terms) { return disturbed(std::move(exact), growth(terms)); }
  Values product(Values exact, int64_t terms) {
    return disturbed(std::move(exact), product_growth(terms));
  }
  /// Of the relative error of a sum of products, in rounding units of float32: as many lambdas of
  /// the cut of its factors as growth() has of the rounding of its sum.
  double product_growth(int64_t terms) const {
    return growth(terms) + 6 * factor_unit(config_.precision) / kUnit;
  }
  Values disturbed(Values exact, double growth);
  Config config_;
  Decisions decisions_;
  Arithmetic arithmetic_;
  Random random_{20180731, Purpose::kShuffle, 0, 0};
  double growth_ = 0;  // of the relative error on the way forward
  uint32_t hidden_layers_ = 0;
  std::vector<std::function<Values(const Values&)>> steps_;
};

/// What a pass of the engine over `n` examples computes. Inputs that the tagger lacks are ignored.
constexpr uint64_t kDropoutSeed = 1;
constexpr uint32_t kDropoutStep = 9;
struct PassInputs {
  int64_t n;
  Values wave, mel, targets, class_weights;
};
struct PassResult {
  Values logits;
  Loss loss;
  Named gradients, rounding;  // when training: of every trained tensor
  Named statistics;           // all tensors after the pass: training moves batch norm's averages
};
PassResult run_pass(const Tagger& tagger, const Named& tensors, const PassInputs& inputs, Mode mode,
                    const Decisions& decisions,
                    Network::Arithmetic arithmetic = Network::Arithmetic::kExact);

}  // namespace earshot::reference
