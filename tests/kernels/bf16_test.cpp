#include "kernels/bf16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/kernels/stored.h"
#include "tests/reference/compare.h"
#include "tests/reference/values.h"

namespace earshot {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(Bf16, EveryPatternSurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const Bf16 x{static_cast<uint16_t>(bits)};
    const Bf16 back = from_float<Bf16>(to_float(x));
    if (std::isnan(to_float(x)))
      EXPECT_EQ(back.bits, 0x7fff) << bits;
    else
      EXPECT_EQ(back, x) << bits;
  }
}

// Between each value and the next greater one: the quarter points go to the nearer, the half to
// the one with an even last bit.
TEST(Bf16, RoundsToTheNearestAndTiesToEven) {
  for (uint32_t bits = 0; bits < 0x7f7f; ++bits)
    for (const float sign : {1.0f, -1.0f}) {
      const float low = sign * to_float(Bf16{static_cast<uint16_t>(bits)});
      const float high = sign * to_float(Bf16{static_cast<uint16_t>(bits + 1)});
      const float step = high - low;
      EXPECT_EQ(to_float(from_float<Bf16>(low + step / 4)), low);
      EXPECT_EQ(to_float(from_float<Bf16>(low + step / 4 * 3)), high);
      EXPECT_EQ(to_float(from_float<Bf16>(low + step / 2)), bits % 2 == 0 ? low : high);
    }
}

TEST(Bf16, ErrorsStayWithinTheUnitThatTheTestsUse) {
  for (const float x : random_values(10000, 1, -3e4, 3e4))
    EXPECT_LE(std::abs(to_float(from_float<Bf16>(x)) - x), kBf16Unit * std::abs(double(x)));
}

TEST(Bf16, TheLargestOverflowAndInfinityStays) {
  EXPECT_EQ(to_float(from_float<Bf16>(std::numeric_limits<float>::max())), kInfinity);
  EXPECT_EQ(to_float(from_float<Bf16>(-kInfinity)), -kInfinity);
  EXPECT_EQ(to_float(from_float<Bf16>(0x1.fep127f)), 0x1.fep127f);
}

TEST(Bf16, WholeArraysConvert) {
  const std::vector<float> x = random_values(1001, 2);
  std::vector<Bf16> narrow(x.size());
  std::vector<float> wide(x.size());
  convert(1001, x.data(), narrow.data());
  convert(1001, narrow.data(), wide.data());
  EXPECT_EQ(narrow, stored<Bf16>(x));
  EXPECT_EQ(wide, representable<Bf16>(x));
}

}  // namespace
}  // namespace earshot
