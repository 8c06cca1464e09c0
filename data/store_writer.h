// Writing a clip store: clips are streamed into the data file, the index comes last.
#pragma once

#include "data/store.h"

namespace earshot {

/// Until commit() the folder's old store stays as it is; a writer destroyed before it leaves no
/// trace. The caller holds the folder's lock.
class StoreWriter {
 public:
  StoreWriter(fs::path folder, const std::string& fingerprint);

  /// Appends the data of a clip and fills in its sizes, offsets, floor and hash.
  void add(Clip& clip, std::span<const int16_t> samples, std::span<const float> log_mel,
           float mel_floor);
  /// Makes this the folder's store. The index' clips are those added, or some of them.
  void commit(const StoreIndex& index);

 private:
  int64_t append(std::span<const std::byte> bytes);

  fs::path folder_;
  std::string data_name_;
  AtomicFile data_;
};

/// `file,row,reason,left_out`, a line for each problem.
std::string problems_to_csv(const std::vector<Problem>& problems);

}  // namespace earshot
