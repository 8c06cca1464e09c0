#include "data/prepare.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "data/clip_list.h"
#include "data/clip_mels.h"
#include "data/manifest.h"
#include "data/ordered_pool.h"
#include "data/recording.h"
#include "data/store_writer.h"
#include "engine/console.h"
#include "engine/error.h"

namespace earshot {
namespace {

constexpr int kMostJobs = 1024;
constexpr int64_t kMostWaitingBytes = int64_t{512} << 20;

struct Outcome {
  Recording recording;
  ClipMel mel;
  std::string fault;  // why the file cannot be used; empty where it can
};

void check(const PrepareOptions& options) {
  if (!(options.max_seconds > 0.0 && options.max_seconds <= kLongestSeconds)) {
    fail_usage("--max-seconds is {:g}, but it must be above 0 and at most {:g}",
               options.max_seconds, kLongestSeconds);
  }
  if (options.jobs < 0 || options.jobs > kMostJobs) {
    fail_usage("--jobs is {}, but it must be 0 (one per core) to {}", options.jobs, kMostJobs);
  }
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!fs::is_directory(folder)) {
    fail("the folder {} cannot be made: {}", folder.string(),
         error ? error.message() : "a file of that name is in the way");
  }
}

/// Hash of everything the store depends on.
std::string fingerprint(const Manifest& manifest, const PrepareOptions& options) {
  std::string text = fmt::format("{}|{}|{:a}|{}\n", kStoreVersion, to_json(options.features).dump(),
                                 options.max_seconds, manifest.layout);
  for (const ManifestRow& row : manifest.rows) {
    std::error_code error;
    const auto bytes = fs::file_size(row.file, error);
    const auto time = fs::last_write_time(row.file, error).time_since_epoch().count();
    text += fmt::format("{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\n", row.file.string(),
                        row.label, row.clip.name, static_cast<int>(row.clip.split),
                        static_cast<int>(row.clip.usage), row.clip.group, row.clip.source,
                        row.clip.license, row.clip.manually_verified, bytes, time);
  }
  text += problems_to_csv(manifest.problems);
  return fmt::format("{:016x}", content_hash(std::as_bytes(std::span(text))));
}

/// The store in `folder` if it is whole and is what this call would make.
std::unique_ptr<Store> find_current(const PrepareOptions& options, const std::string& fingerprint) {
  if (options.force) return nullptr;
  try {
    auto store = std::make_unique<Store>(options.out);
    const StoreIndex& index = store->index();
    const bool would_fail = options.strict && !index.problems.empty();
    if (index.fingerprint == fingerprint && !would_fail) return store;
  } catch (const Error&) {
    // Missing, damaged or of another version: to be built.
  }
  return nullptr;
}

/// What the threads do.
class ClipReader {
 public:
  ClipReader(const Manifest& manifest, const PrepareOptions& options, int threads)
      : manifest_(manifest), options_(options) {
    for (int t = 0; t < threads; ++t) extractors_.emplace_back(log_mel_settings(options.features));
  }

  Outcome read(int thread, int64_t i) {
    const ManifestRow& row = manifest_.rows[i];
    Outcome outcome;
    try {
      outcome.recording = read_any_length(row);
    } catch (const AudioError& error) {
      outcome.fault = error.reason();
      return outcome;
    }
    if (!options_.backend)
      outcome.mel = compute_log_mel(extractors_[thread], outcome.recording.samples);
    return outcome;
  }

 private:
  /// Long test clips must be predicted too; they are decoded one at a time for the memory's sake.
  Recording read_any_length(const ManifestRow& row) {
    try {
      return read_recording(row.file, options_.features, options_.max_seconds);
    } catch (const AudioError& error) {
      if (error.fault() != AudioFault::kTooLong || row.clip.split == Split::kTrain) throw;
    }
    const std::lock_guard lock(long_clip_);
    return read_recording(row.file, options_.features, kLongestSeconds);
  }

  const Manifest& manifest_;
  const PrepareOptions& options_;
  std::vector<LogMel> extractors_;
  std::mutex long_clip_;
};

int64_t bytes_of(const Outcome& outcome) {
  return static_cast<int64_t>(outcome.recording.samples.size() * sizeof(int16_t) +
                              outcome.mel.values.size() * sizeof(float));
}

/// Lists what is wrong with a clip and stores it unless it must be left out.
void take_clip(const ManifestRow& row, Outcome&& outcome, StoreWriter& writer, ClipList& list) {
  if (!outcome.fault.empty()) return list.leave_out(row, outcome.fault);
  const Recording& recording = outcome.recording;
  if (recording.samples.empty()) {
    const std::string reason = "empty: it holds no samples";
    if (row.clip.split == Split::kTrain) return list.leave_out(row, reason);
    list.mention(row, reason);
  }
  if (recording.silent) list.mention(row, "silent: every sample is zero");
  constexpr double kMostClipped = 1e-3;
  if (recording.clipped > kMostClipped) {
    list.mention(row, fmt::format("clipped: {:.1f} % of its samples are at full scale",
                                  100.0 * recording.clipped));
  }
  Clip clip = row.clip;
  writer.add(clip, recording.samples, outcome.mel.values, outcome.mel.floor);
  list.keep(row, std::move(clip));
}

/// Takes the outcomes in order; where a backend computes the log-mels, a batch of clips at a time.
class ClipTaker {
 public:
  ClipTaker(const Manifest& manifest, const PrepareOptions& options, StoreWriter& writer,
            ClipList& list)
      : manifest_(manifest), options_(options), writer_(writer), list_(list) {}

  void take(Outcome&& outcome) {
    waiting_samples_ += outcome.recording.samples.size();
    waiting_.push_back(std::move(outcome));
    if (!options_.backend || waiting_samples_ >= kBatchSamples) finish();
  }
  void finish() {
    if (options_.backend) compute_mels();
    for (Outcome& outcome : waiting_)
      take_clip(manifest_.rows[next_++], std::move(outcome), writer_, list_);
    waiting_.clear();
    waiting_samples_ = 0;
  }

 private:
  static constexpr size_t kBatchSamples = size_t{1} << 23;  // 3 minutes; 34 MB with the log-mel

  void compute_mels() {
    std::vector<std::span<const int16_t>> clips;
    clips.reserve(waiting_.size());
    for (const Outcome& outcome : waiting_) clips.emplace_back(outcome.recording.samples);
    std::vector<ClipMel> mels =
        compute_log_mels(*options_.backend, log_mel_settings(options_.features), clips);
    for (size_t i = 0; i < mels.size(); ++i) waiting_[i].mel = std::move(mels[i]);
  }

  const Manifest& manifest_;
  const PrepareOptions& options_;
  StoreWriter& writer_;
  ClipList& list_;
  std::vector<Outcome> waiting_;
  size_t waiting_samples_ = 0;
  size_t next_ = 0;  // row of the first that waits
};

StoreIndex build(const Manifest& manifest, const PrepareOptions& options,
                 const std::string& fingerprint) {
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  const auto items = static_cast<int64_t>(manifest.rows.size());
  const int wanted = options.jobs == 0 ? static_cast<int>(cores) : options.jobs;
  const int threads = static_cast<int>(std::clamp<int64_t>(items, 1, wanted));
  ClipList list(manifest, options.strict);
  StoreWriter writer(options.out, fingerprint);
  ClipReader reader(manifest, options, threads);
  ClipTaker taker(manifest, options, writer, list);
  {
    Progress progress("prepare", items, "clips");
    OrderedPool<Outcome> pool([&](int thread, int64_t i) { return reader.read(thread, i); },
                              [&](int64_t, Outcome&& outcome) {
                                taker.take(std::move(outcome));
                                progress.advance(1);
                              },
                              bytes_of, kMostWaitingBytes);
    pool.run(items, threads);
    taker.finish();
  }
  StoreIndex index = list.finish();
  index.features = options.features;
  index.fingerprint = fingerprint;
  writer.commit(index);
  return index;
}

}  // namespace

PrepareReport prepare(const PrepareOptions& options) {
  check(options);
  const Manifest manifest = read_manifest(options.source, {.allow_outside = options.allow_outside});
  make_folder(options.out);
  const FolderLock lock(options.out);
  PrepareReport report;
  report.layout = manifest.layout;
  const std::string print = fingerprint(manifest, options);
  if (const auto store = find_current(options, print)) {
    report.up_to_date = true;
    report.index = store->index();
    return report;
  }
  const auto start = std::chrono::steady_clock::now();
  report.index = build(manifest, options, print);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace earshot
