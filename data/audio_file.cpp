#include "data/audio_file.h"

#include <sndfile.h>
#include <soxr.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <memory>
#include <span>

#include "data/features.h"

namespace earshot {
namespace {

constexpr int kLowestRate = 1000;           // Hz
constexpr int kHighestRate = 768000;        // Hz
constexpr int64_t kBlockSamples = 1 << 16;  // of all channels together, per read
constexpr int64_t kMostReserved = 1 << 20;  // samples, before any was read

struct SoundFileClose {
  void operator()(SNDFILE* file) const { sf_close(file); }
};
using SoundFile = std::unique_ptr<SNDFILE, SoundFileClose>;

uint32_t little_endian(const char* bytes) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

/// libsndfile silently shortens a wav whose data chunk passes the end of the file; this finds it.
/// Sizes near 4 GiB or 2 GiB are what programs write into a pipe: they promise nothing.
bool wav_is_cut(const fs::path& path) {
  constexpr uint32_t kStreamed = 0x7fff0000;
  std::ifstream file(path, std::ios::binary);
  const uint64_t length = fs::file_size(path);
  std::array<char, 12> head{};
  if (!file.read(head.data(), 12)) return false;
  if (std::memcmp(head.data(), "RIFF", 4) != 0 || std::memcmp(&head[8], "WAVE", 4) != 0) {
    return false;
  }
  uint64_t at = 12;
  while (at + 8 <= length && file.seekg(static_cast<std::streamoff>(at)) &&
         file.read(head.data(), 8)) {
    const uint32_t size = little_endian(&head[4]);
    if (std::memcmp(head.data(), "data", 4) == 0) {
      return size < kStreamed && size > length - at - 8;
    }
    at += uint64_t{8} + size + size % 2;
  }
  return false;
}

void check_openable(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  const auto unreadable = [&](const char* why) {
    throw AudioError(path, AudioFault::kUnreadable, std::string("unreadable: ") + why);
  };
  if (!fs::exists(status)) unreadable("there is no such file");
  if (fs::is_directory(status)) unreadable("it is a folder, not an audio file");
  if (!fs::is_regular_file(status)) unreadable("it is not a regular file");
}

/// libsndfile's words for the failures it documents; its other texts mislead ("file does not exist"
/// for a damaged mp3).
std::string open_failure() {
  const int code = sf_error(/*sndfile=*/nullptr);
  if (code < SF_ERR_UNRECOGNISED_FORMAT || code > SF_ERR_UNSUPPORTED_ENCODING) return "damaged";
  std::string text = sf_error_number(code);
  while (!text.empty() && (text.back() == '.' || text.back() == '\n')) text.pop_back();
  return text;
}

SoundFile open_sound(const fs::path& path, SF_INFO& info) {
  check_openable(path);
  SoundFile file(sf_open(path.c_str(), SFM_READ, &info));
  if (!file) {
    throw AudioError(
        path, AudioFault::kUnreadable,
        fmt::format("unreadable: it is no audio that libsndfile knows ({})", open_failure()));
  }
  if (info.samplerate < kLowestRate || info.samplerate > kHighestRate || info.channels < 1) {
    throw AudioError(path, AudioFault::kUnreadable,
                     fmt::format("unreadable: {} channels at {} Hz; it must be {} to {} Hz",
                                 info.channels, info.samplerate, kLowestRate, kHighestRate));
  }
  return file;
}

/// Appends the average of the channels of `block` [frames, channels].
void append_mono(std::span<const float> block, int channels, std::vector<float>& mono) {
  if (channels == 1) {
    mono.insert(mono.end(), block.begin(), block.end());
    return;
  }
  const float scale = 1.0f / static_cast<float>(channels);
  for (size_t i = 0; i < block.size(); i += channels) {
    float sum = 0.0f;
    for (int c = 0; c < channels; ++c) sum += block[i + c];
    mono.push_back(sum * scale);
  }
}

/// Looks at the bits, which compilers do many at a time.
bool all_finite(const std::vector<float>& samples) {
  constexpr uint32_t kMagnitude = 0x7fffffff, kInfinity = 0x7f800000;
  uint32_t largest = 0;
  for (const float x : samples)
    largest = std::max(largest, std::bit_cast<uint32_t>(x) & kMagnitude);
  return largest < kInfinity;
}

/// Reads in blocks, so that no length in a header makes us reserve much that is not there.
std::vector<float> read_mono(const fs::path& path, double max_seconds, SF_INFO& info) {
  const SoundFile file = open_sound(path, info);
  const auto most = static_cast<int64_t>(max_seconds * info.samplerate);
  const auto too_long = [&] {
    throw AudioError(path, AudioFault::kTooLong,
                     fmt::format("too long: it lasts more than {:g} s", max_seconds));
  };
  const bool length_known = info.frames < SF_COUNT_MAX;
  if (length_known && info.frames > most && info.seekable) too_long();
  const int64_t block_frames = std::max<int64_t>(1, kBlockSamples / info.channels);
  const auto block = std::make_unique_for_overwrite<float[]>(block_frames * info.channels);
  std::vector<float> mono;
  mono.reserve(std::clamp<int64_t>(info.frames, 0, kMostReserved));
  for (;;) {
    const int64_t got = sf_readf_float(file.get(), block.get(), block_frames);
    if (got <= 0) break;
    append_mono({block.get(), static_cast<size_t>(got * info.channels)}, info.channels, mono);
    if (static_cast<int64_t>(mono.size()) > most) too_long();
  }
  const auto held = static_cast<int64_t>(mono.size());
  if (length_known && held < info.frames) {
    throw AudioError(path, AudioFault::kTruncated,
                     fmt::format("truncated: its header promises {} samples, {} can be read",
                                 info.frames, held));
  }
  if (wav_is_cut(path)) {
    throw AudioError(path, AudioFault::kTruncated,
                     fmt::format("truncated: its header promises more than the {} samples "
                                 "that it holds",
                                 held));
  }
  return mono;
}

struct ResamplerDelete {
  void operator()(soxr* resampler) const { soxr_delete(resampler); }
};

/// In blocks: given a clip at once, soxr grows its buffers to the clip's length bit by bit.
std::vector<float> resample(const std::vector<float>& in, int rate) {
  const double ratio = static_cast<double>(kSampleRate) / rate;
  const auto expected = static_cast<size_t>(std::ceil(static_cast<double>(in.size()) * ratio));
  const soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
  const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, /*flags=*/0);
  const soxr_runtime_spec_t one_thread = soxr_runtime_spec(1);
  soxr_error_t error = nullptr;
  const std::unique_ptr<soxr, ResamplerDelete> resampler(
      soxr_create(rate, kSampleRate, /*num_channels=*/1, &error, &io, &quality, &one_thread));
  std::vector<float> out(expected + 16);
  size_t read = 0, made = 0, used = 1, got = 1;
  while (!error && (used > 0 || got > 0)) {
    const size_t block = std::min<size_t>(in.size() - read, kBlockSamples);
    const float* next = block > 0 ? &in[read] : nullptr;  // null: no more follows
    error = soxr_process(resampler.get(), next, block, &used, out.data() + made, out.size() - made,
                         &got);
    read += used;
    made += got;
  }
  if (error) fail("resampling from {} Hz failed: {}", rate, soxr_strerror(error));
  out.resize(std::min(made, expected));
  return out;
}

}  // namespace

AudioError::AudioError(const fs::path& path, AudioFault fault, const std::string& reason)
    : Error(path.string() + ": " + reason), fault_(fault), reason_(reason) {}

std::vector<float> decode_audio(const fs::path& path, double max_seconds) {
  SF_INFO info{};
  std::vector<float> mono = read_mono(path, max_seconds, info);
  if (!all_finite(mono)) {
    const auto bad =
        std::find_if_not(mono.begin(), mono.end(), [](float x) { return std::isfinite(x); });
    throw AudioError(path, AudioFault::kNotFinite,
                     fmt::format("not finite: sample {} is NaN or infinite", bad - mono.begin()));
  }
  return mono.empty() || info.samplerate == kSampleRate ? mono : resample(mono, info.samplerate);
}

bool has_audio_name(const fs::path& path) {
  constexpr std::array kEndings = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3",
                                   ".aif", ".aiff", ".au",  ".caf", ".w64",  ".rf64"};
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end();
}

}  // namespace earshot
