#include "tests/emulator/emulator.h"
#include "tests/kernels/loss_body.h"

namespace earshot {
namespace {

using emulator::InOut;
using emulator::Input;
using emulator::Output;

void copy(const std::vector<float>& from, float* to) { std::copy(from.begin(), from.end(), to); }
std::vector<float> taken(const float* from, int64_t count) { return {from, from + count}; }

void on_emulator_loss(const LossShape& s, const float* logits, const float* targets,
                      const float* class_weights, float* loss, float* dlogits) {
  const int64_t cells = s.n * s.classes;
  const Input<float> x("logits", taken(logits, cells)), y("targets", taken(targets, cells)),
      w("class weights", taken(class_weights, s.classes));
  Output<float> to_loss("loss", s.n), to_dlogits("dlogits", cells);
  cuda::softmax_loss(s, x.data(), y.data(), w.data(), to_loss.data(),
                     dlogits ? to_dlogits.data() : nullptr, nullptr);
  copy(to_loss.values(), loss);
  if (dlogits) copy(to_dlogits.values(), dlogits);
}

void on_emulator_log_softmax(const LossShape& s, const float* logits, float* out) {
  InOut<float> x("logits", taken(logits, s.n * s.classes));
  Output<float> y("log softmax", s.n * s.classes);
  const bool in_place = logits == out;
  cuda::log_softmax(s, x.data(), in_place ? x.data() : y.data(), nullptr);
  copy(in_place ? x.values() : y.values(), out);
}

constexpr LossCalls kEmulated{on_emulator_loss, on_emulator_log_softmax};

class EmulatedLoss : public testing::TestWithParam<LossCase> {
 protected:
  LossBody body{GetParam(), kEmulated};
};

TEST_P(EmulatedLoss, MatchesWithGradient) { body.matches_with_gradient(); }
TEST_P(EmulatedLoss, LogSoftmaxMatchesAlsoInPlace) { body.log_softmax_matches_also_in_place(); }

INSTANTIATE_TEST_SUITE_P(OddSizes, EmulatedLoss,
                         testing::Values(LossCase{{1, 2}, 3}, LossCase{{1, 41}, 5},
                                         LossCase{{3, 17}, 1}, LossCase{{33, 41}, 10},
                                         LossCase{{5, 3}, 500}, LossCase{{2, 1000}, 80}));

TEST(EmulatedLoss, IsFiniteForExtremeLogits) { LossBody::extreme_logits(kEmulated); }

}  // namespace
}  // namespace earshot
