// What the benchmark programs share: --device=D before Google Benchmark's own options, and timing
// of work that a device does while the host goes on.
#pragma once

#include <benchmark/benchmark.h>

#include "engine/backend.h"

namespace earshot {

/// The backend that --device chose.
Backend& benchmark_backend();

/// Times `work()`, which enqueues: on a GPU a few calls at a time and then a wait, so that the wait
/// itself (some 10 us) is shared.
template <typename Work>
void time_on_device(benchmark::State& state, const Work& work) {
  Backend& backend = benchmark_backend();
  const int64_t calls = backend.name() == "cpu" ? 1 : 10;
  work();  // plans, caches, pages
  backend.synchronize();
  while (state.KeepRunningBatch(calls)) {
    for (int64_t i = 0; i < calls; ++i) work();
    backend.synchronize();
  }
}

}  // namespace earshot
