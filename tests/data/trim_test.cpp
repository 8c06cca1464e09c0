#include "data/trim.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/data/sound.h"

namespace earshot {
namespace {

/// The definition, frame by frame on the padded signal.
Kept naive_trim(const std::vector<float>& samples, double top_db) {
  const auto n = static_cast<int64_t>(samples.size());
  const auto at = [&](int64_t i) {
    if (n == 1) return samples[0];
    while (i < 0 || i >= n) i = i < 0 ? -i : 2 * (n - 1) - i;
    return samples[i];
  };
  std::vector<double> db;
  for (int64_t centre = 0; centre <= n; centre += 512) {
    double sum = 0.0;
    for (int64_t i = centre - 1024; i < centre + 1024; ++i) sum += double(at(i)) * at(i);
    db.push_back(10.0 * std::log10(std::max(1e-10, sum / 2048.0)));
  }
  const double loudest = *std::max_element(db.begin(), db.end());
  int64_t first = -1;
  int64_t last = -1;
  for (size_t t = 0; t < db.size(); ++t) {
    if (db[t] - loudest <= -top_db) continue;
    if (first < 0) first = static_cast<int64_t>(t);
    last = static_cast<int64_t>(t);
  }
  return {first * 512, std::min(n, (last + 1) * 512)};
}

std::vector<float> burst(int64_t length, int64_t start, int64_t samples) {
  std::vector<float> out(length, 0.0f);
  const std::vector<float> sound = tone(samples, 700.0);
  std::copy(sound.begin(), sound.end(), out.begin() + start);
  return out;
}

TEST(Trim, AgreesWithTheDefinition) {
  for (const int64_t length : {1, 2, 300, 511, 512, 513, 1023, 2048, 2049, 5000, 30000}) {
    for (const int64_t start : {int64_t{0}, length / 3, length / 2, length - 1}) {
      const int64_t samples = std::max<int64_t>(1, (length - start) / 2);
      std::vector<float> clip = burst(length, start, samples);
      clip[start] = 0.9f;
      EXPECT_EQ(trim_silence(clip, 40.0), naive_trim(clip, 40.0)) << length << " from " << start;
    }
  }
}

TEST(Trim, CutsBothEnds) {
  const Kept kept = trim_silence(burst(44100, 20000, 4000), 40.0);
  EXPECT_GT(kept.begin, 20000 - 2048);
  EXPECT_LE(kept.begin, 20000);
  EXPECT_GE(kept.end, 24000);
  EXPECT_LT(kept.end, 24000 + 2048);
  EXPECT_EQ(kept.begin % 512, 0);
}

TEST(Trim, KeepsClicksAtTheEdges) {
  std::vector<float> clip(20000, 0.0f);
  clip.front() = 1.0f;
  clip.back() = 1.0f;
  EXPECT_EQ(trim_silence(clip, 40.0), (Kept{0, 20000}));
  clip.front() = 0.0f;
  const Kept kept = trim_silence(clip, 40.0);
  EXPECT_GT(kept.begin, 17000);
  EXPECT_EQ(kept.end, 20000);
}

TEST(Trim, KeepsAnAllZeroClipWhole) {
  EXPECT_EQ(trim_silence(std::vector<float>(7777, 0.0f), 40.0), (Kept{0, 7777}));
}

TEST(Trim, KeepsAllWhereEverythingIsBelowTheLeastMeanSquare) {
  std::vector<float> clip = burst(30000, 15000, 2000);
  for (float& x : clip) x *= 1e-6f;  // mean square under 1e-10 everywhere
  EXPECT_EQ(trim_silence(clip, 40.0), (Kept{0, 30000}));
}

TEST(Trim, ZeroDecibelsOrNoSamplesKeepAll) {
  EXPECT_EQ(trim_silence(burst(30000, 15000, 2000), 0.0), (Kept{0, 30000}));
  EXPECT_EQ(trim_silence({}, 40.0), (Kept{0, 0}));
}

}  // namespace
}  // namespace earshot
