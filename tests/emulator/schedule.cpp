// The threads of a block as fibers: each runs until it waits for others or is done; of those that
// can go on, a random one goes on.
#include <cuda_runtime.h>
#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/philox.h"
#include "tests/emulator/emulator.h"
#include "tests/emulator/memory.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace emulator {
namespace {

constexpr size_t kStack = 256 * 1024;
constexpr unsigned kMaxThreads = 1024, kMaxGridYZ = 65535, kWarp = 32;

enum class State { kReady, kAtBarrier, kInWarp, kDone };

struct Fiber {
  ucontext_t start;
  jmp_buf resume;
  bool started = false;
  State state = State::kReady;
  const char* file = nullptr;  // where it waits
  unsigned line = 0;
  std::unique_ptr<char[]> stack{new char[kStack]};
};

/// What a lane hands in at a vote, shuffle or matrix product.
struct Packet {
  unsigned char bytes[32] = {};
};

/// A vote, shuffle or matrix product on its way, per warp.
struct Meeting {
  unsigned mask = 0, arrived = 0;
  Packet in[kWarp], out[kWarp];
  unsigned votes_in = 0, votes_out = 0;
  uint32_t turn = 0;
};

std::vector<std::unique_ptr<Fiber>> fibers;
std::vector<Meeting> meetings;
Fiber* current = nullptr;
jmp_buf scheduler;
ucontext_t scheduler_context;
const Launch* launch_now = nullptr;
std::string fault;
uint64_t seed_now = 1, launches = 0;

void wait(State state, const Where& where) {
  current->state = state;
  current->file = where.file_name();
  current->line = where.line();
  if (_setjmp(current->resume) == 0) _longjmp(scheduler, 1);
}

/// A fiber serves one thread after the other.
void serve() {
  for (;;) {
    launch_now->run(launch_now->arguments);
    current->state = State::kDone;
    if (_setjmp(current->resume) == 0) _longjmp(scheduler, 1);
  }
}

void prepare(Fiber& fiber) {
  fiber.state = State::kReady;
  if (fiber.started) return;
  getcontext(&fiber.start);
  fiber.start.uc_stack.ss_sp = fiber.stack.get();
  fiber.start.uc_stack.ss_size = kStack;
  fiber.start.uc_link = nullptr;
  makecontext(&fiber.start, serve, 0);
}

void resume(unsigned thread) {
  const dim3& block = launch_now->block;
  threadIdx = {thread % block.x, thread / block.x % block.y, thread / block.x / block.y};
  current = fibers[thread].get();
  running.thread = thread;
  running.turn = meetings[thread / kWarp].turn;
  running.stack = current->stack.get();
  running.stack_bytes = kStack;
  running.active = true;
  if (_setjmp(scheduler) == 0) {
    if (current->started) _longjmp(current->resume, 1);
    current->started = true;
    swapcontext(&scheduler_context, &current->start);
  }
  running.active = false;
}

std::string place(const Fiber& f) {
  return f.state == State::kDone ? "is done"
                                 : "waits at " + std::string(f.file) + ":" + std::to_string(f.line);
}

/// All threads wait or are done: lets them pass where all wait at the same barrier.
void pass_barrier(unsigned threads) {
  unsigned waiting = 0;
  while (fibers[waiting]->state == State::kDone) ++waiting;
  const Fiber& first = *fibers[waiting];
  for (unsigned i = 0; i < threads; ++i) {
    const Fiber& other = *fibers[i];
    if (first.state == State::kAtBarrier && other.state == State::kAtBarrier &&
        other.line == first.line && std::string(other.file) == first.file)
      continue;
    unsigned elsewhere = 0;  // any thread that is not where the first one waits
    while (elsewhere + 1 < threads && place(*fibers[elsewhere]) == place(first)) ++elsewhere;
    throw Fault("divergence in block " + std::to_string(running.block) + ": thread " +
                std::to_string(waiting) + " " + place(first) + " and thread " +
                std::to_string(elsewhere) + " " + place(*fibers[elsewhere]));
  }
  begin_interval();
  for (unsigned i = 0; i < threads; ++i) fibers[i]->state = State::kReady;
}

void run_block(unsigned threads, earshot::Random& random) {
  begin_block();
  meetings.assign(threads / kWarp + 1, Meeting{});
  for (unsigned i = 0; i < threads; ++i) prepare(*fibers[i]);
  std::vector<unsigned> ready;
  for (;;) {
    ready.clear();
    unsigned done = 0;
    for (unsigned i = 0; i < threads; ++i) {
      if (fibers[i]->state == State::kReady) ready.push_back(i);
      if (fibers[i]->state == State::kDone) ++done;
    }
    if (done == threads) return;
    if (ready.empty()) pass_barrier(threads);
    while (!ready.empty()) {
      std::swap(ready[random.bits() % ready.size()], ready.back());
      resume(ready.back());
      ready.pop_back();
      if (!fault.empty()) throw Fault(std::exchange(fault, ""));
    }
  }
}

/// Waits for the other lanes of the mask; returns this thread's warp with what they handed in.
const Meeting& meet(unsigned mask, const Packet& packet, bool vote_mine, const Where& where) {
  Meeting& m = meetings[running.thread / kWarp];
  const unsigned mine = 1u << lane();
  if (!(mask & mine)) stop("a thread calls a shuffle or vote that its mask leaves out");
  if (m.arrived != 0 && m.mask != mask) stop("lanes of a warp meet with different masks");
  m.mask = mask;
  m.arrived |= mine;
  m.in[lane()] = packet;
  m.votes_in |= vote_mine ? mine : 0;
  if (m.arrived == mask) {
    std::copy(std::begin(m.in), std::end(m.in), m.out);
    m.votes_out = m.votes_in;
    m.votes_in = m.arrived = 0;
    running.turn = ++m.turn;
    const unsigned first = running.thread / kWarp * kWarp;
    for (unsigned i = 0; i < kWarp; ++i)
      if ((mask & ~mine) >> i & 1) fibers[first + i]->state = State::kReady;
  } else {
    wait(State::kInWarp, where);
  }
  return m;
}

}  // namespace

void seed(uint64_t value) {
  seed_now = value;
  launches = 0;
}

void stop(const std::string& what) {
  fault = what;
  _longjmp(scheduler, 1);
}

unsigned lane() { return running.thread % kWarp; }
void barrier(const Where& where) { wait(State::kAtBarrier, where); }
uint64_t exchange(unsigned mask, uint64_t bits, unsigned source, const Where& where) {
  Packet packet;
  std::memcpy(packet.bytes, &bits, sizeof bits);
  const Meeting& m = meet(mask, packet, false, where);
  if (source >= kWarp || !(mask >> source & 1)) stop("a shuffle reads a lane outside its mask");
  std::memcpy(&bits, m.out[source].bytes, sizeof bits);
  return bits;
}
unsigned vote(unsigned mask, bool mine, const Where& where) {
  return meet(mask, {}, mine, where).votes_out;
}
void gather(const void* mine, size_t bytes, void* all, const Where& where) {
  Packet packet;
  std::memcpy(packet.bytes, mine, bytes);
  const Meeting& m = meet(0xffffffffu, packet, false, where);
  for (unsigned i = 0; i < kWarp; ++i)
    std::memcpy(static_cast<char*>(all) + i * bytes, m.out[i].bytes, bytes);
}

int run(const Launch& launch) {
  const unsigned threads = launch.block.x * launch.block.y * launch.block.z;
  if (threads == 0 || threads > kMaxThreads || launch.grid.x == 0 || launch.grid.y == 0 ||
      launch.grid.z == 0 || launch.grid.y > kMaxGridYZ || launch.grid.z > kMaxGridYZ)
    return 9;  // cudaErrorInvalidConfiguration
  while (fibers.size() < threads) fibers.push_back(std::make_unique<Fiber>());
  earshot::Random random(seed_now, earshot::Purpose::kShuffle, static_cast<uint32_t>(launches++),
                         0);
  launch_now = &launch;
  running.arguments = static_cast<const char*>(launch.arguments);
  running.argument_bytes = launch.argument_bytes;
  gridDim = launch.grid;
  blockDim = launch.block;
  begin_launch();
  const uint64_t blocks = uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
  std::vector<uint64_t> order(blocks);
  for (uint64_t i = 0; i < blocks; ++i) order[i] = i;
  for (uint64_t i = blocks; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  try {
    for (const uint64_t block : order) {
      running.block = block;
      blockIdx = {static_cast<unsigned>(block % launch.grid.x),
                  static_cast<unsigned>(block / launch.grid.x % launch.grid.y),
                  static_cast<unsigned>(block / launch.grid.x / launch.grid.y)};
      run_block(threads, random);
    }
  } catch (const Fault&) {
    fibers.clear();  // stopped somewhere in the kernel
    throw;
  }
  return 0;
}

}  // namespace emulator

int atomicOr(int* address, int value) {
  emulator::access(address, sizeof *address, emulator::Access::kAtomic);
  const int before = *address;
  *address = before | value;
  return before;
}
int atomicMax(int* address, int value) {
  emulator::access(address, sizeof *address, emulator::Access::kAtomic);
  const int before = *address;
  *address = std::max(before, value);
  return before;
}
