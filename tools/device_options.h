// --device and --threads, the same in every program that computes.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace earshot {

struct DeviceOptions {
  std::string device = "auto";
  int threads = 0;
};
/// What they fill must outlive the parsing.
void add_device_option(CLI::App& app, std::string& device);  // --device alone
void add_device_options(CLI::App& app, DeviceOptions& options);

}  // namespace earshot
