#include "data/npy.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "tests/scratch.h"

namespace earshot {
namespace {

TEST(Npy, HasTheHeaderOfTheFormatAndTheValues) {
  const Scratch scratch;
  const std::vector<float> values = {1.5f, -2.0f, 0.0f, 4.0f, 5.0f, 6.25f};
  write_npy(scratch / "x.npy", values, 2, 3);
  const std::string bytes = read_file(scratch / "x.npy");
  const size_t start = bytes.size() - values.size() * sizeof(float);
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  const auto length = static_cast<size_t>(static_cast<unsigned char>(bytes[8])) +
                      256 * static_cast<size_t>(static_cast<unsigned char>(bytes[9]));
  EXPECT_EQ(10 + length, start);
  EXPECT_EQ(start % 64, 0u);
  EXPECT_TRUE(
      bytes.substr(10).starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"));
  EXPECT_EQ(bytes[start - 1], '\n');
  EXPECT_EQ(std::memcmp(&bytes[start], values.data(), values.size() * sizeof(float)), 0);
}

TEST(Npy, RefusesAShapeThatDoesNotFit) {
  const Scratch scratch;
  EXPECT_TRUE(contains(error_of([&] { write_npy(scratch / "x.npy", {}, 2, 3); }), "no matrix"));
  EXPECT_EQ(scratch.count(), 0u);
}

}  // namespace
}  // namespace earshot
