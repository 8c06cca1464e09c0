#include "engine/tensor.h"

namespace earshot {

const char* to_string(DType type) {
  switch (type) {
    case DType::kF32:
      return "f32";
    case DType::kU8:
      return "u8";
    case DType::kI32:
      return "i32";
    case DType::kBf16:
      return "bf16";
  }
  return "?";
}

std::string to_string(const Shape& shape) {
  return fmt::format("[{}, {}, {}, {}]", shape.n, shape.h, shape.w, shape.c);
}

Tensor Tensor::first(int64_t n) const {
  if (n > shape.n) fail("tensor {} has {} examples, {} were asked for", name, shape.n, n);
  Tensor part = *this;
  part.shape.n = n;
  return part;
}

Tensor Tensor::slice(int64_t from, int64_t n) const {
  Tensor part = first(from + n);
  part.shape.n = n;
  part.data = static_cast<char*>(data) + from * shape.features() * bytes_of(type);
  return part;
}

Tensor Tensor::flat() const {
  Tensor view = *this;
  view.shape = {shape.n, 1, 1, shape.features()};
  return view;
}

void* Tensor::checked(DType as) const {
  if (data && type != as && type != DType::kU8)
    fail("tensor {} is stored as {}, not as {}", name, to_string(type), to_string(as));
  return data;
}

void check_shape(const Tensor& tensor, const Shape& expected, const char* operation) {
  if (tensor.shape != expected)
    fail("{}: tensor {} has shape {}, expected {}", operation, tensor.name, to_string(tensor.shape),
         to_string(expected));
}

void check_channels(const Tensor& a, const Tensor& b, const char* operation) {
  if (a.shape.c != b.shape.c)
    fail("{}: tensor {} has {} channels, {} has {}", operation, a.name, a.shape.c, b.name,
         b.shape.c);
}

}  // namespace earshot
