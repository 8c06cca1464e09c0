#include "engine/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/scratch.h"

namespace earshot {
namespace {

template <typename T>
SafetensorsEntry entry(std::string name, SafetensorsType type, std::vector<int64_t> shape,
                       const std::vector<T>& data) {
  return {std::move(name), type, std::move(shape), std::as_bytes(std::span(data))};
}

const std::vector<float> kFloats{1, -2, 3.5f, 0, 5, 6};
const std::vector<double> kDoubles{0.1, 1e300, -1};
const std::vector<int64_t> kIntegers{-1, int64_t{1} << 60};
const std::vector<uint8_t> kBytes{1, 2, 255};

void write_sample(const fs::path& path) {
  write_safetensors(path,
                    {entry("bytes", SafetensorsType::kU8, {3}, kBytes),
                     entry("a \"quoted\" n\u00e4me", SafetensorsType::kF32, {2, 3}, kFloats),
                     entry("doubles", SafetensorsType::kF64, {1, 3, 1}, kDoubles),
                     entry("integers", SafetensorsType::kI64, {2}, kIntegers),
                     entry("empty", SafetensorsType::kF32, {0, 7}, std::vector<float>{}),
                     entry("scalar", SafetensorsType::kU8, {}, std::vector<uint8_t>{9})},
                    {{"recipe", "three phases"}, {"content_hash", "is replaced"}});
}

/// Writes a file as it is given, valid or not; `length` of -1 means the true one.
void write_raw(const fs::path& path, const std::string& header, size_t data_bytes,
               int64_t length = -1) {
  const uint64_t stated = length < 0 ? header.size() : static_cast<uint64_t>(length);
  std::string text(8, '\0');
  std::memcpy(text.data(), &stated, 8);
  write_file(path, text + header + std::string(data_bytes, '\0'));
}

std::string reading(const fs::path& path) {
  const std::string error = error_of([&] { SafetensorsFile file(path); });
  EXPECT_TRUE(error == "no error" || contains(error, path.string())) << error;
  return error;
}

TEST(Safetensors, ReadsBackWhatItWrote) {
  const Scratch scratch;
  write_sample(scratch / "f");
  const SafetensorsFile file(scratch / "f");
  ASSERT_EQ(file.tensors().size(), 6u);
  EXPECT_EQ(file.tensors()[0].name, "bytes");
  EXPECT_EQ(file.tensors()[5].name, "scalar");
  EXPECT_EQ(file.require_metadata("recipe"), "three phases");
  EXPECT_EQ(file.require_metadata("content_hash").size(), 16u);
  EXPECT_TRUE(contains(error_of([&] { file.require_metadata("x"); }), "no metadata entry x"));
  EXPECT_EQ(file.find("absent"), nullptr);

  const SafetensorsEntry* floats = file.find("a \"quoted\" n\u00e4me");
  ASSERT_NE(floats, nullptr);
  EXPECT_EQ(floats->type, SafetensorsType::kF32);
  EXPECT_EQ(floats->shape, (std::vector<int64_t>{2, 3}));
  ASSERT_EQ(floats->bytes.size(), 24u);
  EXPECT_EQ(std::memcmp(floats->bytes.data(), kFloats.data(), 24), 0);
  const SafetensorsEntry* doubles = file.find("doubles");
  ASSERT_EQ(doubles->bytes.size(), 24u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(doubles->bytes.data()) % 8, 0u);
  EXPECT_EQ(std::memcmp(doubles->bytes.data(), kDoubles.data(), 24), 0);
  EXPECT_EQ(std::memcmp(file.find("integers")->bytes.data(), kIntegers.data(), 16), 0);
  EXPECT_EQ(std::memcmp(file.find("bytes")->bytes.data(), kBytes.data(), 3), 0);
  EXPECT_EQ(file.find("empty")->bytes.size(), 0u);
  EXPECT_EQ(file.find("scalar")->bytes[0], std::byte{9});
}

TEST(Safetensors, RefusesToWriteWhatCannotBeRead) {
  const Scratch scratch;
  const auto writing = [&](std::vector<SafetensorsEntry> tensors, const Metadata& metadata = {}) {
    return error_of([&] { write_safetensors(scratch / "f", tensors, metadata); });
  };
  const auto bytes = [](std::string name, std::vector<int64_t> shape) {
    return entry(std::move(name), SafetensorsType::kU8, std::move(shape), kBytes);
  };
  EXPECT_TRUE(contains(writing({bytes("a", {3}), bytes("a", {3})}), "two tensors are named a"));
  EXPECT_TRUE(contains(writing({bytes("a", {4})}), "tensor a has 3 bytes"));
  EXPECT_TRUE(contains(writing({bytes("a", {-3, -1})}), "tensor a has 3 bytes"));
  EXPECT_TRUE(contains(writing({bytes("a", std::vector<int64_t>(17, 1))}), "dimensions"));
  EXPECT_TRUE(contains(writing({bytes("", {3})}), "tensor name"));
  EXPECT_TRUE(contains(writing({bytes("__metadata__", {3})}), "tensor name"));
  EXPECT_TRUE(contains(writing({bytes("\xff", {3})}), "UTF-8"));
  EXPECT_TRUE(contains(writing({}, {{"key", "\xff"}}), "UTF-8"));
  EXPECT_EQ(scratch.count(), 0u);
}

TEST(Safetensors, EveryTruncationAndEveryFlippedByteIsFound) {
  const Scratch scratch;
  write_sample(scratch / "whole");
  const std::string whole = read_file(scratch / "whole");
  for (size_t size = 0; size < whole.size(); ++size) {
    write_file(scratch / "cut", whole.substr(0, size));
    ASSERT_TRUE(contains(reading(scratch / "cut"), "no usable safetensors file")) << size;
  }
  write_file(scratch / "long", whole + '\0');
  EXPECT_TRUE(contains(reading(scratch / "long"), "follow the last tensor"));
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, whole.data(), 8);
  for (size_t i = 8 + header_bytes; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x80);
    write_file(scratch / "flipped", damaged);
    ASSERT_TRUE(contains(reading(scratch / "flipped"), "differs from its checksum")) << i;
  }
}

TEST(Safetensors, ATensorThatChangesItsNameIsFound) {
  const Scratch scratch;
  write_sample(scratch / "f");
  std::string text = read_file(scratch / "f");
  text.replace(text.find("\"doubles\""), 9, "\"Doubles\"");
  write_file(scratch / "g", text);
  EXPECT_TRUE(contains(reading(scratch / "g"), "differs from its checksum"));
}

TEST(Safetensors, ReadsAFileWithoutHash) {
  const Scratch scratch;
  write_raw(scratch / "f", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  )", 8);
  EXPECT_EQ(reading(scratch / "f"), "no error");
  write_raw(scratch / "none", "{} ", 0);
  EXPECT_EQ(reading(scratch / "none"), "no error");
}

struct Damage {
  const char* header;
  size_t data_bytes;
  const char* sentence;
};

class DamagedHeader : public testing::TestWithParam<Damage> {};

TEST_P(DamagedHeader, IsNamed) {
  const Scratch scratch;
  std::string header = GetParam().header;
  header.resize((header.size() + 7) / 8 * 8, ' ');
  write_raw(scratch / "f", header, GetParam().data_bytes);
  const std::string error = reading(scratch / "f");
  EXPECT_TRUE(contains(error, GetParam().sentence)) << error;
}

INSTANTIATE_TEST_SUITE_P(
    Safetensors, DamagedHeader,
    testing::Values(
        Damage{R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},
                   "b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
               6, "tensor b overlaps"},
        Damage{R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},
                   "b":{"dtype":"U8","shape":[4],"data_offsets":[5,9]}})",
               9, "tensor b leaves a gap"},
        Damage{R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 3, "0 to 4"},
        Damage{R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}})", 4, "4 to 0"},
        Damage{R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,18446744073709551615]}})", 4,
               "0 to 18446744073709551615"},
        Damage{R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,18446744073709551616]}})", 4,
               "a fraction"},
        Damage{R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},
                   "b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})",
               5, "tensor b is not aligned"},
        Damage{R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},
                   "a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
               8, "two tensors named a"},
        Damage{R"({"__metadata__":{"k":"1","k":"2"}})", 0, "two metadata entries named k"},
        Damage{R"({"__metadata__":{},"__metadata__":{}})", 0, "two tensors named __metadata__"},
        Damage{R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0,
               "shape [4294967296, 4294967296] has 0 bytes"},
        Damage{R"({"a":{"dtype":"F32","shape":[9223372036854775807],"data_offsets":[0,4]}})", 4,
               "has 4 bytes"},
        Damage{R"({"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}})", 4,
               "impossible dimension"},
        Damage{R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "negative"},
        Damage{R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", 4, "fraction"},
        Damage{R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})", 4, "the type F16"},
        Damage{R"({"a":{"dtype":"F32","shape":[1]}})", 4, "lacks"},
        Damage{R"({"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}})", 4,
               "two entries shape"},
        Damage{R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, "without an end"},
        Damage{R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}})", 4, "more than two"},
        Damage{R"({"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", 4, "a list"},
        Damage{R"({"a":{"dtype":"F32","shape":{},"data_offsets":[0,4]}})", 4, "an object"},
        Damage{R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", 4, "unknown"},
        Damage{R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],
                   "data_offsets":[0,4]}})",
               4, "too many dimensions"},
        Damage{R"({"a":null})", 0, "a null"}, Damage{R"({"a":true})", 0, "a true or false"},
        Damage{R"({"__metadata__":{"k":1}})", 0, "a number"},
        Damage{R"({"__metadata__":"k"})", 0, "a text"}, Damage{R"([])", 0, "a list"},
        Damage{R"(1)", 0, "a number"}, Damage{"", 0, "no valid JSON"},
        Damage{"{\"a\xff\":1}", 0, "no valid JSON"}, Damage{"{} {}", 0, "no valid JSON"}));

TEST(Safetensors, AHeaderLengthThatLiesIsFound) {
  const Scratch scratch;
  write_raw(scratch / "beyond", "{}", 0, 3);
  EXPECT_TRUE(contains(reading(scratch / "beyond"), "cut short"));
  write_raw(scratch / "huge", "{}", 0, 100'000'001);
  EXPECT_TRUE(contains(reading(scratch / "huge"), "claims 100000001 bytes"));
  write_raw(scratch / "negative", "{}", 0, INT64_MAX);
  EXPECT_TRUE(contains(reading(scratch / "negative"), "claims"));
}

TEST(Safetensors, ADeepHeaderIsRefusedAtOnce) {
  const Scratch scratch;
  write_raw(scratch / "lists", std::string(10'000'000, '['), 0);
  EXPECT_TRUE(contains(reading(scratch / "lists"), "a list where none belongs"));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  write_raw(scratch / "objects", objects, 0);
  EXPECT_TRUE(contains(reading(scratch / "objects"), "an unknown entry a"));
}

}  // namespace
}  // namespace earshot
