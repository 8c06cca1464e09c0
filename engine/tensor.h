// A tensor is a place in memory with a shape and a name; it owns nothing.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>

#include "engine/error.h"
#include "kernels/bf16.h"

namespace earshot {

enum class DType : uint8_t { kF32, kU8, kI32, kBf16 };
constexpr int64_t bytes_of(DType type) {
  return type == DType::kU8 ? 1 : type == DType::kBf16 ? 2 : 4;
}
const char* to_string(DType type);

/// Channels last. A wave is [n, 1, t, c]; a vector of features is [n, 1, 1, c].
struct Shape {
  int64_t n = 0, h = 1, w = 1, c = 1;
  int64_t count() const { return n * h * w * c; }
  int64_t rows() const { return n * h * w; }      // all but the channels
  int64_t features() const { return h * w * c; }  // of one example
  bool operator==(const Shape&) const = default;
};
std::string to_string(const Shape& shape);  // "[32, 128, 170, 64]"

struct Tensor {
  void* data = nullptr;
  Shape shape;
  DType type = DType::kF32;
  const char* name = "";  // outlives the tensor: owned by the layer or the arena plan

  // The cells, or scratch (kU8) as such; throw Error where they are stored as another float type.
  float* f32() const { return as<float>(); }
  Bf16* bf16() const { return as<Bf16>(); }
  template <typename T>
  T* as() const {
    constexpr bool is_float = std::is_same_v<T, float>;
    static_assert(is_float || std::is_same_v<T, Bf16>);
    return static_cast<T*>(checked(is_float ? DType::kF32 : DType::kBf16));
  }
  uint8_t* u8() const { return static_cast<uint8_t*>(data); }
  int64_t bytes() const { return shape.count() * bytes_of(type); }
  /// The same memory for the first `n` examples.
  Tensor first(int64_t n) const;
  /// The same memory for the `n` examples from `from` on.
  Tensor slice(int64_t from, int64_t n) const;
  /// The same memory as [n, 1, 1, features].
  Tensor flat() const;

 private:
  void* checked(DType as) const;
};

/// Throws Error naming the tensor, its shape and the expected one where they differ.
void check_shape(const Tensor& tensor, const Shape& expected, const char* operation);
/// The same where the two have different numbers of channels.
void check_channels(const Tensor& a, const Tensor& b, const char* operation);

}  // namespace earshot
