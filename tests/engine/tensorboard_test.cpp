#include "engine/tensorboard.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <ctime>
#include <vector>

#include "tests/scratch.h"

namespace earshot {
namespace {

TEST(Crc32c, KnownAnswers) {
  // The check value of the CRC catalogue, and RFC 3720 appendix B.4.
  EXPECT_EQ(crc32c("123456789", 9), 0xE3069283u);
  EXPECT_EQ(crc32c("", 0), 0u);
  EXPECT_EQ(crc32c(std::string(32, '\0').data(), 32), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xff').data(), 32), 0x62A8AB43u);
  std::string rising, falling;
  for (int i = 0; i < 32; ++i) rising += static_cast<char>(i);
  falling.assign(rising.rbegin(), rising.rend());
  EXPECT_EQ(crc32c(rising.data(), 32), 0x46DD794Eu);
  EXPECT_EQ(crc32c(falling.data(), 32), 0x113FDB5Cu);
}

template <typename T>
T number_at(const std::string& text, size_t at) {
  T value{};
  std::memcpy(&value, text.substr(at, sizeof(T)).data(), sizeof(T));
  return value;
}

uint32_t masked(const std::string& bytes) {
  const uint32_t crc = crc32c(bytes.data(), bytes.size());
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

/// Takes TFRecord frames apart, both checksums checked.
std::vector<std::string> records_of(const std::string& file) {
  std::vector<std::string> records;
  for (size_t at = 0; at < file.size();) {
    const auto length = number_at<uint64_t>(file, at);
    EXPECT_LE(at + 16 + length, file.size());
    if (at + 16 + length > file.size()) break;
    EXPECT_EQ(number_at<uint32_t>(file, at + 8), masked(file.substr(at, 8)));
    records.push_back(file.substr(at + 12, length));
    EXPECT_EQ(number_at<uint32_t>(file, at + 12 + length), masked(records.back()));
    at += 16 + length;
  }
  return records;
}

TEST(EventWriter, WritesFramedEvents) {
  const Scratch scratch;
  {
    EventWriter writer(scratch.path());
    writer.scalar("loss", 300, 0.5);
    writer.scalar("loss", -1, std::nan(""));
  }
  ASSERT_EQ(scratch.count(), 1u);
  const fs::path path = fs::directory_iterator(scratch.path())->path();
  EXPECT_EQ(path.filename().string().rfind("events.out.tfevents.", 0), 0u);
  const std::vector<std::string> records = records_of(read_file(path));
  ASSERT_EQ(records.size(), 3u);

  // Each begins with field 1, a double: the wall time.
  for (const std::string& record : records) {
    EXPECT_EQ(record[0], '\x09');
    EXPECT_NEAR(number_at<double>(record, 1), static_cast<double>(std::time(nullptr)), 60);
  }
  EXPECT_EQ(records[0].substr(9),
            "\x1a\x0d"
            "brain.Event:2");
  // step 300; summary of 13 bytes; value of 11; tag "loss"; simple_value 0.5f.
  const std::string expected("\x10\xac\x02\x2a\x0d\x0a\x0b\x0a\x04loss\x15\x00\x00\x00\x3f", 18);
  EXPECT_EQ(records[1].substr(9), expected);
  // A negative step takes ten bytes; the value stays NaN.
  EXPECT_EQ(records[2].size(), 9 + 11 + 15u);
  EXPECT_TRUE(std::isnan(number_at<float>(records[2], records[2].size() - 4)));
}

TEST(EventWriter, NeverWritesIntoAnotherWritersFile) {
  const Scratch scratch;
  EventWriter first(scratch.path()), second(scratch.path());
  first.scalar("a", 1, 1);
  second.scalar("b", 1, 1);
  EXPECT_EQ(scratch.count(), 2u);
}

TEST(EventWriter, NamesAMissingFolder) {
  const Scratch scratch;
  const std::string error = error_of([&] { EventWriter writer(scratch / "no"); });
  EXPECT_TRUE(contains(error, (scratch / "no").string())) << error;
}

}  // namespace
}  // namespace earshot
