// Trimming, spectra and log-mels against librosa, the resize against PyTorch.
#include <algorithm>

#include "data/trim.h"
#include "kernels/gather.h"
#include "kernels/log_mel.h"
#include "tests/golden/golden.h"

namespace earshot {
namespace {

using golden::File;

constexpr int kBins = 1025, kBands = 128;

TEST(Features, TrimKeepsWhatLibrosaKeeps) {
  const auto clips = golden::clips();
  const auto kept = File("trim").counts("kept");
  ASSERT_EQ(clips.size(), 30u);
  ASSERT_EQ(kept.size(), 60u);
  for (size_t i = 0; i < clips.size(); ++i)
    EXPECT_EQ(trim_silence(clips[i], 40.0), (Kept{kept[2 * i], kept[2 * i + 1]}))
        << "clip " << i << " of " << clips[i].size() << " samples";
}

TEST(Features, MelBankIsLibrosas) {
  const File file("mel_bank");
  const auto first = file.counts("first"), count = file.counts("count");
  const auto weights = file.values("weights");
  std::vector<double> expected(size_t{kBands} * kBins, 0.0), tolerance;
  size_t at = 0;
  for (int b = 0; b < kBands; ++b)
    for (int64_t k = 0; k < count[b]; ++k) expected[b * kBins + first[b] + k] = weights[at++];
  ASSERT_EQ(at, weights.size());
  for (const double w : expected) tolerance.push_back(1e-6 * w);  // 0 where there is none
  expect_close(mel_filter_bank(), expected, tolerance, "mel filter bank");
}

TEST(Features, SpectraAreLibrosas) {
  const auto clips = golden::clips();
  const File file("stft");
  LogMel extractor{LogMelSettings{}};
  for (const int clip : {1, 12, 14, 17, 19}) {
    const std::string name = std::to_string(clip);
    const auto expected = file.values(name + ".power");
    const auto frames = file.counts(name + ".frames");
    for (size_t i = 0; i < frames.size(); ++i) {
      const auto got = extractor.power(clips[clip], frames[i]);
      const auto row = expected.begin() + static_cast<int64_t>(i) * kBins;
      golden::expect_near_largest({got.begin(), got.end()}, {row, row + kBins}, 2e-6,
                                  "power of clip " + name);
    }
  }
}

TEST(Features, LogMelsAreLibrosas) {
  const auto clips = golden::clips();
  const File file("log_mel");
  const LogMelSettings power_db{.multiplier = 10.0, .minimum = 1e-10, .range = 80.0};
  for (const SafetensorsEntry& entry : file.file().tensors()) {
    const size_t dot = entry.name.find('.');
    const auto& samples = clips.at(std::stoul(entry.name.substr(dot + 1)));
    LogMel extractor(entry.name.substr(0, dot) == "power_db" ? power_db : LogMelSettings{});
    std::vector<float> got((1 + samples.size() / 256) * kBands);
    const float floor = extractor.extract(samples, got.data());
    const auto expected = file.values(entry.name);
    golden::expect_near(got, expected, 1e-3, entry.name);
    const double lowest = *std::min_element(expected.begin(), expected.end());
    EXPECT_GE(lowest, floor - 1e-3) << entry.name;
  }
}

TEST(Features, ResizeIsPyTorchsLinear) {
  const File file("resize");
  const int64_t native[] = {173, 345, 517}, widths[] = {170, 300, 400};
  for (int seconds = 1; seconds <= 3; ++seconds) {
    const int64_t n = native[seconds - 1], w = widths[seconds - 1];
    std::vector<float> got(static_cast<size_t>(kBands * w)), rows;
    resize_columns(golden::noise(n * kBands, static_cast<uint32_t>(seconds)).data(), n, w,
                   got.data());
    for (const int64_t band : {0, 77, 127})
      rows.insert(rows.end(), got.begin() + band * w, got.begin() + (band + 1) * w);
    // Positions up to 517 in float32 are off by 3e-5 columns at most, columns differ by up to 2.
    golden::expect_near(rows, file.values(std::to_string(seconds) + "s"), 1e-4, "resize");
  }
}

}  // namespace
}  // namespace earshot
