#include <gtest/gtest.h>

#include <limits>

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

TEST(EmulatedAllFinite, FindsEveryKindAnywhere) {
  constexpr float kHuge = std::numeric_limits<float>::max();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const auto bad = [](const std::vector<float>& x) {
    const Input<float> on_x("x", x);
    Output<int32_t> flag("bad", 1);
    cuda::all_finite(static_cast<int64_t>(x.size()), on_x.data(), flag.data(), nullptr);
    return flag.values()[0] != 0;
  };
  std::vector<float> x = random_values(1001, 1, -kHuge, kHuge);
  x[3] = kHuge;
  x[4] = -kHuge;
  EXPECT_FALSE(bad(x));
  for (const float value : {kInfinity, -kInfinity, std::nanf("")})
    for (const size_t at : {0, 500, 1000}) {
      std::vector<float> with = x;
      with[at] = value;
      EXPECT_TRUE(bad(with)) << value << " at " << at;
    }
}

}  // namespace
}  // namespace earshot
