#include "engine/roofline.h"

#include <algorithm>
#include <chrono>

namespace earshot {
namespace {

/// Seconds of the fastest of several calls.
template <typename Call>
double fastest(Backend& backend, const Call& call) {
  using Clock = std::chrono::steady_clock;
  double best = 1e30, spent = 0;
  call();
  backend.synchronize();
  for (int i = 0; i < 20 && (i < 3 || spent < 0.3); ++i) {
    const auto start = Clock::now();
    call();
    backend.synchronize();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::min(best, seconds);
    spent += seconds;
  }
  return best;
}

double product_rate(Backend& backend, int64_t side) {
  const Shape square{side, 1, 1, side}, vector{1, 1, 1, side};
  const int64_t bytes = 4 * square.count();
  const DeviceMemory memory = backend.allocate(3 * bytes + 4 * side, "a matrix product");
  float* base = static_cast<float*>(memory.data());
  const Tensor x{base, square}, weight{base + square.count(), square},
      y{base + 2 * square.count(), square}, bias{base + 3 * square.count(), vector};
  for (const Tensor& t : {x, weight, bias}) backend.zero(t);
  const double cube = static_cast<double>(side) * static_cast<double>(side * side);
  return 2 * cube / fastest(backend, [&] {
           backend.dense_forward({x, weight, bias, y, Activation::kNone});
         });
}

double copy_rate(Backend& backend, int64_t bytes) {
  const DeviceMemory memory = backend.allocate(2 * bytes, "a copy");
  float* base = static_cast<float*>(memory.data());
  const Shape shape{256, 1, 1, bytes / 4 / 256};
  const Tensor from{base, shape}, to{base + shape.count(), shape};
  for (const Tensor& t : {from, to}) backend.zero(t);
  return 8 * double(shape.count()) / fastest(backend, [&] { backend.copy_columns(from, to, 0); });
}

}  // namespace

double Roofline::floor(const Work& work) const {
  return std::max(work.flops / flops_per_second, work.bytes / bytes_per_second);
}

const char* Roofline::bound(const Work& work) const {
  return work.flops / flops_per_second > work.bytes / bytes_per_second ? "arithmetic" : "memory";
}

Roofline measure_roofline(Backend& backend) {
  const bool cpu = backend.name() == "cpu";  // both sizes are far beyond any cache
  return {product_rate(backend, cpu ? 1536 : 8192),
          copy_rate(backend, int64_t{1} << (cpu ? 27 : 30))};
}

}  // namespace earshot
