#include "data/npy.h"

#include <string>

#include "engine/error.h"

namespace earshot {

void write_npy(const fs::path& path, std::span<const float> values, int64_t rows, int64_t columns) {
  if (rows < 0 || columns < 0 || static_cast<int64_t>(values.size()) != rows * columns) {
    fail("{} values are no matrix of {} x {}", values.size(), rows, columns);
  }
  constexpr size_t kAlignment = 64;  // of the data, asked for by the format
  std::string dictionary =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, columns);
  const size_t preamble = 10;  // magic, version, length of the dictionary
  const size_t used = preamble + dictionary.size() + 1;
  dictionary.append((kAlignment - used % kAlignment) % kAlignment, ' ');
  dictionary += '\n';
  const auto length = static_cast<uint16_t>(dictionary.size());
  const char head[preamble] = {'\x93',
                               'N',
                               'U',
                               'M',
                               'P',
                               'Y',
                               1,
                               0,
                               static_cast<char>(length & 0xff),
                               static_cast<char>(length >> 8)};
  AtomicFile file(path);
  file.write(head, sizeof(head));
  file.write(dictionary);
  file.write(values.data(), values.size_bytes());
  file.commit();
}

}  // namespace earshot
