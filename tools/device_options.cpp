#include "tools/device_options.h"

#include <CLI/CLI.hpp>

namespace earshot {

void add_device_option(CLI::App& app, std::string& device) {
  app.add_option("--device", device, "auto, cpu, cuda or cuda:<index>")
      ->type_name("D")
      ->capture_default_str();
}

void add_device_options(CLI::App& app, DeviceOptions& options) {
  add_device_option(app, options.device);
  app.add_option("--threads", options.threads, "CPU threads; 0: one per core")
      ->type_name("N")
      ->capture_default_str();
}

}  // namespace earshot
