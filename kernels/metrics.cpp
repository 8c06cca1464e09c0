#include "kernels/metrics.h"

#include <algorithm>
#include <cmath>

namespace earshot {

void add_metrics(const LossShape& s, const float* logits, const float* targets, const float* loss,
                 MetricSums* sums) {
  for (int64_t i = 0; i < s.n; ++i) {
    const float* x = logits + i * s.classes;
    const float* y = targets + i * s.classes;
    const int64_t label = std::find_if(y, y + s.classes, [](float t) { return t > 0.5f; }) - y;
    int64_t before = -1;
    if (label < s.classes && !std::isnan(x[label])) {
      before = 0;
      for (int64_t c = 0; c < s.classes; ++c) before += ranks_before(x, c, label) ? 1 : 0;
    }
    sums->loss += static_cast<double>(loss[i]);
    sums->precision += precision_at_3(before);
    sums->hits += before == 0 ? 1 : 0;
  }
}

}  // namespace earshot
