// bench_worker as a worker of benchmarks/run: it prints one JSON line when it is ready, then
// answers each command on its standard input with one JSON line. The rivals in rivals/worker.py
// speak the same, so that rounds of several workers can be interleaved.
//   run N    N repetitions: {"seconds": [...]}
//   memory   {"peak_bytes": ...}: the most resident memory this process ever had
#pragma once

#include <functional>
#include <nlohmann/json.hpp>

namespace CLI {
class App;
}

namespace earshot {

/// `ready` is what the driver should know before the first round. Returns when the input ends.
void serve(const nlohmann::json& ready, const std::function<void()>& repetition);

/// The most resident memory this process ever had, in bytes.
int64_t peak_resident_bytes();

// Subcommands of bench_worker; each sets `chosen` to its work when it is the one called.
void add_step_worker(CLI::App& app, std::function<void()>& chosen);
void add_mel_worker(CLI::App& app, std::function<void()>& chosen);
void add_scoring_worker(CLI::App& app, std::function<void()>& chosen);

}  // namespace earshot
