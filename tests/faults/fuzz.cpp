// A libFuzzer program for one of the fault targets, named by EARSHOT_FUZZ_TARGET at compile time.
// `fuzz_<target> --seeds FOLDER` writes the seeds and stops.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "engine/files.h"
#include "tests/faults/targets.h"

namespace {

const earshot::FaultTarget& target() {
  for (const earshot::FaultTarget& t : earshot::fault_targets())
    if (std::string_view(t.name) == EARSHOT_FUZZ_TARGET) return t;
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  if (*argc == 3 && std::strcmp((*argv)[1], "--seeds") == 0) {
    int i = 0;
    for (const std::string& seed : target().seeds())
      earshot::write_file(earshot::fs::path((*argv)[2]) / ("seed-" + std::to_string(i++)), seed);
    std::exit(0);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  target().read({reinterpret_cast<const char*>(data), size});
  return 0;
}
