// bench_instructions CASE: one call of a hot kernel on a small fixed input, for valgrind to count
// the instructions between entering and leaving `earshot_counted`. Without CASE: the cases, one a
// line.
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/backend.h"
#include "engine/error.h"
#include "kernels/adam.h"
#include "kernels/batch_norm.h"
#include "kernels/philox.h"

extern "C" [[gnu::noinline]] void earshot_counted(const std::function<void()>& work) {
  work();
  asm volatile("");  // no tail call: the function must be left again
}

namespace earshot {
namespace {

std::vector<float> uniform(int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  Random random(1, Purpose::kInitialWeights, 0, 0);
  for (float& v : values) v = static_cast<float>(2 * random.uniform() - 1);
  return values;
}

/// Memory of one tensor of the CPU's.
struct Held {
  explicit Held(const Shape& shape, DType type = DType::kF32)
      : floats(uniform(type == DType::kF32 ? shape.count() : 0)),
        bytes(type == DType::kF32 ? 0 : static_cast<size_t>(shape.count())),
        tensor{type == DType::kF32 ? static_cast<void*>(floats.data()) : bytes.data(), shape, type,
               "counted"} {}
  std::vector<float> floats;
  std::vector<uint8_t> bytes;
  Tensor tensor;
};

void convolution(const ConvolutionShape& s, bool backward) {
  const auto backend = make_cpu_backend(1);
  const auto plan = backend->convolution(s, {}, "counted");
  const Shape channels{1, 1, 1, s.c_out};
  const Held x(s.x()), weight(s.weight()), bias(channels), y(s.y()), dy(s.y()), dx(s.x()),
      dweight(s.weight()), dbias(channels), argmax(s.y(), DType::kU8);
  const DeviceMemory memory =
      backend->allocate(std::max(plan->forward_scratch(), plan->backward_scratch()), "counted");
  const Tensor scratch{memory.data(), {1, 1, 1, memory.bytes()}, DType::kU8, "counted"};
  const auto forward = [&] {
    plan->forward({x.tensor, weight.tensor, bias.tensor, y.tensor, argmax.tensor, scratch});
  };
  if (!backward) return earshot_counted(forward);
  forward();
  earshot_counted([&] {
    plan->backward({x.tensor, weight.tensor, y.tensor, argmax.tensor, dy.tensor, dx.tensor,
                    dweight.tensor, dbias.tensor, scratch});
  });
}

void batch_norm(bool backward) {
  const BatchNormShape s{4096, 32};
  std::vector<float> x = uniform(s.rows * s.c), y(x.size()), dx(x.size()), one(32, 1.0f),
                     zero(32, 0.0f), a(32), b(32), c(32), d(32);
  const auto forward = [&] {
    batch_norm_train(s, x.data(), one.data(), zero.data(), 0.99f, 1e-3f,
                     {a.data(), b.data(), c.data(), d.data()}, y.data());
  };
  if (!backward) return earshot_counted(forward);
  forward();
  earshot_counted([&] {
    batch_norm_backward(s, x.data(), y.data(), one.data(), a.data(), b.data(),
                        {dx.data(), c.data(), d.data()});
  });
}

void adam_update() {
  std::vector<float> p = uniform(65536), g = p, m = p, v(p.size(), 0.5f);
  const AdamStep step = adam_step(3, 1e-3, 0.9, 0.999, 1e-7, 0);
  const int32_t skip = 0;
  earshot_counted([&] { adam(p.data(), g.data(), m.data(), v.data(), 65536, &step, &skip); });
}

void log_mel() {
  const std::vector<float> wave = uniform(22050);
  std::vector<float> out((1 + wave.size() / 256) * 128);
  LogMel extractor(LogMelSettings{});
  extractor.extract(wave, out.data());  // makes the tables
  earshot_counted([&] { extractor.extract(wave, out.data()); });
}

const std::map<std::string, std::function<void()>> kCases = {
    {"wave forward",
     [] {
       convolution({1, 1, 4410, 1, 32, 1, 11, 1, 1}, false);
     }},
    {"wave backward",
     [] {
       convolution({1, 1, 4410, 1, 32, 1, 11, 1, 1}, true);
     }},
    {"line forward",
     [] {
       convolution({1, 1, 4410, 32, 32, 1, 11, 1, 16}, false);
     }},
    {"line backward",
     [] {
       convolution({1, 1, 4410, 32, 32, 1, 11, 1, 16}, true);
     }},
    {"plane forward",
     [] {
       convolution({1, 32, 64, 64, 64, 4, 4, 2, 2}, false);
     }},
    {"plane backward",
     [] {
       convolution({1, 32, 64, 64, 64, 4, 4, 2, 2}, true);
     }},
    {"batch norm forward", [] { batch_norm(false); }},
    {"batch norm backward", [] { batch_norm(true); }},
    {"adam", adam_update},
    {"log-mel", log_mel},
};

}  // namespace
}  // namespace earshot

int main(int argc, char** argv) try {
  if (argc == 1)
    for (const auto& [name, work] : earshot::kCases) std::puts(name.c_str());
  if (argc > 1) earshot::kCases.at(argv[1])();
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "bench_instructions: %s\n", error.what());
  return 1;
}
