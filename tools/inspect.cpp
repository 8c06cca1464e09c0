// Says what a store, a checkpoint or a run holds.
#include <CLI/CLI.hpp>
#include <iostream>

#include "models/summary.h"
#include "tools/program.h"

int main(int argc, char** argv) {
  CLI::App app(
      "Prints what a clip store, a checkpoint (.safetensors) or a run holds: classes, counts, "
      "hours,"
      "\nlicences, settings, tensors with shapes, progress and scores.",
      "inspect");
  std::string path;
  bool as_json = false, verify = false;
  app.add_option("PATH", path, "A clip store, a checkpoint or a run")->type_name("")->required();
  app.add_flag("--json", as_json, "Print JSON");
  app.add_flag("--verify", verify, "Read all audio of a store and compare its hashes");
  return earshot::run_program(app, argc, argv, [&] {
    const auto summary = earshot::summarise(path, verify);
    using nlohmann::ordered_json;
    std::cout << (as_json
                      ? summary.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n"
                      : earshot::summary_text(summary));
  });
}
