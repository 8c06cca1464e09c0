#include "data/audio_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "data/recording.h"
#include "tests/data/sound.h"
#include "tests/scratch.h"

namespace earshot {
namespace {

AudioFault fault_of(const fs::path& path, double max_seconds = 60.0) {
  try {
    decode_audio(path, max_seconds);
  } catch (const AudioError& error) {
    EXPECT_TRUE(contains(error.what(), path.string())) << error.what();
    EXPECT_TRUE(contains(error.what(), error.reason()));
    return error.fault();
  }
  ADD_FAILURE() << path << " was read";
  return AudioFault::kUnreadable;
}

double root_mean_square(const std::vector<float>& samples, size_t margin) {
  double sum = 0.0;
  for (size_t i = margin; i < samples.size() - margin; ++i) sum += double(samples[i]) * samples[i];
  return std::sqrt(sum / static_cast<double>(samples.size() - 2 * margin));
}

TEST(DecodeAudio, GivesSixteenBitSamplesBack) {
  const Scratch scratch;
  const fs::path path = scratch / "a.wav";
  std::vector<float> samples;
  for (const int value : {0, 1, -1, 12345, -12345, 32767, -32768}) {
    samples.push_back(static_cast<float>(value) / 32768.0f);
  }
  write_sound(path, samples);
  EXPECT_EQ(decode_audio(path), samples);
}

TEST(DecodeAudio, AveragesChannels) {
  const Scratch scratch;
  write_sound(scratch / "a.wav", {0.5f, 0.25f, -0.5f, 0.5f, 1.0f / 32768.0f, 0.0f},
              {.channels = 2});
  EXPECT_EQ(decode_audio(scratch / "a.wav"), (std::vector<float>{0.375f, 0.0f, 0.5f / 32768.0f}));
}

TEST(DecodeAudio, ResamplesToTheSameTone) {
  const Scratch scratch;
  for (const int rate : {8000, 22050, 48000, 96000}) {
    write_sound(scratch / "a.wav", tone(rate, 440.0, rate), {.rate = rate});
    const std::vector<float> got = decode_audio(scratch / "a.wav");
    ASSERT_EQ(got.size(), 44100u) << rate;
    const std::vector<float> expected = tone(44100, 440.0);
    double worst = 0.0;
    for (size_t i = 2000; i < 42000; ++i) {
      worst = std::max(worst, std::abs(double(got[i]) - expected[i]));
    }
    EXPECT_LE(worst, 2e-4) << rate;  // 16-bit rounding of the file and the filter's ripple
    EXPECT_EQ(got, decode_audio(scratch / "a.wav")) << "not deterministic at " << rate;
  }
}

TEST(DecodeAudio, ReadsEveryFormat) {
  const Scratch scratch;
  struct Case {
    const char* name;
    SoundFormat format;
    double tolerance;
  };
  const std::vector<Case> cases = {
      {"a.flac", {.format = SF_FORMAT_FLAC | SF_FORMAT_PCM_16}, 1e-3},
      {"a.ogg", {.format = SF_FORMAT_OGG | SF_FORMAT_VORBIS}, 0.02},
      {"a.opus", {.rate = 48000, .format = SF_FORMAT_OGG | SF_FORMAT_OPUS}, 0.02},
      {"a.mp3", {.format = SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III}, 0.02},
      {"a.aiff", {.format = SF_FORMAT_AIFF | SF_FORMAT_PCM_24}, 1e-3},
      {"a32.wav", {.format = SF_FORMAT_WAV | SF_FORMAT_FLOAT}, 1e-3},
  };
  for (const Case& c : cases) {
    write_sound(scratch / c.name, tone(c.format.rate, 500.0, c.format.rate), c.format);
    const std::vector<float> got = decode_audio(scratch / c.name);
    EXPECT_NEAR(static_cast<double>(got.size()), 44100.0, 2400.0) << c.name;
    EXPECT_NEAR(root_mean_square(got, 4000), 0.5 / std::sqrt(2.0), c.tolerance) << c.name;
    EXPECT_TRUE(has_audio_name(c.name));
  }
  EXPECT_TRUE(has_audio_name("B.WAV"));
  EXPECT_FALSE(has_audio_name("notes.txt"));
}

TEST(DecodeAudio, GivesNothingForNoSamplesAndOneForOne) {
  const Scratch scratch;
  write_sound(scratch / "none.wav", {});
  write_sound(scratch / "one.wav", {0.25f});
  EXPECT_TRUE(decode_audio(scratch / "none.wav").empty());
  EXPECT_EQ(decode_audio(scratch / "one.wav"), std::vector<float>{0.25f});
  write_sound(scratch / "one8k.wav", {0.25f}, {.rate = 8000});
  EXPECT_EQ(decode_audio(scratch / "one8k.wav").size(), 6u);
}

TEST(DecodeAudio, RefusesWhatIsNoAudio) {
  const Scratch scratch;
  write_text(scratch / "text.wav", "this is a text, however it is called\n");
  write_text(scratch / "zero.wav", "");
  for (const char* name : {"text.wav", "zero.wav", "missing.wav", "."}) {
    EXPECT_EQ(fault_of(scratch / name), AudioFault::kUnreadable) << name;
  }
  EXPECT_EQ(fault_of("/dev/zero"), AudioFault::kUnreadable);
}

TEST(DecodeAudio, RefusesTruncatedFiles) {
  const Scratch scratch;
  write_sound(scratch / "a.wav", tone(10000, 300.0));
  write_sound(scratch / "a.flac", tone(100000, 300.0),
              {.format = SF_FORMAT_FLAC | SF_FORMAT_PCM_16});
  fs::resize_file(scratch / "a.wav", 9000);
  fs::resize_file(scratch / "a.flac", fs::file_size(scratch / "a.flac") / 2);
  EXPECT_EQ(fault_of(scratch / "a.wav"), AudioFault::kTruncated);
  EXPECT_EQ(fault_of(scratch / "a.flac"), AudioFault::kTruncated);
}

TEST(DecodeAudio, ReadsWavsFromAPipeWithTheirEndlessHeader) {
  const Scratch scratch;
  write_sound(scratch / "a.wav", tone(1000, 300.0));
  std::fstream file(scratch / "a.wav", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(40).write("\xff\xff\xff\xff", 4);  // size of the data chunk
  file.close();
  EXPECT_EQ(decode_audio(scratch / "a.wav").size(), 1000u);
}

TEST(DecodeAudio, RefusesWhatIsNotFinite) {
  const Scratch scratch;
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    std::vector<float> samples = tone(1000, 300.0);
    samples[77] = bad;
    write_sound(scratch / "a.wav", samples, {.format = SF_FORMAT_WAV | SF_FORMAT_FLOAT});
    EXPECT_EQ(fault_of(scratch / "a.wav"), AudioFault::kNotFinite);
  }
}

TEST(DecodeAudio, RefusesTooLong) {
  const Scratch scratch;
  write_sound(scratch / "a.wav", tone(44100, 300.0));
  EXPECT_EQ(fault_of(scratch / "a.wav", 0.99), AudioFault::kTooLong);
  EXPECT_EQ(decode_audio(scratch / "a.wav", 1.0).size(), 44100u);
}

TEST(ReadRecording, FollowsTheOrderOfTheSteps) {
  const Scratch scratch;
  std::vector<float> samples(60000, 0.0f);
  const std::vector<float> sound = tone(10000, 300.0);
  std::copy(sound.begin(), sound.end(), samples.begin() + 30000);
  write_sound(scratch / "a.wav", samples);
  const Recording whole = read_recording(scratch / "a.wav", {.trim_db = 0.0});
  const Recording cut = read_recording(scratch / "a.wav", {});
  EXPECT_EQ(whole.samples.size(), 60000u);
  ASSERT_LT(cut.samples.size(), 13000u);
  const auto found = std::search(whole.samples.begin(), whole.samples.end(), cut.samples.begin(),
                                 cut.samples.end());
  EXPECT_EQ((found - whole.samples.begin()) % 512, 0);
  const Recording peak = read_recording(scratch / "a.wav", {.peak = true});
  const auto [low, high] = std::minmax_element(peak.samples.begin(), peak.samples.end());
  EXPECT_GE(std::max(-int{*low}, int{*high}), 32767);
}

TEST(ReadRecording, NoticesSilenceAndClipping) {
  const Scratch scratch;
  write_sound(scratch / "silent.wav", std::vector<float>(5000, 0.0f));
  std::vector<float> loud = tone(5000, 300.0);
  for (float& x : loud) x *= 4.0f;
  write_sound(scratch / "loud.wav", loud);
  const Recording silent = read_recording(scratch / "silent.wav", {});
  EXPECT_TRUE(silent.silent);
  EXPECT_EQ(silent.samples.size(), 5000u);
  const Recording clipped = read_recording(scratch / "loud.wav", {});
  EXPECT_FALSE(clipped.silent);
  EXPECT_NEAR(clipped.clipped, 2.0 / 3.0, 0.02);  // |2 sin| >= 1 for two thirds of a period
}

}  // namespace
}  // namespace earshot
