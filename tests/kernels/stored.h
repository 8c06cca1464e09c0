// Values as a kernel stores them, and back.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/bf16.h"

namespace earshot {

template <typename T>
std::vector<T> stored(const std::vector<float>& values) {
  std::vector<T> out;
  for (const float x : values) out.push_back(from_float<T>(x));
  return out;
}
template <typename T>
std::vector<T> stored(const float* values, int64_t count) {
  return stored<T>(std::vector<float>(values, values + count));
}

template <typename T>
std::vector<float> loaded(const std::vector<T>& values) {
  std::vector<float> out;
  for (const T x : values) out.push_back(to_float(x));
  return out;
}

/// The nearest values that T can store.
template <typename T>
std::vector<float> representable(const std::vector<float>& values) {
  return loaded(stored<T>(values));
}

}  // namespace earshot
