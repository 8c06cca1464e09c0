#include "tests/emulator/memory.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "tests/emulator/emulator.h"

extern unsigned char __start_emulated_shared[], __stop_emulated_shared[];  // static __shared__
extern char __executable_start[], _end[];                                  // the program's image

// The section must exist where no kernel has static shared memory.
__attribute__((section("emulated_shared"), used)) static unsigned char first_of_section[16];

namespace emulator {

Running running;

namespace {

constexpr int64_t kGuard = 256;          // bytes on either side of a buffer
constexpr unsigned char kCanary = 0xA5;  // in guard bands
constexpr unsigned char kPoison = 0xFF;  // a NaN in every format
constexpr uint32_t kNobody = 0xffffffff, kManyWarps = 0xfffffffe;
constexpr uint32_t kWholeWarp = 0x40000000;  // | warp: several of its threads
constexpr uint64_t kManyBlocks = UINT64_MAX;

/// Who touched a cell last. A store or load counts while its interval lies in the launch.
struct Shadow {
  uint32_t store_interval = 0, load_interval = 0;
  uint32_t store_turn = 0, load_turn = 0;
  uint32_t storer = kNobody, loader = kNobody;
  uint64_t store_block = 0, load_block = 0;
  bool defined = false, atomic = false;
};

/// An asynchronous copy that its thread has not waited for.
struct Copy {
  void* to;
  const void* from;
  size_t bytes;
};
std::vector<std::vector<Copy>> copies;  // by thread of the block

uint32_t interval = 0, launch_begin = 0;
bool inside = false;  // an access of the emulator's own

}  // namespace

struct Region {
  std::string name;
  unsigned char* begin = nullptr;
  int64_t bytes = 0;
  int64_t granule = 1;  // bytes per shadow
  bool read_only = false, shared = false;
  std::unique_ptr<unsigned char[]> block;  // with the guard bands
  std::vector<Shadow> shadows;

  bool holds(const unsigned char* address) const {
    return address >= begin && address < begin + bytes;
  }
};

namespace {

std::vector<Region*> regions;  // the buffers that live

Region& shared_region() {
  static Region region = [] {
    Region r;
    r.name = "shared memory";
    r.begin = __start_emulated_shared;
    r.bytes = __stop_emulated_shared - __start_emulated_shared;
    r.shared = true;
    r.granule = 4;
    r.shadows.resize(static_cast<size_t>(r.bytes / r.granule + 1));
    return r;
  }();
  return region;
}

Region* find(const unsigned char* address) {
  for (Region* region : regions)
    if (region->holds(address)) return region;
  return shared_region().holds(address) ? &shared_region() : nullptr;
}

std::string who() {
  return "thread " + std::to_string(running.thread) + " of block " + std::to_string(running.block);
}

std::string verb(Access kind) {
  return kind == Access::kLoad ? " loads " : kind == Access::kStore ? " stores " : " updates ";
}

/// Names the nearest buffer of an address that lies in none.
std::string near(const unsigned char* address) {
  for (const Region* r : regions) {
    if (address >= r->begin - kGuard && address < r->begin)
      return std::to_string(r->begin - address) + " bytes before " + r->name;
    if (address >= r->begin + r->bytes && address < r->begin + r->bytes + kGuard)
      return std::to_string(address - r->begin - r->bytes) + " bytes after the end of " + r->name;
  }
  return "an address outside every buffer";
}

[[noreturn]] void race(const Region& r, int64_t cell, Access kind, const std::string& other) {
  stop("race: " + who() + verb(kind) + r.name + " [" + std::to_string(cell) + "], which " + other +
       " with no barrier between");
}

uint32_t warp_of(uint32_t thread) { return thread / 32; }

/// Whether this thread's access comes after one of `other` in the same block, or races with it.
bool ordered(uint32_t other, uint32_t other_interval, uint32_t other_turn) {
  if (other_interval != interval || other == running.thread) return true;
  if (other == kManyWarps) return false;
  const uint32_t warp = (other & kWholeWarp) ? other & ~kWholeWarp : warp_of(other);
  return warp == warp_of(running.thread) && other_turn != running.turn;
}

void check_races(const Region& r, int64_t cell, const Shadow& s, Access kind) {
  if (s.store_interval >= launch_begin && s.storer != kNobody &&
      !(s.atomic && kind == Access::kAtomic)) {
    if (!r.shared && s.store_block != running.block)
      race(r, cell, kind, "block " + std::to_string(s.store_block) + " stored");
    if (!ordered(s.storer, s.store_interval, s.store_turn))
      race(r, cell, kind, "thread " + std::to_string(s.storer) + " stored");
  }
  if (kind == Access::kLoad || s.load_interval < launch_begin || s.loader == kNobody) return;
  if (!r.shared && s.load_block != running.block) race(r, cell, kind, "another block loaded");
  if (!ordered(s.loader, s.load_interval, s.load_turn)) race(r, cell, kind, "other threads loaded");
}

void note_load(const Region& r, Shadow& s) {
  const bool first = s.load_interval < launch_begin || s.loader == kNobody;
  if (first) s.load_block = running.block;
  if (!r.shared && s.load_block != running.block) s.load_block = kManyBlocks;
  if (first || s.load_interval != interval || s.loader == running.thread) {
    s.loader = running.thread;
  } else if (s.loader != kManyWarps) {
    const uint32_t warp = (s.loader & kWholeWarp) ? s.loader & ~kWholeWarp : warp_of(s.loader);
    const bool here = warp == warp_of(running.thread);
    // A vote since then orders the warp's loads before this one.
    const bool later = s.load_turn != running.turn;
    s.loader = !here ? kManyWarps : later ? running.thread : kWholeWarp | warp;
  }
  s.load_interval = interval;
  s.load_turn = running.turn;
}

void touch(Region& r, int64_t cell, Access kind) {
  Shadow& s = r.shadows[static_cast<size_t>(cell)];
  if (kind != Access::kStore && !s.defined)
    stop(who() + " loads " + r.name + " [" + std::to_string(cell) + "], which nobody has stored");
  check_races(r, cell, s, kind);
  if (kind == Access::kLoad) {
    note_load(r, s);
    return;
  }
  s.defined = true;
  s.atomic = kind == Access::kAtomic;
  s.storer = running.thread;
  s.store_block = running.block;
  s.store_interval = interval;
  s.store_turn = running.turn;
}

}  // namespace

void begin_launch() {
  launch_begin = ++interval;
  inside = false;  // where the launch before was stopped
}
void begin_interval() { ++interval; }
void begin_block() {
  ++interval;
  copies.clear();
  Region& shared = shared_region();
  std::memset(shared.begin, kPoison, static_cast<size_t>(shared.bytes));
  std::fill(shared.shadows.begin(), shared.shadows.end(), Shadow{});
}

void access(const void* pointer, int64_t bytes, Access kind) {
  if (!running.active || inside) return;
  const auto* address = static_cast<const unsigned char*>(pointer);
  const auto* as_char = static_cast<const char*>(pointer);
  if (as_char >= running.stack && as_char < running.stack + running.stack_bytes) return;
  if (as_char >= running.arguments && as_char < running.arguments + running.argument_bytes) return;
  inside = true;
  Region* region = find(address);
  const bool constant = !region && as_char >= __executable_start && as_char < _end;
  if (!region && !(constant && kind == Access::kLoad))
    stop(who() + verb(kind) + std::to_string(bytes) + " bytes at " + near(address));
  if (region) {
    const int64_t first = address - region->begin;
    if (first + bytes > region->bytes)
      stop(who() + verb(kind) + std::to_string(bytes) + " bytes across the end of " + region->name);
    const bool one_access = bytes <= 16 && (bytes & (bytes - 1)) == 0;  // else a struct
    if (one_access && reinterpret_cast<uintptr_t>(address) % static_cast<uintptr_t>(bytes) != 0)
      stop(who() + verb(kind) + std::to_string(bytes) + " bytes at a misaligned address of " +
           region->name);
    if (region->read_only && kind != Access::kLoad)
      stop(who() + verb(kind) + "the input " + region->name);
    for (int64_t cell = first / region->granule; cell * region->granule < first + bytes; ++cell)
      touch(*region, cell, kind);
  }
  inside = false;
}

void copy_later(void* to, const void* from, size_t bytes) {
  if (copies.size() <= running.thread) copies.resize(running.thread + 1);
  copies[running.thread].push_back({to, from, bytes});
}

void finish_copies() {
  if (copies.size() <= running.thread) return;
  for (const Copy& copy : copies[running.thread]) {
    access(copy.from, static_cast<int64_t>(copy.bytes), Access::kLoad);
    access(copy.to, static_cast<int64_t>(copy.bytes), Access::kStore);
    std::memcpy(copy.to, copy.from, copy.bytes);
  }
  copies[running.thread].clear();
}

Memory::Memory(std::string name, int64_t cells, int64_t cell_bytes, Content content)
    : region_(new Region) {
  Region& r = *region_;
  r.name = std::move(name);
  r.bytes = cells * cell_bytes;
  r.granule = cell_bytes % 4 == 0 ? 4 : cell_bytes;
  r.read_only = content == Content::kInput;
  r.block.reset(new unsigned char[static_cast<size_t>(r.bytes + 3 * kGuard)]);
  std::memset(r.block.get(), kCanary, static_cast<size_t>(r.bytes + 3 * kGuard));
  const auto start = reinterpret_cast<uintptr_t>(r.block.get());
  r.begin = r.block.get() + (kGuard - start % kGuard) % kGuard + kGuard;
  std::memset(r.begin, kPoison, static_cast<size_t>(r.bytes));
  Shadow fresh;
  fresh.defined = content != Content::kUndefined;
  r.shadows.assign(static_cast<size_t>(r.bytes / r.granule), fresh);
  regions.push_back(region_);
}

Memory::~Memory() {
  regions.erase(std::find(regions.begin(), regions.end(), region_));
  delete region_;
}

unsigned char* Memory::data() const { return region_->begin; }

void Memory::write(const void* from) {
  if (region_->bytes > 0) std::memcpy(region_->begin, from, static_cast<size_t>(region_->bytes));
}
void Memory::read(void* to) const {
  if (region_->bytes > 0) std::memcpy(to, region_->begin, static_cast<size_t>(region_->bytes));
}

void Memory::check() const {
  const Region& r = *region_;
  for (int64_t i = 0; i < kGuard; ++i)
    if (r.begin[-1 - i] != kCanary || r.begin[r.bytes + i] != kCanary)
      throw Fault("a guard band of " + r.name + " was touched");
  for (size_t i = 0; i < r.shadows.size(); ++i)
    if (!r.shadows[i].defined)
      throw Fault(r.name + " [" + std::to_string(i) + "] was never stored");
}

}  // namespace emulator

using emulator::Access;

// What -fsanitize=thread calls before each access.
extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
#define EARSHOT_ACCESSES(bytes)                                                             \
  void __tsan_read##bytes(void* p) { emulator::access(p, bytes, Access::kLoad); }           \
  void __tsan_write##bytes(void* p) { emulator::access(p, bytes, Access::kStore); }         \
  void __tsan_unaligned_read##bytes(void* p) { emulator::access(p, bytes, Access::kLoad); } \
  void __tsan_unaligned_write##bytes(void* p) { emulator::access(p, bytes, Access::kStore); }
EARSHOT_ACCESSES(1)
EARSHOT_ACCESSES(2)
EARSHOT_ACCESSES(4)
EARSHOT_ACCESSES(8)
EARSHOT_ACCESSES(16)
void __tsan_read_range(void* p, long bytes) { emulator::access(p, bytes, Access::kLoad); }
void __tsan_write_range(void* p, long bytes) { emulator::access(p, bytes, Access::kStore); }
void __tsan_vptr_update(void**, void*) {}
}
