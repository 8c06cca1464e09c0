// Central differences in double.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/reference/compare.h"

namespace earshot {

/// Expects gradient[i] = d loss / d x[i] for the `picked` elements (empty: all) by central
/// differences with steps h and 2h. Their difference is three times the truncation error of the
/// former; the rest of the tolerance is the rounding of `magnitude`, a bound of the terms of the
/// loss, over the step. A kink of the loss within 2h shows as a failure or, one-sided, as a wider
/// tolerance, which `slack` bounds: tolerance <= slack x largest gradient.
inline void expect_derivative(const std::function<double()>& loss, std::vector<double>& x,
                              const std::vector<double>& gradient, double magnitude,
                              const std::string& what, std::vector<size_t> picked = {},
                              double h = 1e-5, double slack = 1e-6) {
  ASSERT_EQ(x.size(), gradient.size()) << what;
  if (picked.empty())
    for (size_t i = 0; i < x.size(); ++i) picked.push_back(i);
  std::vector<double> analytic, numeric, tolerance;
  double largest = 0;
  for (const double g : gradient) largest = std::max(largest, std::abs(g));
  for (const size_t i : picked) {
    const double kept = x[i];
    const auto slope = [&](double step) {
      x[i] = kept + step;
      const double above = loss();
      x[i] = kept - step;
      const double below = loss();
      x[i] = kept;
      return (above - below) / (2 * step);
    };
    const double near = slope(h), far = slope(2 * h);
    analytic.push_back(gradient[i]);
    numeric.push_back(near);
    tolerance.push_back(std::abs(far - near) + 0x1p-53 * growth(1000) * magnitude / h);
    EXPECT_LE(tolerance.back(), slack * std::max(largest, magnitude)) << what << " [" << i << "]";
  }
  expect_close(analytic, numeric, tolerance, what);
}

}  // namespace earshot
