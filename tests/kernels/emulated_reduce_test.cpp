#include <gtest/gtest.h>

#include "kernels/reduce.h"
#include "tests/emulator/emulator.h"
#include "tests/kernels/stored.h"
#include "tests/reference/compare.h"
#include "tests/reference/values.h"

namespace earshot {
namespace {

using emulator::Input;
using emulator::Output;

template <typename T>
void column_sums_match() {
  for (const auto& [rows, c] : {std::pair<int64_t, int64_t>{1, 1},
                                {1, 33},
                                {7, 5},
                                {129, 64},
                                {1000, 41},
                                {66001, 1},
                                {32, 512}}) {
    const std::vector<float> x = representable<T>(random_values(rows * c, 1));
    std::vector<double> expected(static_cast<size_t>(c)), size(expected);
    for (size_t i = 0; i < x.size(); ++i) {
      expected[i % expected.size()] += static_cast<double>(x[i]);
      size[i % expected.size()] += std::abs(static_cast<double>(x[i]));
    }
    const Input<T> on_x("x", stored<T>(x));
    Output<float> scratch("scratch", cuda::column_sums_scratch(rows, c)), out("out", c);
    cuda::column_sums(rows, c, on_x.data(), scratch.data(), out.data(), nullptr);
    expect_close(out.values(), expected, rounding(growth(rows), size), "column sums");
  }
}
TEST(EmulatedColumnSums, Match) { column_sums_match<float>(); }
TEST(EmulatedColumnSums, MatchInBf16) { column_sums_match<Bf16>(); }

}  // namespace
}  // namespace earshot
