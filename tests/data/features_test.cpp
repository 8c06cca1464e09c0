#include "data/features.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "tests/scratch.h"

namespace earshot {
namespace {

using nlohmann::json;

TEST(Features, ComeBackFromJson) {
  for (const LogScale scale : {LogScale::kAmplitudeDb, LogScale::kPowerDb}) {
    const FeatureSettings settings{.log_scale = scale, .trim_db = 33.5, .peak = true};
    EXPECT_EQ(features_from_json(json::parse(to_json(settings).dump())), settings);
  }
  EXPECT_EQ(features_from_json(json::object()), FeatureSettings{});
}

TEST(Features, RefuseWhatTheyDoNotKnow) {
  const auto sentence = [](const char* text) {
    return error_of([&] { features_from_json(json::parse(text)); });
  };
  EXPECT_TRUE(contains(sentence(R"({"trim": 3})"), "unknown key 'trim'"));
  EXPECT_TRUE(contains(sentence(R"({"log": "db"})"), "features.log"));
  EXPECT_TRUE(contains(sentence(R"({"trim_db": "40"})"), "features.trim_db"));
  EXPECT_TRUE(contains(sentence(R"({"trim_db": -1})"), "features.trim_db"));
  EXPECT_TRUE(contains(sentence(R"({"peak": 1})"), "features.peak"));
  EXPECT_TRUE(contains(sentence("[]"), "must be an object"));
}

TEST(Features, CountMelFrames) {
  EXPECT_EQ(mel_frames(0), 0);
  EXPECT_EQ(mel_frames(1), 1);
  EXPECT_EQ(mel_frames(255), 1);
  EXPECT_EQ(mel_frames(256), 2);
}

}  // namespace
}  // namespace earshot
