// A small emulator of CUDA blocks. A .cu file is compiled a second time as plain C++ against
// tests/emulator/cuda/cuda_runtime.h; the threads of a block run as fibers, in an order drawn
// anew for every launch. The file is compiled with -fsanitize=thread but linked without its
// library: the emulator receives every load and store of the kernel itself and stops the launch,
// before the access happens, at
//   - an access outside every buffer, or a store to an input;
//   - a load of what nobody has stored (shared memory holds NaN bits when a block starts);
//   - a race: two threads touch a cell, at least one stores, and no barrier lies between them
//     (across blocks: at all), whatever this schedule made of it;
//   - a barrier, vote or shuffle that some of its threads never reach.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace emulator {

/// A kernel did what it must not; says which thread did what to which buffer.
struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The schedules of the launches from here on.
void seed(uint64_t value);

/// Memory of the emulated device between guard bands. The same class on a real device, less strict:
/// tests/device/memory.cpp.
class Memory {
 public:
  enum class Content { kInput, kInOut, kUndefined };
  Memory(std::string name, int64_t cells, int64_t cell_bytes, Content content);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  unsigned char* data() const;  // the device's
  /// All bytes, from and to the host's memory.
  void write(const void* from);
  void read(void* to) const;
  /// Throws Fault where a guard band was touched or a cell of an undefined buffer never stored.
  void check() const;

 private:
  struct Region* region_;
};

/// An array of the emulated device. T: a plain type.
template <typename T>
class Buffer {
 public:
  T* data() const { return reinterpret_cast<T*>(memory_.data()); }
  /// What the kernels left, checked.
  std::vector<T> values() const {
    memory_.check();
    std::vector<T> values(static_cast<size_t>(count_));
    memory_.read(values.data());
    return values;
  }

 protected:
  static_assert(std::is_trivially_copyable_v<T>);
  Buffer(std::string name, size_t count, Memory::Content content)
      : count_(static_cast<int64_t>(count)), memory_(std::move(name), count_, sizeof(T), content) {}
  Buffer(std::string name, std::span<const T> values, Memory::Content content)
      : Buffer(std::move(name), values.size(), content) {
    memory_.write(values.data());
  }

 private:
  int64_t count_;
  Memory memory_;
};

/// May only be loaded.
template <typename T>
struct Input : Buffer<T> {
  Input(std::string name, const std::vector<T>& values)
      : Buffer<T>(std::move(name), std::span<const T>(values), Memory::Content::kInput) {}
};
template <typename T>
struct InOut : Buffer<T> {
  InOut(std::string name, const std::vector<T>& values)
      : Buffer<T>(std::move(name), std::span<const T>(values), Memory::Content::kInOut) {}
};
/// Undefined at first; every cell must have been stored when values() is called.
template <typename T>
struct Output : Buffer<T> {
  Output(std::string name, int64_t count)
      : Buffer<T>(std::move(name), static_cast<size_t>(count), Memory::Content::kUndefined) {}
};

}  // namespace emulator
