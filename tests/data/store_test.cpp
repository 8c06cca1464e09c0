#include "data/store.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "data/store_writer.h"
#include "engine/checked_json.h"
#include "tests/data/sound.h"
#include "tests/scratch.h"

namespace earshot {
namespace {

class StoreTest : public testing::Test {
 protected:
  void SetUp() override { write("0123456789abcdef"); }

  void write(const std::string& fingerprint) {
    index_ = {};
    index_.classes = {"Bark", "Meow"};
    index_.fingerprint = fingerprint;
    index_.features.peak = true;
    index_.problems = {{"b, c.wav", 3, "empty: \"nothing\"", true}};
    StoreWriter writer(folder_, fingerprint);
    for (const int64_t length : {5, 0, 300}) {
      Clip clip;
      clip.name = std::to_string(length) + ".wav";
      clip.label = length == 0 ? -1 : 1;
      clip.split = length == 0 ? Split::kTest : Split::kTrain;
      clip.usage = length == 0 ? Usage::kPrivate : Usage::kNone;
      clip.group = "g";
      clip.manually_verified = length != 5;
      samples_.assign(length, static_cast<int16_t>(length));
      mel_.assign(mel_frames(length) * kMelBands, static_cast<float>(length) / 7.0f);
      writer.add(clip, samples_, mel_, -float(length) / 3.0f);
      index_.clips.push_back(clip);
    }
    writer.commit(index_);
  }

  fs::path data_file() const { return folder_ / "clips-0123456789abcdef.bin"; }

  std::string sentence() const {
    return error_of([&] { Store(folder_).verify(); });
  }

  /// Changes index.json and says what opening it gives.
  template <typename Change>
  std::string with_index(Change change) const {
    constexpr JsonFormat kFormat{"earshot clip store", kStoreVersion};
    nlohmann::json json = checked_from_text(kFormat, read_file(folder_ / "index.json"));
    change(json);
    write_file(folder_ / "index.json", checked_to_text(kFormat, json));
    return sentence();
  }

  Scratch scratch_;
  fs::path folder_ = scratch_.path();
  StoreIndex index_;
  std::vector<int16_t> samples_;  // of the last clip
  std::vector<float> mel_;
};

TEST_F(StoreTest, GivesBackWhatWasWritten) {
  const Store store(folder_);
  const StoreIndex& got = store.index();
  EXPECT_EQ(got.classes, index_.classes);
  EXPECT_EQ(got.features, index_.features);
  EXPECT_EQ(got.fingerprint, index_.fingerprint);
  ASSERT_EQ(got.problems.size(), 1u);
  EXPECT_EQ(got.problems[0].reason, "empty: \"nothing\"");
  ASSERT_EQ(got.clips.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    const Clip& a = got.clips[i];
    const Clip& b = index_.clips[i];
    EXPECT_EQ(std::tie(a.name, a.label, a.split, a.usage, a.group, a.manually_verified, a.samples,
                       a.frames, a.mel_floor, a.hash),
              std::tie(b.name, b.label, b.split, b.usage, b.group, b.manually_verified, b.samples,
                       b.frames, b.mel_floor, b.hash));
    EXPECT_EQ(a.sample_offset % 64, 0);
    EXPECT_EQ(a.mel_offset % 64, 0);
  }
  EXPECT_TRUE(std::ranges::equal(store.samples(2), samples_));
  EXPECT_TRUE(std::ranges::equal(store.log_mel(2), mel_));
  EXPECT_TRUE(store.samples(1).empty());
  EXPECT_TRUE(store.log_mel(1).empty());
  EXPECT_EQ(sentence(), "no error");
  EXPECT_EQ(read_file(folder_ / "problems.csv"),
            "file,row,reason,left_out\n\"b, c.wav\",3,\"empty: \"\"nothing\"\"\",yes\n");
}

TEST_F(StoreTest, NewStoreReplacesTheOldOneAndItsData) {
  write_text(folder_ / "clips-0123456789abcdef.bin.77.partial", "killed");
  write_text(folder_ / "problems.csv.77.partial", "killed");
  write_text(folder_ / "index.json.77.partial", "killed");
  write("fedcba9876543210");
  EXPECT_EQ(Store(folder_).index().fingerprint, "fedcba9876543210");
  EXPECT_FALSE(fs::exists(data_file()));
  EXPECT_EQ(scratch_.count(), 3u);  // data, index, problems
}

TEST_F(StoreTest, WriterWithoutCommitLeavesTheOldStore) {
  {
    StoreWriter writer(folder_, "fedcba9876543210");
    Clip clip;
    writer.add(clip, samples_, mel_, 0.0f);
  }
  EXPECT_EQ(sentence(), "no error");
  EXPECT_EQ(scratch_.count(), 3u);
}

TEST_F(StoreTest, MissingStoreSaysPrepare) {
  for (const fs::path& folder : {folder_ / "none", folder_ / "index.json"}) {
    EXPECT_TRUE(contains(error_of([&] { Store{folder}; }), "holds no clip store; make one"));
  }
}

TEST_F(StoreTest, RefusesAnotherVersion) {
  std::string text = read_file(folder_ / "index.json");
  text.replace(text.find("\"version\": 2"), 12, "\"version\": 3");
  write_file(folder_ / "index.json", text);
  EXPECT_TRUE(
      contains(sentence(), "is of version 3, this program reads version 2; run prepare again"));
}

TEST_F(StoreTest, RefusesDamagedIndexes) {
  const std::string good = read_file(folder_ / "index.json");
  const auto damaged = [&](auto change) {
    const std::string text = with_index(change);
    write_file(folder_ / "index.json", good);
    EXPECT_TRUE(contains(text, folder_.string())) << text;
    EXPECT_TRUE(contains(text, "run prepare again")) << text;
  };
  damaged([](auto& json) { json.erase("clips"); });
  damaged([](auto& json) { json["clips"][0]["samples"] = "many"; });
  damaged([](auto& json) { json["clips"][0]["samples"] = -1; });
  damaged([](auto& json) { json["clips"][0]["frames"] = 2; });
  damaged([](auto& json) { json["clips"][0]["sample_offset"] = -64; });
  damaged([](auto& json) { json["clips"][0]["sample_offset"] = 1; });
  damaged([](auto& json) { json["clips"][2]["mel_offset"] = int64_t{1} << 62; });
  damaged([](auto& json) {
    json["clips"][2]["samples"] = INT64_MAX;
    json["clips"][2]["frames"] = mel_frames(INT64_MAX);
  });
  damaged([](auto& json) { json["clips"][0]["label"] = 2; });
  damaged([](auto& json) { json["clips"][0]["split"] = "both"; });
  damaged([](auto& json) { json["data_file"] = "../other/clips-1.bin"; });
  damaged([](auto& json) { json["data_file"] = "clips-1.bin"; });
  damaged([](auto& json) { json["features"]["log"] = "bel"; });
  damaged([](auto& json) { json["content_hash"] = 1; });
  damaged([](auto& json) { json = nlohmann::json::object(); });
  for (const char* text : {"[]", "", "{}", "{\"checksum\": 1}"}) {
    write_file(folder_ / "index.json", text);
    EXPECT_TRUE(contains(sentence(), *text == '{' ? "is no earshot clip store" : "is damaged"));
  }
  std::string relabelled = good;
  relabelled.replace(relabelled.find("\"label\": 1"), 10, "\"label\": 0");
  write_file(folder_ / "index.json", relabelled);
  EXPECT_TRUE(contains(sentence(), "differs from its checksum"));
  write_file(folder_ / "index.json", good.substr(0, good.size() / 2));
  EXPECT_TRUE(contains(sentence(), "is damaged"));
}

TEST_F(StoreTest, RefusesDamagedData) {
  const std::string good = read_file(data_file());
  const auto with_data = [&](const std::string& bytes) {
    write_file(data_file(), bytes);
    return sentence();
  };
  EXPECT_TRUE(contains(with_data(good.substr(0, 63)), "is cut off"));
  EXPECT_TRUE(contains(with_data(good.substr(0, good.size() - 1)), "bytes of"));
  EXPECT_TRUE(contains(with_data("X" + good.substr(1)), "is no data file"));
  std::string flipped = good;
  flipped[64] ^= 1;
  EXPECT_TRUE(contains(with_data(flipped), "clip '5.wav' changed on disk"));
}

}  // namespace
}  // namespace earshot
