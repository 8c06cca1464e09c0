#include "engine/plugin.h"

#include <dlfcn.h>

#include <filesystem>

namespace earshot {

#ifdef EARSHOT_CUDA_MAJOR
namespace {

std::string dl_reason() {
  const char* reason = dlerror();
  return reason ? reason : "no reason given";
}

/// The few functions of libcuda.so.1 that tell what is there (CUDA driver API; 0 is success).
class Driver {
 public:
  Driver() : library_(dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL)) {
    if (!library_) fail("no NVIDIA driver ({})", dl_reason());
  }

  void check_version() const {
    int version = 0;
    call<int*>("cuDriverGetVersion", &version);
    if (version < EARSHOT_CUDA_MAJOR * 1000)
      fail("the NVIDIA driver is too old: it supports CUDA {}.{}, CUDA {}.0 is needed",
           version / 1000, version % 1000 / 10, EARSHOT_CUDA_MAJOR);
  }
  void check_device(int index) const {
    constexpr int kNoDevice = 100;
    const int started = function<unsigned>("cuInit")(0);
    int count = 0;
    if (started == 0) call<int*>("cuDeviceGetCount", &count);
    if (started == kNoDevice || (started == 0 && count == 0)) fail("no GPU is visible");
    if (started != 0) fail("the NVIDIA driver does not start (cuInit returns {})", started);
    if (index >= count) fail("there is no GPU {}, only {}", index, count);
    constexpr int kMajor = 75, kMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_...
    int device = 0, major = 0, minor = 0;
    call<int*, int>("cuDeviceGet", &device, index);
    call<int*, int, int>("cuDeviceGetAttribute", &major, kMajor, device);
    call<int*, int, int>("cuDeviceGetAttribute", &minor, kMinor, device);
    if (major * 10 + minor < EARSHOT_CUDA_LOWEST)
      fail("GPU {} has compute capability {}.{}, this build needs {}.{} or newer", index, major,
           minor, EARSHOT_CUDA_LOWEST / 10, EARSHOT_CUDA_LOWEST % 10);
  }

 private:
  template <typename... Args>
  int (*function(const char* name) const)(Args...) {
    void* address = dlsym(library_, name);
    if (!address) fail("the NVIDIA driver has no {}", name);
    return reinterpret_cast<int (*)(Args...)>(address);
  }
  template <typename... Args>
  void call(const char* name, Args... args) const {
    if (const int status = function<Args...>(name)(args...); status != 0)
      fail("the NVIDIA driver fails ({} returns {})", name, status);
  }
  void* library_;  // stays loaded
};

OpenCuda load_plugin() {
  const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path();
  const auto name = std::filesystem::path("lib") / "libearshot_cuda.so";
  auto path = folder / name;
  if (!std::filesystem::exists(path) && std::filesystem::exists(folder.parent_path() / name))
    path = folder.parent_path() / name;
  if (!std::filesystem::exists(path)) fail("the CUDA plug-in {} is missing", path.string());
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library) {
    const std::string reason = dl_reason();
    if (reason.rfind("libcudnn", 0) == 0)
      fail("cuDNN 9 is missing ({}); add its folder to LD_LIBRARY_PATH", reason);
    fail(
        "the CUDA plug-in cannot be loaded ({}); add the folder of the CUDA libraries to "
        "LD_LIBRARY_PATH",
        reason);
  }
  void* open = dlsym(library, "earshot_open_cuda");
  if (!open) fail("{} is not a CUDA plug-in of earshot", path.string());
  return reinterpret_cast<OpenCuda>(open);
}

}  // namespace

std::unique_ptr<Backend> open_cuda_backend(int index, std::string& why_not) try {
  const Driver driver;
  driver.check_version();
  driver.check_device(index);
  return std::unique_ptr<Backend>(load_plugin()(index, why_not));
} catch (const Error& error) {
  why_not = error.what();
  return nullptr;
}

#else

std::unique_ptr<Backend> open_cuda_backend(int, std::string& why_not) {
  why_not = "this build has no CUDA backend";
  return nullptr;
}

#endif

}  // namespace earshot
