// Preloaded into a program (LD_PRELOAD): EARSHOT_TRAP_MS milliseconds after it began to use the
// first GPU a kernel of this file traps there. The process has lost the GPU then: whatever it has
// under way ends, and every later call of CUDA fails.
#include <dlfcn.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace {

constexpr char kKernel[] =
    ".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry trap_now() { trap; }\n";

/// Whether the function of the driver is there and returns 0.
template <typename... Args>
bool call(void* driver, const char* name, Args... args) {
  auto* function = reinterpret_cast<int (*)(Args...)>(::dlsym(driver, name));
  return function && function(args...) == 0;
}

void wait(long milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

void strike(long milliseconds) {
  void* driver = nullptr;
  while (!(driver = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD))) wait(1);
  unsigned flags = 0;
  int active = 0;
  while (!call(driver, "cuDevicePrimaryCtxGetState", 0, &flags, &active) || !active) wait(1);
  wait(milliseconds);
  void *context = nullptr, *module = nullptr, *kernel = nullptr, *stream = nullptr;
  void** nothing = nullptr;
  if (call(driver, "cuDevicePrimaryCtxRetain", &context, 0) &&
      call(driver, "cuCtxSetCurrent", context) &&
      call(driver, "cuModuleLoadData", &module, static_cast<const void*>(kKernel)) &&
      call(driver, "cuModuleGetFunction", &kernel, module, "trap_now") &&
      call(driver, "cuLaunchKernel", kernel, 1U, 1U, 1U, 1U, 1U, 1U, 0U, stream, nothing, nothing))
    return;
  std::fputs("break_gpu: the driver refuses to trap\n", stderr);
}

struct Start {
  Start() {
    if (const char* text = std::getenv("EARSHOT_TRAP_MS"))
      std::thread(strike, std::atol(text)).detach();
  }
};
const Start start;

}  // namespace
