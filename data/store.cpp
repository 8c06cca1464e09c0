#include "data/store.h"

#include <cstring>

#include "data/store_index.h"
#include "engine/error.h"

namespace earshot {
namespace {

[[noreturn]] void fail_store(const fs::path& folder, const std::string& what) {
  fail("the clip store {} {}; run prepare again", folder.string(), what);
}

/// Whether `count` elements of `size` bytes at `offset` lie aligned inside the file.
bool lies_inside(int64_t offset, int64_t count, size_t size, uint64_t file_bytes) {
  if (offset < 0 || count < 0 || static_cast<uint64_t>(offset) % kStoreAlignment != 0) return false;
  const auto start = static_cast<uint64_t>(offset);
  return start <= file_bytes && static_cast<uint64_t>(count) <= (file_bytes - start) / size;
}

void check_clip(const Clip& clip, size_t classes, uint64_t file_bytes) {
  if (clip.label < -1 || clip.label >= static_cast<int64_t>(classes)) {
    fail("is damaged: clip '{}' has label {} of {}", clip.name, clip.label, classes);
  }
  const bool shape = clip.samples >= 0 && clip.frames == mel_frames(clip.samples);
  if (!shape || !lies_inside(clip.sample_offset, clip.samples, sizeof(int16_t), file_bytes) ||
      !lies_inside(clip.mel_offset, clip.frames, kMelBands * sizeof(float), file_bytes)) {
    fail("is damaged: clip '{}' does not lie inside the data file", clip.name);
  }
}

void check_header(std::span<const std::byte> bytes, const StoredIndex& stored) {
  StoreHeader header;
  const StoreHeader expected;
  if (bytes.size() < sizeof(header)) fail("is damaged: its data file is cut off");
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (std::memcmp(header.magic, expected.magic, sizeof(header.magic)) != 0) {
    fail("is damaged: {} is no data file of a clip store", stored.data_file);
  }
  if (header.version != expected.version) {
    fail("is of store version {}, this program reads version {}", header.version, kStoreVersion);
  }
  if (header.file_bytes != bytes.size()) {
    fail("is damaged: its data file has {} bytes of {}", bytes.size(), header.file_bytes);
  }
  if (header.content_hash != stored.content_hash) {
    fail("is damaged: index and data file do not belong together");
  }
}

StoredIndex read_index(const fs::path& folder) {
  StoredIndex stored = index_from_text(read_file(folder / "index.json"));
  const std::string& name = stored.data_file;
  if (!name.starts_with("clips-") || name.find('/') != std::string::npos) {
    fail("is damaged: its data file cannot be '{}'", name);
  }
  return stored;
}

}  // namespace

Store::Store(const fs::path& folder) : folder_(folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error) || !fs::exists(folder / "index.json", error)) {
    fail("{} holds no clip store; make one with prepare", folder.string());
  }
  try {
    StoredIndex stored = read_index(folder);
    file_ = std::make_unique<MappedFile>(folder / stored.data_file);
    check_header(file_->bytes(), stored);
    for (const Clip& clip : stored.index.clips) {
      check_clip(clip, stored.index.classes.size(), file_->bytes().size());
    }
    index_ = std::move(stored.index);
  } catch (const Error& problem) {
    fail_store(folder, problem.what());
  }
}

std::span<const int16_t> Store::samples(size_t i) const {
  const Clip& clip = index_.clips.at(i);
  const std::byte* start = file_->bytes().data() + clip.sample_offset;
  return {reinterpret_cast<const int16_t*>(start), static_cast<size_t>(clip.samples)};
}

std::span<const float> Store::log_mel(size_t i) const {
  const Clip& clip = index_.clips.at(i);
  const std::byte* start = file_->bytes().data() + clip.mel_offset;
  return {reinterpret_cast<const float*>(start), static_cast<size_t>(clip.frames) * kMelBands};
}

void Store::verify(const std::atomic<bool>* stop) const {
  for (size_t i = 0; i < index_.clips.size(); ++i) {
    if (stop && stop->load()) return;
    const uint64_t hash =
        content_hash(std::as_bytes(log_mel(i)), content_hash(std::as_bytes(samples(i))));
    if (hash != index_.clips[i].hash) {
      fail_store(folder_, fmt::format("is damaged: the data of clip '{}' changed on disk",
                                      index_.clips[i].name));
    }
  }
}

}  // namespace earshot
