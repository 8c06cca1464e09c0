// Goldens: what librosa, Keras, PyTorch and scikit-learn computed (make_goldens.py), as files.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "data/audio_file.h"
#include "engine/safetensors.h"
#include "engine/tensor.h"
#include "tests/reference/compare.h"

namespace earshot::golden {

inline fs::path path(const std::string& name) { return fs::path(EARSHOT_GOLDENS) / name; }

/// The tensors of data/<name>.safetensors.
class File {
 public:
  explicit File(const std::string& name) : file_(path(name + ".safetensors")) {}
  const SafetensorsFile& file() const { return file_; }

  std::vector<float> floats(const std::string& name) const { return read<float>(name); }
  std::vector<int64_t> counts(const std::string& name) const { return read<int64_t>(name); }
  std::vector<double> values(const std::string& name) const {
    const std::vector<float> stored = floats(name);
    return {stored.begin(), stored.end()};
  }
  /// As a tensor of the engine: shapes of one to four dimensions, the last one the channels.
  Shape shape(const std::string& name) const {
    std::vector<int64_t> s = entry(name).shape;
    if (s.size() < 2) s.insert(s.begin(), 1);
    while (s.size() < 4) s.insert(s.begin() + 1, 1);
    return {s[0], s[1], s[2], s[3]};
  }

 private:
  const SafetensorsEntry& entry(const std::string& name) const {
    const SafetensorsEntry* found = file_.find(name);
    if (!found) fail("{} holds no {}", file_.path().string(), name);
    return *found;
  }
  template <typename T>
  std::vector<T> read(const std::string& name) const {
    const SafetensorsEntry& e = entry(name);
    const auto type = std::is_same_v<T, float> ? SafetensorsType::kF32 : SafetensorsType::kI64;
    if (e.type != type) fail("{}: {} has another type", file_.path().string(), name);
    std::vector<T> values(e.bytes.size() / sizeof(T));
    std::memcpy(values.data(), e.bytes.data(), e.bytes.size());
    return values;
  }
  SafetensorsFile file_;
};

/// Every clip of clips.flac at full scale 1.0.
inline std::vector<std::vector<float>> clips() {
  const std::vector<float> all = decode_audio(path("clips.flac"));
  std::vector<std::vector<float>> out;
  auto at = all.begin();
  for (const int64_t length : File("clips").counts("lengths")) {
    out.emplace_back(at, at + length);
    at += length;
  }
  EXPECT_EQ(at, all.end());
  return out;
}

/// In [-1, 1): the 16 high bits of a 32-bit congruential generator, as common.py has.
inline std::vector<float> noise(int64_t count, uint32_t seed) {
  std::vector<float> out(static_cast<size_t>(count));
  for (float& x : out) {
    seed = 1664525u * seed + 1013904223u;
    x = static_cast<float>(static_cast<int>(seed >> 16) - 32768) / 32768.0f;
  }
  return out;
}

/// |actual - expected| <= share x the largest |expected|.
inline void expect_near_largest(const std::vector<float>& actual,
                                const std::vector<double>& expected, double share,
                                const std::string& what) {
  double largest = 0;
  for (const double x : expected) largest = std::max(largest, std::abs(x));
  expect_close(actual, expected, std::vector<double>(expected.size(), share * largest), what);
}

/// |actual - expected| <= tolerance everywhere.
inline void expect_near(const std::vector<float>& actual, const std::vector<double>& expected,
                        double tolerance, const std::string& what) {
  expect_close(actual, expected, std::vector<double>(expected.size(), tolerance), what);
}

}  // namespace earshot::golden
