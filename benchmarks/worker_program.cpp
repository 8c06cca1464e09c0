// bench_worker: our side of every comparison that benchmarks/run makes.
#include <CLI/CLI.hpp>

#include "benchmarks/worker.h"
#include "tools/program.h"

int main(int argc, char** argv) {
  CLI::App app(
      "Prints a JSON line when ready, then answers 'run N' and 'memory' on its standard input.\n\n"
      "Example: echo run 5 | bench_worker step --model cnn-spec",
      "bench_worker");
  app.require_subcommand(1);
  std::function<void()> chosen;
  earshot::add_step_worker(app, chosen);
  earshot::add_mel_worker(app, chosen);
  earshot::add_scoring_worker(app, chosen);
  return earshot::run_program(app, argc, argv, [&] { chosen(); });
}
