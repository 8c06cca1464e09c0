// The clip store's index as JSON.
#pragma once

#include <string>
#include <string_view>

#include "data/store.h"

namespace earshot {

/// What index.json says beside the index itself.
struct StoredIndex {
  StoreIndex index;
  std::string data_file;      // name of the data file, in the same folder
  uint64_t content_hash = 0;  // as in the data file's header
};

std::string index_to_text(const StoredIndex& stored);

/// Throws Error with a half sentence ("is ...") for what is no index, an index of another version,
/// or one whose fields are missing, of a wrong type, or contradict each other.
StoredIndex index_from_text(const std::string& text);

/// Hash of the clips' hashes, in order.
uint64_t combined_hash(const std::vector<Clip>& clips);

constexpr size_t kStoreAlignment = 64;  // bytes

/// The data file's first 64 bytes.
struct StoreHeader {
  char magic[8] = {'E', 'A', 'R', 'S', 'H', 'O', 'T', '\n'};
  uint32_t version = kStoreVersion;
  uint32_t header_bytes = sizeof(StoreHeader);
  uint64_t file_bytes = 0;
  uint64_t content_hash = 0;
  uint8_t reserved[32] = {};
};
static_assert(sizeof(StoreHeader) == kStoreAlignment);

}  // namespace earshot
