// What the scheduler and the memory of the emulator know of each other.
#pragma once

#include <cstdint>
#include <string>

namespace emulator {

/// The thread that runs; its accesses are ordered by these numbers.
struct Running {
  bool active = false;          // a fiber runs (else the accesses are the host's)
  uint32_t thread = 0;          // in its block
  uint32_t turn = 0;            // grows at each vote or shuffle of its warp
  uint64_t block = 0;           // in its launch
  const char* stack = nullptr;  // its own memory, not checked
  int64_t stack_bytes = 0;
  const char* arguments = nullptr;  // of the launch, likewise
  int64_t argument_bytes = 0;
};
extern Running running;

/// Stops the launch; returns to no kernel.
[[noreturn]] void stop(const std::string& what);

void begin_launch();
void begin_block();     // shared memory is undefined again
void begin_interval();  // a barrier of all threads lies between the intervals

enum class Access { kLoad, kStore, kAtomic };
void access(const void* address, int64_t bytes, Access kind);

}  // namespace emulator
