#include "tests/emulator/emulator.h"
#include "tests/kernels/metrics_body.h"

namespace earshot {
namespace {

using emulator::InOut;
using emulator::Input;

void emulated(const LossShape& s, const float* logits, const float* targets, const float* loss,
              MetricSums* sums) {
  const auto count = s.n * s.classes;
  const Input<float> on_logits("logits", {logits, logits + count}),
      on_targets("targets", {targets, targets + count}), on_loss("loss", {loss, loss + s.n});
  InOut<MetricSums> on_sums("sums", {*sums});
  cuda::add_metrics(s, on_logits.data(), on_targets.data(), on_loss.data(), on_sums.data(),
                    nullptr);
  *sums = on_sums.values()[0];
}

TEST(EmulatedMetrics, AreThoseOfASort) {
  for (const LossShape& s : metrics_body::kShapes)
    metrics_body::sums_are_those_of_a_sort(s, emulated);
}

}  // namespace
}  // namespace earshot
