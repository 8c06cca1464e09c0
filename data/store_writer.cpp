#include "data/store_writer.h"

#include <fmt/format.h>

#include <array>

#include "data/csv.h"
#include "data/store_index.h"

namespace earshot {
namespace {

/// Frees the space before the data file is opened: after a prepare that was killed on other inputs.
fs::path without_abandoned(fs::path folder) {
  remove_abandoned(folder, "clips-");
  return folder;
}

}  // namespace

StoreWriter::StoreWriter(fs::path folder, const std::string& fingerprint)
    : folder_(without_abandoned(std::move(folder))),
      data_name_("clips-" + fingerprint + ".bin"),
      data_(folder_ / data_name_) {
  const StoreHeader blank;
  data_.write(&blank, sizeof(blank));
}

int64_t StoreWriter::append(std::span<const std::byte> bytes) {
  constexpr std::array<char, kStoreAlignment> kZeros{};
  const uint64_t over = data_.size() % kStoreAlignment;
  if (over != 0) data_.write(kZeros.data(), kStoreAlignment - over);
  const auto offset = static_cast<int64_t>(data_.size());
  data_.write(bytes.data(), bytes.size());
  return offset;
}

void StoreWriter::add(Clip& clip, std::span<const int16_t> samples, std::span<const float> log_mel,
                      float mel_floor) {
  clip.samples = static_cast<int64_t>(samples.size());
  clip.frames = mel_frames(clip.samples);
  clip.mel_floor = mel_floor;
  clip.sample_offset = append(std::as_bytes(samples));
  clip.mel_offset = append(std::as_bytes(log_mel));
  clip.hash = content_hash(std::as_bytes(log_mel), content_hash(std::as_bytes(samples)));
}

void StoreWriter::commit(const StoreIndex& index) {
  StoreHeader header;
  header.file_bytes = data_.size();
  header.content_hash = combined_hash(index.clips);
  data_.write_at(/*offset=*/0, &header, sizeof(header));
  data_.commit();
  write_file(folder_ / "problems.csv", problems_to_csv(index.problems));
  write_file(folder_ / "index.json", index_to_text({index, data_name_, header.content_hash}));
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("clips-") && name != data_name_) fs::remove(entry.path(), error);
  }
}

std::string problems_to_csv(const std::vector<Problem>& problems) {
  std::string text = "file,row,reason,left_out\n";
  for (const Problem& problem : problems) {
    text += fmt::format("{},{},{},{}\n", csv_field(problem.file), problem.row,
                        csv_field(problem.reason), problem.left_out ? "yes" : "no");
  }
  return text;
}

}  // namespace earshot
