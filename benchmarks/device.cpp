#include "benchmarks/device.h"

#include <cstdio>
#include <cstring>
#include <string>

#include "engine/error.h"
#include "engine/roofline.h"
#include "engine/select_backend.h"

namespace earshot {
namespace {
std::unique_ptr<Backend> chosen;
}  // namespace

Backend& benchmark_backend() { return *chosen; }

}  // namespace earshot

int main(int argc, char** argv) try {
  constexpr const char* kOption = "--device=";
  std::string device = "cpu";
  if (argc > 1 && std::strncmp(argv[1], kOption, std::strlen(kOption)) == 0) {
    device = argv[1] + std::strlen(kOption);
    argv[1] = argv[0];
    ++argv;
    --argc;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  earshot::chosen = earshot::select_backend(device, 0);
  benchmark::AddCustomContext("device", earshot::chosen->description());
  const earshot::Roofline roofline = earshot::measure_roofline(*earshot::chosen);
  benchmark::AddCustomContext("product_flops_per_second",
                              std::to_string(roofline.flops_per_second));
  benchmark::AddCustomContext("copy_bytes_per_second", std::to_string(roofline.bytes_per_second));
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  earshot::chosen.reset();
  return 0;
} catch (const earshot::UsageError& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
