// Flips, cuts, extends, zeroes, doubles and swaps regions of good files. Every mutation is refused
// with one sentence or, where files carry a checksum, changes nothing that was read. A header that
// promises gigabytes must not make us ask for them: memory is limited to 256 MB more than at start.
// EARSHOT_MUTATIONS sets how many of each file (default 300).
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>
#include <fstream>

#include "kernels/philox.h"
#include "tests/faults/targets.h"

namespace earshot {
namespace {

#ifdef __has_feature
constexpr bool kShadowMemory =  // a sanitizer's, larger than any limit
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool kShadowMemory = false;
#endif

int mutations() {
  const char* count = std::getenv("EARSHOT_MUTATIONS");
  return count ? std::atoi(count) : 300;
}

std::string mutated(std::string bytes, Random& random) {
  const auto place = [&] { return static_cast<size_t>(random.below(bytes.size())); };
  const size_t at = place();
  const size_t length = std::min<size_t>(bytes.size() - at, 1 + random.below(64));
  switch (random.below(8)) {
    case 0:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
      break;
    case 1:
      bytes[at] = static_cast<char>(random.below(256));
      break;
    case 2:
      bytes.resize(at);
      break;
    case 3:
      bytes.insert(at, length, static_cast<char>(random.below(256)));
      break;
    case 4:
      bytes.replace(at, length, length, '\0');
      break;
    case 5:
      bytes.replace(at, length, length, '\xff');
      break;
    case 6:
      bytes.insert(at, bytes.substr(place(), length));
      break;
    default:
      bytes.append(length, static_cast<char>(random.below(256)));
  }
  return bytes;
}

/// Address space for as long as it lives: what asks for more gets std::bad_alloc, which is no
/// Error.
class MemoryLimit {
 public:
  explicit MemoryLimit(uint64_t more) {
    getrlimit(RLIMIT_AS, &old_);
    uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    rlimit limit = old_;
    limit.rlim_cur = std::min<rlim_t>(old_.rlim_max, pages * 4096 + more);
    if (!kShadowMemory) setrlimit(RLIMIT_AS, &limit);
  }
  ~MemoryLimit() { setrlimit(RLIMIT_AS, &old_); }

 private:
  rlimit old_{};
};

class Mutations : public testing::TestWithParam<FaultTarget> {};

TEST_P(Mutations, AreRefusedOrHarmless) {
  const FaultTarget& target = GetParam();
  int refused = 0, read = 0;
  const std::vector<std::string> seeds = target.seeds();
  const MemoryLimit limit(uint64_t{256} << 20);
  for (size_t s = 0; s < seeds.size(); ++s) {
    const Outcome whole = target.read(seeds[s]);
    ASSERT_FALSE(whole.refused) << whole.text;
    Random random(11, Purpose::kAugment, static_cast<uint32_t>(s), 0);
    for (int i = 0; i < mutations(); ++i) {
      const std::string bytes = mutated(seeds[s], random);
      SCOPED_TRACE(testing::Message() << "mutation " << i << " of seed " << s);
      Outcome outcome;
      ASSERT_NO_THROW(outcome = target.read(bytes)) << bytes;
      ++(outcome.refused ? refused : read);
      if (outcome.refused) {
        EXPECT_FALSE(outcome.text.empty());
        EXPECT_EQ(outcome.text.find('\n'), std::string::npos) << outcome.text;
      } else if (target.checked) {
        ASSERT_EQ(outcome.text, whole.text);
      }
    }
  }
  RecordProperty("refused", refused);
  RecordProperty("read", read);
  EXPECT_GT(refused, 0);
}

INSTANTIATE_TEST_SUITE_P(Files, Mutations,
                         testing::ValuesIn(fault_targets().begin(), fault_targets().end()),
                         [](const auto& p) {
                           std::string name = p.param.name;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace earshot
