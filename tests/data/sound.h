// Audio files for tests.
#pragma once

#include <sndfile.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace earshot {

struct SoundFormat {
  int rate = 44100;
  int channels = 1;
  int format = SF_FORMAT_WAV | SF_FORMAT_PCM_16;
};

/// Writes `samples` [frames, channels] and makes the folders on the way.
inline void write_sound(const std::filesystem::path& path, const std::vector<float>& samples,
                        const SoundFormat& format = {}) {
  std::filesystem::create_directories(path.parent_path());
  SF_INFO info{};
  info.samplerate = format.rate;
  info.channels = format.channels;
  info.format = format.format;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  if (!file) throw std::runtime_error("cannot write " + path.string());
  sf_command(file, SFC_SET_CLIPPING, nullptr, SF_TRUE);
  const auto frames = static_cast<sf_count_t>(samples.size()) / format.channels;
  const sf_count_t written = sf_writef_float(file, samples.data(), frames);
  sf_close(file);
  if (written != frames) throw std::runtime_error("short write to " + path.string());
}

/// A sine of `hz`, peak 0.5; no two frequencies give the same content.
inline std::vector<float> tone(int64_t samples, double hz, int rate = 44100) {
  std::vector<float> out(samples);
  for (int64_t i = 0; i < samples; ++i) {
    out[i] = static_cast<float>(
        0.5 * std::sin(2.0 * 3.141592653589793 * hz * static_cast<double>(i) / rate));
  }
  return out;
}

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace earshot
