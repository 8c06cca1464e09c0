// One block of device memory for all tensors of a step, laid out before the first step from the
// lifetimes that the layers state. Tensors that never live together share bytes.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace earshot {

/// Ticks are the order of operations within one step; a tensor lives in [born, dies], inclusive.
struct Lifetime {
  int born = 0;
  int dies = 0;
  bool overlaps(const Lifetime& other) const { return born <= other.dies && other.born <= dies; }
};

class ArenaPlan {
 public:
  struct Entry {
    std::string name;
    Shape shape;
    DType type;
    Lifetime lifetime;
    int64_t offset = -1;
    int64_t bytes = 0;
  };
  static constexpr int64_t kAlignment = 256;

  /// Returns the entry's id.
  int add(std::string name, Shape shape, DType type, Lifetime lifetime);
  /// Before lay_out().
  void keep_until(int id, int tick) { entries_[static_cast<size_t>(id)].lifetime.dies = tick; }
  /// Assigns offsets: largest first, each at the lowest place free for its lifetime.
  void lay_out();
  /// Bytes needed, known after lay_out().
  int64_t bytes() const { return bytes_; }
  /// Sum of all tensors' bytes, as if nothing were shared.
  int64_t unshared_bytes() const;
  const std::deque<Entry>& entries() const { return entries_; }
  /// The tensor at its place in a block that starts at `base`.
  Tensor at(int id, void* base) const;
  /// name, shape, dtype, bytes, offset, lifetime: one line a tensor.
  std::string table() const;

 private:
  std::deque<Entry> entries_;  // a deque: names stay where tensors point
  int64_t bytes_ = 0;
};

}  // namespace earshot
