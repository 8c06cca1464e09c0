// Finding the first tensor that is not finite, whatever its type and wherever it lies.
#include "models/not_finite.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/engine/bf16_backend.h"
#include "tests/models/pass_fixture.h"

namespace earshot {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class NotFiniteTest : public testing::Test {
 protected:
  Bf16Backend backend;
  Tagger tagger{backend, small_config(), ModelKind::kAudio, kClasses, /*trained=*/true};
};

TEST_F(NotFiniteTest, ABf16OutputThatOverflowedIsNamedWithItsExample) {
  std::vector<Bf16> cells(3 * 4 * 5, from_float<Bf16>(1e38f));
  cells[2 * 20 + 7] = from_float<Bf16>(3.4e38f);  // rounds to infinity
  ASSERT_TRUE(std::isinf(to_float(cells[2 * 20 + 7])));
  const Tensor tensor{cells.data(), {3, 1, 4, 5}, DType::kBf16, "block1.norm.y"};
  NotFiniteFinder finder(tagger);
  finder.begin("audio.", TracePhase::kForward);
  finder.wrote("block1", TracePhase::kForward, tensor.first(2));
  EXPECT_FALSE(finder.found());
  finder.wrote("block1.norm", TracePhase::kForward, tensor);
  finder.end();
  ASSERT_TRUE(finder.found());
  EXPECT_EQ(finder.found()->example, 2);
  EXPECT_EQ(to_string(*finder.found()),
            "an infinity in tensor block1.norm.y of layer audio.block1.norm");
}

TEST_F(NotFiniteTest, ALongTensorIsReadToItsEnd) {
  std::vector<float> cells((1 << 20) + 3, 0.5f);
  const Tensor tensor{cells.data(), {1, 1, 1, int64_t(cells.size())}, DType::kF32, "wave"};
  NotFiniteFinder finder(tagger);
  finder.wrote("input", TracePhase::kForward, tensor);
  EXPECT_FALSE(finder.found());
  cells.back() = std::nanf("");
  finder.wrote("input", TracePhase::kForward, tensor);
  ASSERT_TRUE(finder.found());
  EXPECT_EQ(to_string(*finder.found()), "NaN in tensor wave of layer input");
}

TEST_F(NotFiniteTest, GradientsAreThoseOfTheLayerThatWroteThem) {
  Parameters& parameters = tagger.trainable();
  int id = 0;
  while (parameters.entries()[static_cast<size_t>(id)].name != "block2.norm.beta") ++id;
  const Tensor gradient = parameters.gradient(id);
  std::vector<float> values(static_cast<size_t>(gradient.shape.count()), 0.0f);
  values.back() = -kInfinity;
  backend.copy_to_device(gradient, values.data());
  NotFiniteFinder finder(tagger);
  finder.wrote("softmax", TracePhase::kBackward, {});
  EXPECT_FALSE(finder.found());
  finder.wrote("block2.norm", TracePhase::kBackward, {});
  ASSERT_TRUE(finder.found());
  EXPECT_EQ(to_string(*finder.found()),
            "an infinity in tensor gradient of block2.norm.beta of layer block2.norm");
  EXPECT_EQ(finder.found()->example, -1);
}

TEST_F(NotFiniteTest, StatisticsAndMomentsCountAsWeights) {
  tagger.initialise(1);
  Tagger::Snapshots snapshots = tagger.snapshot();
  EXPECT_FALSE(find_not_finite(tagger, snapshots));
  snapshots.back().v.back() = std::nanf("");
  ASSERT_TRUE(find_not_finite(tagger, snapshots));
  EXPECT_EQ(find_not_finite(tagger, snapshots)->tensor, "adam.v");
  snapshots.back().statistics.front() = kInfinity;
  EXPECT_EQ(find_not_finite(tagger, snapshots)->layer, "block1.norm");
}

}  // namespace
}  // namespace earshot
