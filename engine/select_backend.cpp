#include "engine/select_backend.h"

#include <spdlog/spdlog.h>

#include <charconv>

#include "engine/plugin.h"

namespace earshot {
namespace {

/// The index in "cuda" (0) or "cuda:<index>"; -1: something else.
int cuda_index(const std::string& device) {
  if (device == "cuda") return 0;
  if (device.rfind("cuda:", 0) != 0) return -1;
  const char* end = device.data() + device.size();
  int index = -1;
  const auto parsed = std::from_chars(device.data() + 5, end, index);
  return parsed.ec == std::errc{} && parsed.ptr == end ? index : -1;
}

}  // namespace

std::unique_ptr<Backend> select_gpu(const std::string& device, std::string& why_not) {
  const int index = device == "auto" ? 0 : cuda_index(device);
  if (index < 0 && device != "cpu")
    fail_usage("--device {}: choose auto, cpu, cuda or cuda:<index>", device);
  if (index < 0) return nullptr;
  auto gpu = open_cuda_backend(index, why_not);
  if (!gpu && device != "auto") fail("--device {}: {}; use --device cpu", device, why_not);
  return gpu;
}

std::unique_ptr<Backend> select_backend(const std::string& device, int threads) {
  if (threads < 0) fail_usage("--threads {}: at least 1, or 0 for all cores", threads);
  std::string why_not;
  auto backend = select_gpu(device, why_not);
  if (!backend) backend = make_cpu_backend(threads);
  if (why_not.empty())
    spdlog::info("{}", backend->description());
  else
    spdlog::info("{} (not cuda: {})", backend->description(), why_not);
  return backend;
}

}  // namespace earshot
