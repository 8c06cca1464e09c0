#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "data/clip_mels.h"
#include "data/npy.h"
#include "engine/error.h"
#include "engine/select_backend.h"
#include "tools/device_options.h"
#include "tools/feature_options.h"
#include "tools/program.h"

namespace earshot {
namespace {

constexpr const char* kDescription =
    R"(Writes the log-mel spectrogram of one recording as a NumPy file.

X.npy holds float32 [128, frames] in dB: 128 mel bands from 0 to 22,050 Hz, one frame for each 256
samples at 44.1 kHz, floored 80 dB below the maximum. It is what prepare stores for the file, before
any crop or resize in time: channels averaged, resampled to 44.1 kHz, silence at the ends cut.)";

struct Options {
  fs::path file;
  fs::path out;
  FeatureSettings features;
  bool no_trim = false;
  std::string device = "auto";
};

/// [frames, bands] -> [bands, frames].
std::vector<float> transpose(const std::vector<float>& in, int64_t frames) {
  std::vector<float> out(in.size());
  for (int64_t t = 0; t < frames; ++t) {
    for (int64_t b = 0; b < kMelBands; ++b) out[b * frames + t] = in[t * kMelBands + b];
  }
  return out;
}

void extract(Options options) {
  if (options.no_trim) options.features.trim_db = 0.0;
  const Recording recording = read_recording(options.file, options.features);
  if (recording.samples.empty()) {
    fail("{} holds no samples, so it has no spectrogram", options.file.string());
  }
  std::string why_not;
  auto backend = select_gpu(options.device, why_not);
  if (!backend) backend = make_cpu_backend(/*threads=*/1);
  const ClipMel mel =
      compute_log_mels(*backend, log_mel_settings(options.features), {recording.samples}).front();
  const auto samples = static_cast<int64_t>(recording.samples.size());
  const int64_t frames = mel_frames(samples);
  write_npy(options.out, transpose(mel.values, frames), kMelBands, frames);
  fmt::print("{}: {} x {} from {:.3f} s\n", options.out.string(), kMelBands, frames,
             static_cast<double>(samples) / kSampleRate);
}

}  // namespace
}  // namespace earshot

int main(int argc, char** argv) {
  using namespace earshot;
  Options options;
  CLI::App app(kDescription, "extract_mel");
  app.add_option("FILE", options.file, "Recording: wav, flac, ogg, mp3, opus, ...")
      ->type_name("")
      ->required();
  app.add_option("--out", options.out, "File to write")->type_name("X.npy")->required();
  add_feature_options(app, options.features);
  app.add_flag("--no-trim", options.no_trim, "Keep silence at both ends, as --trim-db 0")
      ->excludes("--trim-db");
  add_device_option(app, options.device);
  return run_program(app, argc, argv, [&] { extract(options); });
}
