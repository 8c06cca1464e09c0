#include "tests/faults/targets.h"

#include <fstream>

#include "data/audio_file.h"
#include "data/manifest.h"
#include "data/store_writer.h"
#include "engine/safetensors.h"
#include "models/config.h"
#include "models/run.h"
#include "tests/data/sound.h"
#include "tests/scratch.h"

namespace earshot {
namespace {

/// A folder that lives as long as the process.
const Scratch& scratch() {
  static const Scratch folder;
  return folder;
}

/// Without the fsync of write_file, and a new file: ext4 flushes one that is written over.
void put(const fs::path& path, std::string_view bytes) {
  fs::remove(path);
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::string digest(std::span<const std::byte> bytes) {
  return fmt::format("{} bytes {:016x}", bytes.size(), content_hash(bytes));
}

template <typename Read>
Outcome outcome_of(const Read& read) {
  try {
    return {false, read()};
  } catch (const Error& error) {
    return {true, error.what()};
  }
}

Outcome read_audio(std::string_view bytes) {
  const fs::path path = scratch() / "sound";
  put(path, bytes);
  return outcome_of([&] {
    const std::vector<float> samples = decode_audio(path, /*max_seconds=*/60);
    return digest(std::as_bytes(std::span(samples)));
  });
}

std::string sound(const char* name, int format) {
  const fs::path path = scratch() / name;
  write_sound(path, tone(3000, 440.0), {.format = format});
  return read_file(path);
}
std::vector<std::string> wav_seeds() {
  return {sound("a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16),
          sound("f.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT),
          sound("m.wav", SF_FORMAT_WAV | SF_FORMAT_MS_ADPCM)};
}
std::vector<std::string> flac_seeds() {
  return {sound("a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16)};
}
std::vector<std::string> ogg_seeds() { return {sound("a.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS)}; }
std::vector<std::string> mp3_seeds() {
  return {sound("a.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III)};
}

std::string rows_of(const Manifest& manifest) {
  std::string all = manifest.layout;
  for (const ManifestRow& row : manifest.rows)
    all += fmt::format("\n{} {} {} {}", row.file.string(), row.label, row.clip.name, row.line);
  for (const Problem& problem : manifest.problems)
    all += fmt::format("\n! {} {} {}", problem.file, problem.row, problem.reason);
  return all;
}

Outcome read_table(std::string_view bytes) {
  const fs::path path = scratch() / "table.csv";
  put(path, bytes);
  return outcome_of([&] { return rows_of(read_manifest(path, {})); });
}
std::vector<std::string> table_seeds() {
  return {"path,label,split,group\na.wav,Bark,train,g1\nb/c.wav,\"Meow, loud\",test,\"g\"\"2\"\n",
          "label,path\r\nBark,x.wav\r\n\r\nMeow,../y.wav\r\n"};
}

Outcome read_kaggle(std::string_view bytes) {
  const fs::path root = scratch() / "kaggle";
  static const bool made = [&] {
    for (const char* folder : {"audio_train", "audio_test"}) fs::create_directories(root / folder);
    write_file(root / "sample_submission.csv", "fname,label\n00063640.wav,Laughter Hi-Hat Flute\n");
    return true;
  }();
  static_cast<void>(made);
  put(root / "train.csv", bytes);
  return outcome_of([&] { return rows_of(read_manifest(root, {})); });
}
std::vector<std::string> kaggle_seeds() {
  return {"fname,label,manually_verified\n00044347.wav,Hi-hat,0\n001ca53d.wav,Saxophone,1\n"};
}

Outcome read_config(std::string_view bytes) {
  const fs::path path = scratch() / "config.yaml";
  put(path, bytes);
  return outcome_of([&] { return to_yaml(load_config(path.string(), {})); });
}
std::vector<std::string> config_seeds() {
  return {to_yaml(Config{}),
          "seconds: 2\nbatch: 16\naugment:\n  mixup: {clips: 3, alpha: 0.5}\n"
          "head:\n  layers: [64, 32]\nfolds: {count: 3, run: [0, 2]}\n"};
}

Outcome read_tensors(std::string_view bytes) {
  const fs::path path = scratch() / "weights.safetensors";
  put(path, bytes);
  return outcome_of([&] {
    const SafetensorsFile file(path);
    std::string all;
    for (const char* key : {"format", "step"}) all += file.require_metadata(key) + "\n";
    for (const SafetensorsEntry& entry : file.tensors())
      all +=
          fmt::format("{} [{}] {}\n", entry.name, fmt::join(entry.shape, ","), digest(entry.bytes));
    return all;
  });
}
std::vector<std::string> tensor_seeds() {
  const std::vector<float> weights(40, 0.25f), bias(8, -1.0f);
  const fs::path path = scratch() / "seed.safetensors";
  write_safetensors(
      path,
      {{"conv.weight", SafetensorsType::kF32, {8, 5}, std::as_bytes(std::span(weights))},
       {"conv.bias", SafetensorsType::kF32, {8}, std::as_bytes(std::span(bias))}},
      {{"format", "earshot checkpoint"}, {"step", "12"}});
  return {read_file(path)};
}

fs::path seed_store() {
  const fs::path folder = scratch() / "store";
  if (fs::exists(folder)) return folder;
  fs::create_directories(folder);
  StoreIndex index;
  index.classes = {"Bark", "Meow"};
  index.fingerprint = "0123456789abcdef";
  StoreWriter writer(folder, index.fingerprint);
  for (const int64_t length : {300, 700}) {
    const std::vector<int16_t> samples(static_cast<size_t>(length), int16_t{77});
    const std::vector<float> mel(static_cast<size_t>(mel_frames(length)) * kMelBands, -20.0f);
    Clip clip;
    clip.name = fmt::format("{}.wav", length);
    clip.label = length == 300 ? 0 : 1;
    writer.add(clip, samples, mel, -80.0f);
    index.clips.push_back(clip);
  }
  writer.commit(index);
  return folder;
}
std::string store_digest(const fs::path& folder) {
  const Store store(folder);
  store.verify();
  std::string all = fmt::format("{}", fmt::join(store.index().classes, ","));
  for (size_t i = 0; i < store.index().clips.size(); ++i) {
    const Clip& clip = store.index().clips[i];
    all += fmt::format("\n{} {} {} {}", clip.name, clip.label, clip.mel_floor, clip.group) +
           digest(std::as_bytes(store.samples(i))) + digest(std::as_bytes(store.log_mel(i)));
  }
  return all;
}
/// The store with one of its two files replaced, then put back.
Outcome read_store_with(const fs::path& file, std::string_view bytes) {
  const std::string good = read_file(file);
  put(file, bytes);
  const Outcome outcome = outcome_of([&] { return store_digest(seed_store()); });
  put(file, good);
  return outcome;
}
fs::path store_data() { return seed_store() / "clips-0123456789abcdef.bin"; }
Outcome read_index(std::string_view bytes) {
  return read_store_with(seed_store() / "index.json", bytes);
}
Outcome read_data(std::string_view bytes) { return read_store_with(store_data(), bytes); }
std::vector<std::string> index_seeds() { return {read_file(seed_store() / "index.json")}; }
std::vector<std::string> data_seeds() { return {read_file(store_data())}; }

Outcome read_run_json(std::string_view bytes) {
  const fs::path root = scratch() / "run";
  fs::create_directories(root);
  put(root / "run.json", bytes);
  return outcome_of([&] {
    const RunInfo info = read_run(root);
    return to_yaml(info.config) + fmt::format("{}", fmt::join(info.classes, ",")) + info.data +
           info.fingerprint;
  });
}
std::vector<std::string> run_seeds() {
  const fs::path root = scratch() / "seed-run";
  make_run_folder({root});
  if (!fs::exists(root / "run.json"))
    open_run({root}, {Config{}, {}, {"Bark", "Meow"}, "runs/data/mine", "0123456789abcdef"}, false);
  return {read_file(root / "run.json")};
}

constexpr FaultTarget kTargets[] = {
    {"safetensors", true, read_tensors, tensor_seeds},
    {"store-index", true, read_index, index_seeds},
    {"store-data", true, read_data, data_seeds},
    {"run", true, read_run_json, run_seeds},
    {"config", false, read_config, config_seeds},
    {"table", false, read_table, table_seeds},
    {"kaggle", false, read_kaggle, kaggle_seeds},
    {"wav", false, read_audio, wav_seeds},
    {"flac", false, read_audio, flac_seeds},
    {"ogg", false, read_audio, ogg_seeds},
    {"mp3", false, read_audio, mp3_seeds},
};

}  // namespace

std::span<const FaultTarget> fault_targets() { return kTargets; }

}  // namespace earshot
