#include "engine/arena.h"

#include <algorithm>
#include <numeric>

namespace earshot {

int ArenaPlan::add(std::string name, Shape shape, DType type, Lifetime lifetime) {
  Entry entry{std::move(name), shape, type, lifetime};
  const int64_t bytes = shape.count() * bytes_of(type);
  entry.bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  entries_.push_back(std::move(entry));
  return static_cast<int>(entries_.size()) - 1;
}

void ArenaPlan::lay_out() {
  std::vector<size_t> order(entries_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return entries_[a].bytes > entries_[b].bytes; });
  std::vector<size_t> placed;  // sorted by offset
  bytes_ = 0;
  for (const size_t i : order) {
    Entry& entry = entries_[i];
    int64_t offset = 0;
    for (const size_t j : placed) {
      const Entry& other = entries_[j];
      if (!entry.lifetime.overlaps(other.lifetime)) continue;
      if (offset + entry.bytes <= other.offset) break;
      offset = std::max(offset, other.offset + other.bytes);
    }
    entry.offset = offset;
    bytes_ = std::max(bytes_, offset + entry.bytes);
    const auto place = std::upper_bound(placed.begin(), placed.end(), i, [&](size_t a, size_t b) {
      return entries_[a].offset < entries_[b].offset;
    });
    placed.insert(place, i);
  }
}

int64_t ArenaPlan::unshared_bytes() const {
  int64_t sum = 0;
  for (const Entry& entry : entries_) sum += entry.bytes;
  return sum;
}

Tensor ArenaPlan::at(int id, void* base) const {
  const Entry& entry = entries_.at(static_cast<size_t>(id));
  if (entry.offset < 0) fail("arena: tensor {} was asked for before the layout", entry.name);
  return {static_cast<char*>(base) + entry.offset, entry.shape, entry.type, entry.name.c_str()};
}

std::string ArenaPlan::table() const {
  std::string text = fmt::format("{:<36} {:<24} {:<5} {:>12} {:>12}  {}\n", "tensor", "shape",
                                 "dtype", "bytes", "offset", "lifetime");
  for (const Entry& e : entries_)
    text += fmt::format("{:<36} {:<24} {:<5} {:>12} {:>12}  {}..{}\n", e.name, to_string(e.shape),
                        to_string(e.type), e.bytes, e.offset, e.lifetime.born, e.lifetime.dies);
  text += fmt::format("arena {:.1f} MB ({:.1f} MB without sharing)\n", 1e-6 * double(bytes_),
                      1e-6 * double(unshared_bytes()));
  return text;
}

}  // namespace earshot
