// What validation wants to know of a network, added up where the logits are (paper 3.2).
#pragma once

#include <cstdint>

#include "kernels/host_device.h"
#include "kernels/loss.h"

namespace earshot {

/// Sums over examples, in their order.
struct MetricSums {
  double loss = 0;
  double precision =
      0;             // average precision at 3: 1, 1/2, 1/3 or 0 for the label's rank 1, 2, 3, ...
  int64_t hits = 0;  // labels ranked first
};

/// Adds n examples: logits, targets [n, classes], loss [n]. The label is the first class with a
/// target above 1/2; without one the example scores 0. Classes rank by logit, equal ones by index,
/// NaN last; a label whose logit is NaN scores 0.
void add_metrics(const LossShape& s, const float* logits, const float* targets, const float* loss,
                 MetricSums* sums);

// On a CUDA device: pointers are the device's.
namespace cuda {
void add_metrics(const LossShape& s, const float* logits, const float* targets, const float* loss,
                 MetricSums* sums, Stream stream);
}  // namespace cuda

/// Whether class c stands before the label. NaN never does.
EARSHOT_HOST_DEVICE inline bool ranks_before(const float* logits, int64_t c, int64_t label) {
  return logits[c] > logits[label] || (logits[c] == logits[label] && c < label);
}

/// Of a label with `before` classes before it; negative: not ranked.
EARSHOT_HOST_DEVICE inline double precision_at_3(int64_t before) {
  return before < 0 || before > 2 ? 0.0 : 1.0 / static_cast<double>(1 + before);
}

}  // namespace earshot
