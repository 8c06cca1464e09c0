// Whole batches: partners, mixing, targets, repeatability, and one draw for both branches.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "data/draw.h"
#include "tests/data/distributions.h"
#include "tests/reference/compare.h"

namespace earshot {
namespace {

constexpr int64_t kCropSamples = 8192;
constexpr int64_t kExamples = 12000;
constexpr int kClasses = 3;

class BatchTest : public testing::Test {
 protected:
  BatchTest() {
    for (int64_t clip = 0; clip < 20; ++clip) {
      lengths.push_back(256 * (3 + 7 * clip));  // both shorter and longer than the window
      labels.push_back(static_cast<int>(clip % kClasses));
      if (clip % 4 != 1) set.clips.push_back(clip);  // the others are in the validation part
    }
    set.lengths = lengths;
    set.labels = labels;
    set.classes = kClasses;
    settings.window = kCropSamples;
    settings.grid = 256;
    for (int64_t i = 0; i < kExamples; ++i) order.push_back(i % int64_t(set.clips.size()));
  }
  Batch draw(int64_t first, int64_t last, uint64_t seed = 5, uint32_t epoch = 2) const {
    return draw_batch(settings, set, order, first, last, seed, epoch);
  }
  static std::span<const Placement> example(const Batch& batch, int64_t i) {
    const auto& plan = batch.plan;
    return std::span(plan.placements)
        .subspan(size_t(plan.first_placement[i]),
                 size_t(plan.first_placement[i + 1] - plan.first_placement[i]));
  }
  /// Everything about an example but where its numbers lie in the plan.
  static std::vector<double> content(const Batch& batch, int64_t i) {
    std::vector<double> all;
    for (const Placement& p : example(batch, i)) {
      all.insert(all.end(), {double(p.clip), double(p.weight), double(p.roll)});
      for (int32_t j = 0; j < p.copies; ++j)
        all.push_back(double(batch.plan.positions[p.first_copy + j]));
    }
    for (int c = 0; c < kClasses; ++c) all.push_back(double(batch.targets[i * kClasses + c]));
    return all;
  }
  std::vector<int64_t> lengths, order;
  std::vector<int> labels;
  ClipSet set;
  DrawSettings settings;
};

TEST_F(BatchTest, GainsAreUniformInDecibelsAndLeaveTheOtherDraws) {
  const Batch plain = draw(0, kExamples);
  settings.gain_db = 12;
  const Batch louder = draw(0, kExamples);
  ASSERT_EQ(louder.plan.placements.size(), 2 * size_t(kExamples));
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < kExamples; ++i) {
    const Placement& p = example(louder, i)[0];
    EXPECT_EQ(p.roll, example(plain, i)[0].roll);
    ASSERT_LE(std::abs(p.gain_db), 12.0f);
    ASSERT_NEAR(20 * std::log10(double(p.gain)), double(p.gain_db), 1e-5);
    sum += double(p.gain_db);
    squares += double(p.gain_db) * double(p.gain_db);
  }
  EXPECT_NEAR(sum / kExamples, 0, 0.3);            // deviation 6.93 / sqrt(12000) = 0.063
  EXPECT_NEAR(squares / kExamples, 144.0 / 3, 2);  // of a uniform draw; deviation 0.39
  for (const Placement& p : plain.plan.placements) EXPECT_EQ(p.gain, 1.0f);
}

TEST_F(BatchTest, SmoothingSpreadsAShareOfEachTarget) {
  const Batch sharp = draw(0, kExamples);
  settings.label_smoothing = 0.2;
  const Batch smooth = draw(0, kExamples);
  ASSERT_EQ(smooth.targets.size(), sharp.targets.size());
  for (size_t i = 0; i < sharp.targets.size(); ++i)
    EXPECT_NEAR(smooth.targets[i], 0.8 * double(sharp.targets[i]) + 0.2 / kClasses, 1e-7) << i;
  for (int64_t i = 0; i < kExamples; ++i)
    EXPECT_NEAR(
        std::accumulate(&smooth.targets[i * kClasses], &smooth.targets[(i + 1) * kClasses], 0.0),
        1.0, 1e-6);
}

TEST_F(BatchTest, TheFirstClipFollowsTheOrderAndPartnersAreUniform) {
  const Batch batch = draw(0, kExamples);
  ASSERT_EQ(batch.size(), kExamples);
  std::vector<int64_t> partners(lengths.size());
  for (int64_t i = 0; i < kExamples; ++i) {
    const auto both = example(batch, i);
    ASSERT_EQ(both.size(), 2u);
    ASSERT_EQ(both[0].clip, set.clips[static_cast<size_t>(order[i])]);
    ++partners[static_cast<size_t>(both[1].clip)];
  }
  std::vector<int64_t> in_fold;
  for (size_t clip = 0; clip < partners.size(); ++clip) {
    if (clip % 4 == 1)
      EXPECT_EQ(partners[clip], 0) << "clip " << clip << " is not in the fold";
    else
      in_fold.push_back(partners[clip]);
  }
  expect_even(in_fold, "partners");
}

TEST_F(BatchTest, MixingHasItsProbabilityAndItsCount) {
  settings.mix_clips = 3;
  settings.mix_probability = 0.3;
  const Batch batch = draw(0, kExamples);
  std::vector<double> mixed;
  for (int64_t i = 0; i < kExamples; ++i) {
    const auto clips = example(batch, i);
    ASSERT_TRUE(clips.size() == 1 || clips.size() == 3);
    if (clips.size() == 1) {
      ASSERT_EQ(clips[0].weight, 1.0f);
    }
    mixed.push_back(clips.size() == 3 ? 1 : 0);
  }
  expect_mean(mixed, 0.3, std::sqrt(0.3 * 0.7), "mixed share");
  for (const auto& [clips, probability] : {std::pair{1, 1.0}, std::pair{4, 0.0}}) {
    settings.mix_clips = clips;
    settings.mix_probability = probability;
    EXPECT_EQ(draw(0, 500).plan.placements.size(), 500u);
  }
}

TEST_F(BatchTest, TargetsAreTheWeightsOfTheirClasses) {
  const Batch batch = draw(0, 1000);
  for (int64_t i = 0; i < 1000; ++i) {
    std::vector<double> expected(kClasses);
    double sum = 0;
    for (const Placement& p : example(batch, i)) {
      expected[static_cast<size_t>(labels[static_cast<size_t>(p.clip)])] += double(p.weight);
      sum += double(p.weight);
    }
    ASSERT_LE(std::abs(sum - 1), 2 * kUnit);
    for (int c = 0; c < kClasses; ++c)
      ASSERT_LE(std::abs(double(batch.targets[i * kClasses + c]) - expected[c]), 2 * kUnit);
  }
}

TEST_F(BatchTest, AnExampleIsTheSameInAnyBatch) {
  const Batch all = draw(0, 64);
  for (const int64_t step : {1, 7, 32, 63})
    for (int64_t first = 0; first < 64; first += step) {
      const int64_t last = std::min<int64_t>(first + step, 64);
      const Batch part = draw(first, last);
      ASSERT_EQ(part.size(), last - first);
      for (int64_t i = first; i < last; ++i)
        ASSERT_EQ(content(part, i - first), content(all, i)) << "example " << i;
    }
}

TEST_F(BatchTest, SeedEpochAndExampleEachMakeAnotherDraw) {
  order.assign(order.size(), 4);  // the same clip everywhere
  const auto rolls = [&](uint64_t seed, uint32_t epoch, int64_t first) {
    std::vector<int64_t> found;
    for (const Placement& p : draw(first, first + 50, seed, epoch).plan.placements)
      found.push_back(p.roll);
    return found;
  };
  EXPECT_EQ(rolls(5, 2, 0), rolls(5, 2, 0));
  EXPECT_NE(rolls(5, 2, 0), rolls(6, 2, 0));
  EXPECT_NE(rolls(5, 2, 0), rolls(5, 3, 0));
  EXPECT_NE(rolls(5, 2, 0), rolls(5, 2, 50));
}

TEST_F(BatchTest, WithoutAugmentationClipsAreCentredAndPure) {
  settings.augment = false;
  const Batch batch = draw(0, 40);
  for (int64_t i = 0; i < 40; ++i) {
    const int64_t clip = set.clips[static_cast<size_t>(order[i])];
    GatherPlan centre;
    centre_placement(settings, clip, lengths[static_cast<size_t>(clip)], centre);
    ASSERT_EQ(example(batch, i).size(), 1u);
    const Placement& p = example(batch, i)[0];
    EXPECT_EQ(p.clip, clip);
    EXPECT_EQ(p.weight, 1.0f);
    EXPECT_EQ(batch.plan.positions[p.first_copy], centre.positions[0]);
    for (int c = 0; c < kClasses; ++c)
      EXPECT_EQ(batch.targets[i * kClasses + c],
                c == labels[static_cast<size_t>(clip)] ? 1.0f : 0.0f);
  }
}

// Clips whose samples and columns both tell the time, 1, 2, ... in steps of 256 samples: wherever
// the two branches see the same draw, column t is sample 256 t.
TEST_F(BatchTest, WaveAndLogMelShowTheSameDraw) {
  std::vector<int16_t> samples;
  std::vector<float> columns, floor(lengths.size(), 0.0f);
  std::vector<int64_t> offset, mel_offset, frames;
  for (const int64_t length : lengths) {
    offset.push_back(int64_t(samples.size()));
    mel_offset.push_back(int64_t(columns.size()));
    frames.push_back(length / 256);
    for (int64_t s = 0; s < length; ++s) samples.push_back(int16_t(64 * (1 + s / 256)));
    for (int64_t t = 0; t < length / 256; ++t)
      columns.insert(columns.end(), 128, float(64 * (1 + t)) / 32768.0f);
  }
  const int64_t w = kCropSamples / 256, n = 200;
  const Batch batch = draw(0, n);
  std::vector<float> wave(size_t(n * kCropSamples)), mel(size_t(n * 128 * w));
  gather_wave(batch.plan.view(), {samples.data(), offset.data(), lengths.data()}, kCropSamples,
              wave.data());
  gather_mel(batch.plan.view(),
             {columns.data(), mel_offset.data(), frames.data(), floor.data(), false, w, {}}, w,
             mel.data());
  std::vector<float> from_mel;
  std::vector<double> from_wave;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t t = 0; t < w; ++t) {
      from_mel.push_back(mel[(i * 128 + (t * 37) % 128) * w + t]);
      from_wave.push_back(double(wave[i * kCropSamples + t * 256 + (t * 11) % 256]));
    }
  expect_close(from_mel, from_wave, rounding(growth(2), std::vector<double>(from_wave.size(), 0.3)),
               "columns against samples");
}

}  // namespace
}  // namespace earshot
