#include "engine/tensorboard.h"

#include <unistd.h>

#include <array>
#include <bit>
#include <chrono>
#include <cstring>
#include <string_view>
#include <system_error>

#include "engine/error.h"

namespace earshot {
namespace {

// Fields of tensorflow/core/util/event.proto and framework/summary.proto.
constexpr uint32_t kEventWallTime = 1, kEventStep = 2, kEventFileVersion = 3, kEventSummary = 5;
constexpr uint32_t kSummaryValue = 1, kValueTag = 1, kValueSimple = 2;

enum class WireType : uint32_t { kVarint = 0, k64Bit = 1, kBytes = 2, k32Bit = 5 };

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7F) | 0x80);
  out += static_cast<char>(value);
}

void put_key(std::string& out, uint32_t field, WireType type) {
  put_varint(out, field << 3 | static_cast<uint32_t>(type));
}

void put_bytes(std::string& out, uint32_t field, std::string_view bytes) {
  put_key(out, field, WireType::kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

/// The bytes of a number as it lies in memory.
template <typename T>
void put_raw(std::string& out, T value) {
  static_assert(std::endian::native == std::endian::little);
  std::array<char, sizeof(T)> bytes;
  std::memcpy(bytes.data(), &value, sizeof(T));
  out.append(bytes.data(), bytes.size());
}

double wall_time() {
  using Seconds = std::chrono::duration<double>;
  return Seconds(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string event_now() {
  std::string event;
  put_key(event, kEventWallTime, WireType::k64Bit);
  put_raw(event, wall_time());
  return event;
}

/// TFRecord stores a CRC of data that may hold CRCs, hence rotates and offsets it.
uint32_t masked_crc(std::string_view bytes) {
  return std::rotr(crc32c(bytes.data(), bytes.size()), 15) + 0xA282EAD8u;
}

constexpr std::array<uint32_t, 256> crc_table() {
  constexpr uint32_t kReversedPolynomial = 0x82F63B78u;
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < table.size(); ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? kReversedPolynomial : 0);
    table[i] = crc;
  }
  return table;
}

}  // namespace

uint32_t crc32c(const void* data, size_t bytes) {
  static constexpr std::array<uint32_t, 256> kTable = crc_table();
  const auto* at = static_cast<const unsigned char*>(data);
  uint32_t crc = ~0u;
  for (size_t i = 0; i < bytes; ++i) crc = (crc >> 8) ^ kTable[(crc ^ at[i]) & 0xFF];
  return ~crc;
}

EventWriter::EventWriter(const fs::path& folder) {
  std::array<char, 64> host{};
  if (::gethostname(host.data(), host.size() - 1) < 0) host = {"localhost"};
  const std::string name = fmt::format("events.out.tfevents.{}.{}.{}",
                                       static_cast<int64_t>(wall_time()), host.data(), ::getpid());
  fs::path path = folder / name;
  std::error_code ignored;
  for (int i = 1; fs::exists(path, ignored); ++i) path = folder / fmt::format("{}.{}", name, i);
  file_ = std::make_unique<LineFile>(path, 0);
  std::string event = event_now();
  put_bytes(event, kEventFileVersion, "brain.Event:2");
  record(event);
}

void EventWriter::scalar(const std::string& tag, int64_t step, double value) {
  std::string point;
  put_bytes(point, kValueTag, tag);
  put_key(point, kValueSimple, WireType::k32Bit);
  put_raw(point, static_cast<float>(value));
  std::string summary;
  put_bytes(summary, kSummaryValue, point);
  std::string event = event_now();
  put_key(event, kEventStep, WireType::kVarint);
  put_varint(event, static_cast<uint64_t>(step));
  put_bytes(event, kEventSummary, summary);
  record(event);
}

void EventWriter::record(const std::string& event) {
  std::string framed;
  put_raw(framed, static_cast<uint64_t>(event.size()));
  put_raw(framed, masked_crc(framed));
  framed += event;
  put_raw(framed, masked_crc(event));
  file_->append_record(framed);
}

}  // namespace earshot
