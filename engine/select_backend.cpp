#include "engine/select_backend.h"

#include <spdlog/spdlog.h>

namespace earshot {
namespace {

constexpr const char* kNoCuda = "this build has no CUDA backend";

}  // namespace

std::unique_ptr<Backend> select_backend(const std::string& device, int threads) {
  if (threads < 0) fail_usage("--threads {}: at least 1, or 0 for all cores", threads);
  if (device.rfind("cuda", 0) == 0 && (device.size() == 4 || device[4] == ':'))
    fail("--device {}: {}; use --device cpu", device, kNoCuda);
  if (device != "auto" && device != "cpu")
    fail_usage("--device {}: choose auto, cpu, cuda or cuda:<index>", device);
  auto backend = make_cpu_backend(threads);
  if (device == "auto")
    spdlog::info("{} ({})", backend->description(), kNoCuda);
  else
    spdlog::info("{}", backend->description());
  return backend;
}

}  // namespace earshot
