// The clip store: every clip of a data set, decoded, trimmed, with its log-mel, in one
// memory-mapped file (`clips-<fingerprint>.bin`) beside an index that names it (`index.json`): a
// store is replaced by replacing its index. `problems.csv` lists the index' problems to read.
//
// The data file: a 64-byte header (magic, format version, size, content hash), then for each clip
// its int16 samples and its float32 log-mel [frames, 128], each aligned to 64 bytes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/features.h"
#include "engine/files.h"

namespace earshot {

constexpr int kStoreVersion = 2;

enum class Split { kTrain, kTest };
/// Which leaderboard scores a test clip. kNone where the data set has no such notion,
/// kIgnored for clips that are predicted and written but never scored.
enum class Usage { kNone, kPublic, kPrivate, kIgnored };

struct Clip {
  std::string name;  // as the data set calls it: file name or path inside the data set
  int label = -1;    // class index, -1 where the label is unknown (unscored test clips)
  Split split = Split::kTrain;
  Usage usage = Usage::kNone;
  std::string group;   // source of the recording; folds keep a group together where asked to
  std::string source;  // human-readable origin
  std::string license;
  bool manually_verified = true;
  int64_t samples = 0;        // after trimming; 0 only for test clips without any samples
  int64_t sample_offset = 0;  // bytes into clips.bin
  int64_t frames = 0;         // mel_frames(samples)
  int64_t mel_offset = 0;     // bytes into clips.bin
  float mel_floor = 0;        // dB: the clip's floor (its maximum - 80)
  uint64_t hash = 0;          // of samples and log-mel
};

/// A clip or row that was left out or is suspicious, as listed in `problems.csv`.
struct Problem {
  std::string file;
  int64_t row = 0;     // line of the manifest, 0 where there is none
  std::string reason;  // "empty", "unreadable", ... and a few words
  bool left_out = true;
};

struct StoreIndex {
  FeatureSettings features;
  std::vector<std::string> classes;  // in index order
  std::vector<Clip> clips;
  std::vector<Problem> problems;
  std::string fingerprint;  // of inputs and settings; another one means: build anew
};

/// A store opened for reading. Throws Error for a missing, damaged or older store, naming the
/// folder and saying to run prepare again. Opening checks every size and offset, not the content.
class Store {
 public:
  explicit Store(const fs::path& folder);
  const fs::path& folder() const { return folder_; }
  const StoreIndex& index() const { return index_; }
  /// Samples of clip i, [samples], full scale 32768.
  std::span<const int16_t> samples(size_t i) const;
  /// Log-mel of clip i in dB, [frames, 128].
  std::span<const float> log_mel(size_t i) const;
  /// Reads everything and compares hashes; Error names the first damaged clip. Returns early once
  /// `stop` is set.
  void verify(const std::atomic<bool>* stop = nullptr) const;

 private:
  fs::path folder_;
  StoreIndex index_;
  std::unique_ptr<MappedFile> file_;
};

}  // namespace earshot
