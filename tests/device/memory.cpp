// tests/emulator/emulator.h on a real GPU: the same tests of the kernels, with memory of the device
// between guard bands. What a device cannot tell (races, barriers, loads of what nobody stored) is
// compute-sanitizer's to find.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/emulator/emulator.h"

namespace emulator {
namespace {

constexpr int64_t kGuard = 256;          // bytes on either side of a buffer; keeps its alignment
constexpr unsigned char kCanary = 0xA5;  // in guard bands
constexpr unsigned char kPoison = 0xFF;  // a NaN in every format

void check_call(cudaError_t status, const std::string& what) {
  if (status != cudaSuccess) throw Fault(what + ": CUDA: " + cudaGetErrorString(status));
}

/// Without a GPU every test is skipped, with the reason.
class NeedsGpu : public testing::Environment {
  void SetUp() override {
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status != cudaSuccess) GTEST_SKIP() << "no GPU to test on: " << cudaGetErrorString(status);
  }
};
const auto* const kEnvironment = testing::AddGlobalTestEnvironment(new NeedsGpu);

}  // namespace

void seed(uint64_t) {}  // a device has schedules of its own

struct Region {
  std::string name;
  unsigned char* block = nullptr;  // the device's, with the guard bands
  int64_t bytes = 0, cell_bytes = 0;
  Memory::Content content = Memory::Content::kInput;
  std::vector<unsigned char> written;  // of an input, which must stay so

  std::vector<unsigned char> on_host() const {
    std::vector<unsigned char> all(static_cast<size_t>(bytes + 2 * kGuard));
    check_call(cudaMemcpy(all.data(), block, all.size(), cudaMemcpyDeviceToHost), name);
    return all;
  }
  /// The first thing wrong with it; empty where nothing is.
  std::string fault() const {
    const std::vector<unsigned char> all = on_host();
    const auto begin = all.begin() + kGuard, end = begin + bytes;
    const auto touched = [](unsigned char byte) { return byte != kCanary; };
    if (std::any_of(all.begin(), begin, touched) || std::any_of(end, all.end(), touched))
      return "a guard band of " + name + " was touched";
    if (content == Memory::Content::kInput && !std::equal(begin, end, written.begin()))
      return "the input " + name + " was changed";
    if (content != Memory::Content::kUndefined || cell_bytes < 4) return "";  // may be a value
    for (auto cell = begin; cell < end; cell += cell_bytes)
      if (std::all_of(cell, cell + cell_bytes, [](unsigned char b) { return b == kPoison; }))
        return name + " [" + std::to_string((cell - begin) / cell_bytes) + "] was never stored";
    return "";
  }
};

Memory::Memory(std::string name, int64_t cells, int64_t cell_bytes, Content content)
    : region_(new Region) {
  Region& r = *region_;
  r.name = std::move(name);
  r.bytes = cells * cell_bytes;
  r.cell_bytes = cell_bytes;
  r.content = content;
  const auto bytes = static_cast<size_t>(r.bytes);
  check_call(cudaMalloc(&r.block, bytes + 2 * kGuard), r.name);
  check_call(cudaMemset(r.block, kCanary, bytes + 2 * kGuard), r.name);
  if (bytes > 0) check_call(cudaMemset(data(), kPoison, bytes), r.name);
}

Memory::~Memory() {
  if (region_->content == Content::kInput) {
    EXPECT_EQ(region_->fault(), "");
  }
  cudaFree(region_->block);
  delete region_;
}

unsigned char* Memory::data() const { return region_->block + kGuard; }

void Memory::write(const void* from) {
  if (region_->bytes == 0) return;
  const auto* bytes = static_cast<const unsigned char*>(from);
  region_->written.assign(bytes, bytes + region_->bytes);
  check_call(cudaMemcpy(data(), from, region_->written.size(), cudaMemcpyHostToDevice),
             region_->name);
}

void Memory::read(void* to) const {
  if (region_->bytes == 0) return;
  check_call(cudaMemcpy(to, data(), static_cast<size_t>(region_->bytes), cudaMemcpyDeviceToHost),
             region_->name);
}

void Memory::check() const {
  if (const std::string fault = region_->fault(); !fault.empty()) throw Fault(fault);
}

}  // namespace emulator
