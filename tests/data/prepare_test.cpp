#include "data/prepare.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "data/recording.h"
#include "engine/backend.h"
#include "engine/console.h"
#include "tests/data/sound.h"
#include "tests/scratch.h"

namespace earshot {
namespace {

class PrepareTest : public testing::Test {
 protected:
  void SetUp() override {
    setup_console(/*quiet=*/true);
    write_sound(source_ / "a.wav", tone(20000, 300.0));
    write_sound(source_ / "b.wav", tone(15000, 500.0));
    write_sound(source_ / "c.wav", tone(12000, 700.0));
    write_sound(source_ / "t.wav", tone(9000, 900.0));
    table("a.wav,Bark,train\nb.wav,Meow,train\nc.wav,Bark,train\nt.wav,Meow,test\n");
  }

  void table(const std::string& rows) {
    write_text(source_ / "corpus.csv", "path,label,split\n" + rows);
  }

  PrepareReport run(PrepareOptions options = {}) const {
    options.source = source_;
    options.out = out_;
    return prepare(options);
  }

  std::string sentence(const PrepareOptions& options = {}) const {
    return error_of([&] { run(options); });
  }

  static std::set<std::string> names(const StoreIndex& index) {
    std::set<std::string> out;
    for (const Clip& clip : index.clips) out.insert(clip.name);
    return out;
  }

  static std::string problem_of(const StoreIndex& index, const std::string& name) {
    std::string text;
    for (const Problem& problem : index.problems) {
      if (problem.file == name) text += problem.reason + (problem.left_out ? " [out]" : " [in]");
    }
    return text;
  }

  Scratch scratch_;
  fs::path source_ = scratch_ / "source";
  fs::path out_ = scratch_ / "deep/store";
};

TEST_F(PrepareTest, ABackendComputesTheSameLogMels) {
  table(
      "a.wav,Bark,train\nb.wav,Meow,train\ngone.wav,Bark,train\nc.wav,Bark,train\nt.wav,Meow,"
      "test\n");
  write_sound(source_ / "t.wav", {});  // kept, without a log-mel
  const StoreIndex alone = run().index;
  const auto backend = make_cpu_backend(2);
  PrepareOptions options;
  options.backend = backend.get();
  options.force = true;
  const StoreIndex together = run(options).index;
  ASSERT_EQ(together.clips.size(), 4u);
  for (size_t i = 0; i < alone.clips.size(); ++i) {
    EXPECT_EQ(together.clips[i].name, alone.clips[i].name);
    EXPECT_EQ(together.clips[i].hash, alone.clips[i].hash);
    EXPECT_EQ(together.clips[i].mel_floor, alone.clips[i].mel_floor);
  }
  EXPECT_EQ(together.problems.size(), alone.problems.size());
  Store(out_).verify();
}

TEST_F(PrepareTest, StoresSamplesAndTheLogMelOfThoseSamples) {
  const PrepareReport report = run();
  EXPECT_EQ(report.layout, "corpus");
  const Store store(out_);
  store.verify();
  const StoreIndex& index = store.index();
  EXPECT_EQ(index.classes, (std::vector<std::string>{"Bark", "Meow"}));
  ASSERT_EQ(index.clips.size(), 4u);
  EXPECT_EQ(index.clips[1].name, "b.wav");
  EXPECT_EQ(index.clips[1].label, 1);
  EXPECT_EQ(index.clips[3].split, Split::kTest);
  EXPECT_TRUE(index.problems.empty());
  LogMel extractor(log_mel_settings({}));
  for (size_t i = 0; i < 4; ++i) {
    const Recording expected = read_recording(source_ / index.clips[i].name, {});
    EXPECT_TRUE(std::ranges::equal(store.samples(i), expected.samples));
    const ClipMel mel = compute_log_mel(extractor, store.samples(i));
    EXPECT_TRUE(std::ranges::equal(store.log_mel(i), mel.values));
    EXPECT_EQ(index.clips[i].mel_floor, mel.floor);
  }
}

TEST_F(PrepareTest, AnyNumberOfThreadsGivesTheSameStore) {
  std::string rows;
  for (int i = 0; i < 40; ++i) {
    const std::string name = std::to_string(i) + ".wav";
    write_sound(source_ / name, tone(1000 + 700 * (i % 13), 200.0 + 40.0 * i));
    rows += name + (i % 2 ? ",Bark,train\n" : ",Meow,train\n");
  }
  table(rows);
  run({.jobs = 1});
  const std::string index = read_file(out_ / "index.json");
  run({.jobs = 7, .force = true});
  EXPECT_EQ(read_file(out_ / "index.json"), index);
  Store(out_).verify();
}

TEST_F(PrepareTest, BuildsOnlyWhenSomethingChanged) {
  EXPECT_FALSE(run().up_to_date);
  const auto written = fs::last_write_time(out_ / "index.json");
  EXPECT_TRUE(run().up_to_date);
  EXPECT_EQ(fs::last_write_time(out_ / "index.json"), written);
  EXPECT_FALSE(run({.force = true}).up_to_date);
  EXPECT_FALSE(run({.features = {.log_scale = LogScale::kPowerDb}}).up_to_date);
  EXPECT_FALSE(run({.max_seconds = 50.0}).up_to_date);
  EXPECT_FALSE(run().up_to_date);
  write_sound(source_ / "a.wav", tone(20001, 300.0));
  EXPECT_FALSE(run().up_to_date) << "another size";
  write_sound(source_ / "a.wav", tone(20001, 350.0));
  EXPECT_FALSE(run().up_to_date) << "another time";
  table("a.wav,Bark,train\nb.wav,Meow,train\n");
  EXPECT_FALSE(run().up_to_date);
  EXPECT_TRUE(run().up_to_date);
  fs::resize_file(out_ / ("clips-" + Store(out_).index().fingerprint + ".bin"), 1000);
  EXPECT_FALSE(run().up_to_date) << "a damaged store must be built anew";
}

TEST_F(PrepareTest, ListsWhatIsWrongAndGoesOn) {
  write_text(source_ / "text.wav", "no audio");
  write_sound(source_ / "cut.wav", tone(9000, 310.0));
  fs::resize_file(source_ / "cut.wav", 8000);
  write_sound(source_ / "empty.wav", {});
  write_sound(source_ / "silent.wav", std::vector<float>(9000, 0.0f));
  std::vector<float> loud = tone(9000, 320.0);
  for (float& x : loud) x *= 3.0f;
  write_sound(source_ / "loud.wav", loud);
  write_sound(source_ / "long.wav", tone(44100 * 2, 330.0));
  write_sound(source_ / "longtest.wav", tone(44100 * 2, 340.0));
  fs::copy_file(source_ / "a.wav", source_ / "copy.wav");
  fs::copy_file(source_ / "t.wav", source_ / "leak.wav");
  write_sound(source_ / "new.wav", tone(5000, 950.0));
  table(
      "a.wav,Bark,train\nb.wav,Meow,train\ntext.wav,Bark,train\ncut.wav,Bark,train\n"
      "empty.wav,Bark,train\nsilent.wav,Bark,train\nloud.wav,Bark,train\nlong.wav,Bark,train\n"
      "copy.wav,Meow,train\nleak.wav,Bark,train\ngone.wav,Bark,train\n"
      "t.wav,Meow,test\nlongtest.wav,Bark,test\nnew.wav,Moo,test\n");
  const StoreIndex index = run({.max_seconds = 1.5}).index;
  EXPECT_EQ(names(index), (std::set<std::string>{"a.wav", "b.wav", "silent.wav", "loud.wav",
                                                 "t.wav", "longtest.wav"}));
  const auto listed = [&](const char* name, const char* start, const char* end) {
    const std::string text = problem_of(index, name);
    EXPECT_TRUE(text.starts_with(start) && text.ends_with(end)) << name << ": " << text;
  };
  listed("text.wav", "unreadable: ", "[out]");
  listed("gone.wav", "unreadable: there is no such file", "[out]");
  listed("cut.wav", "truncated: ", "[out]");
  listed("empty.wav", "empty: ", "[out]");
  listed("silent.wav", "silent: ", "[in]");
  listed("loud.wav", "clipped: ", "[in]");
  listed("long.wav", "too long: it lasts more than 1.5 s", "[out]");
  listed("copy.wav", "duplicate: 'a.wav' has the same content", "[out]");
  listed("leak.wav", "duplicate: the test clip 't.wav' has the same content", "[out]");
  listed("new.wav", "unknown label 'Moo'", "[out]");
  EXPECT_EQ(index.problems.size(), 10u);
  EXPECT_TRUE(contains(read_file(out_ / "problems.csv"), "\nempty.wav,6,empty: "));
}

TEST_F(PrepareTest, KeepsEmptyTestClips) {
  write_sound(source_ / "none.wav", {});
  table("a.wav,Bark,train\nb.wav,Meow,train\nnone.wav,Meow,test\n");
  const StoreIndex index = run().index;
  ASSERT_EQ(index.clips.size(), 3u);
  EXPECT_EQ(index.clips[2].samples, 0);
  EXPECT_EQ(index.clips[2].frames, 0);
  EXPECT_TRUE(problem_of(index, "none.wav").ends_with("[in]"));
}

TEST_F(PrepareTest, StrictStopsAtTheFirstProblemAndKeepsTheOldStore) {
  run();
  const std::string before = read_file(out_ / "index.json");
  write_text(source_ / "c.wav", "no audio");
  write_text(source_ / "t.wav", "no audio");
  const std::string text = sentence({.strict = true});
  EXPECT_TRUE(contains(text, "c.wav (row 4): unreadable")) << text;
  EXPECT_TRUE(contains(text, "without --strict")) << text;
  EXPECT_EQ(read_file(out_ / "index.json"), before);
  Store(out_).verify();
}

TEST_F(PrepareTest, SaysWhyNoStoreCanBeMade) {
  table("a.wav,Bark,train\nc.wav,Bark,train\nt.wav,Meow,test\n");
  EXPECT_TRUE(contains(sentence(), "all training clips are of one class, 'Bark'"));
  table("t.wav,Meow,test\n");
  EXPECT_TRUE(contains(sentence(), "no training clip is left"));
  table("");
  EXPECT_TRUE(contains(sentence(), "no training clip is left"));
  EXPECT_TRUE(contains(sentence({.max_seconds = 0.0}), "--max-seconds is 0"));
  EXPECT_TRUE(contains(sentence({.jobs = -1}), "--jobs is -1"));
  EXPECT_FALSE(fs::exists(out_ / "index.json"));
}

TEST_F(PrepareTest, RefusesAFileInTheWayAndASecondWriter) {
  write_text(scratch_ / "deep/store", "in the way");
  EXPECT_TRUE(contains(sentence(), "cannot be made"));
  fs::remove(out_);
  fs::create_directories(out_);
  const FolderLock lock(out_);
  EXPECT_TRUE(contains(sentence(), "is in use by"));
}

class FsdPrepareTest : public PrepareTest {
 protected:
  const std::vector<std::string> empty_ = {"0b0427e2.wav", "6ea0099f.wav", "b39975f5.wav"};
};

TEST_F(FsdPrepareTest, KaggleWithItsThreeEmptyFiles) {
  fs::remove_all(source_);
  write_text(source_ / "train.csv",
             "fname,label,manually_verified\na.wav,Hi-hat,0\nb.wav,Bark,1\nc.wav,Bark,1\n");
  write_text(source_ / "test_post_competition.csv",
             "fname,label,usage,freesound_id,license\n0b0427e2.wav,None,Ignored,,\n"
             "x.wav,Bark,Private,1,Attribution\n6ea0099f.wav,None,Ignored,,\n"
             "b39975f5.wav,None,Ignored,,\ny.wav,Gong,Public,2,Attribution\n");
  write_text(source_ / "sample_submission.csv",
             "fname,label\n0b0427e2.wav,Laughter Hi-Hat Flute\nx.wav,Laughter Hi-Hat Flute\n"
             "6ea0099f.wav,Laughter Hi-Hat Flute\nb39975f5.wav,Laughter Hi-Hat Flute\n"
             "y.wav,Laughter Hi-Hat Flute\n");
  for (const std::string& name : empty_) write_sound(source_ / "audio_test" / name, {});
  write_sound(source_ / "audio_test/x.wav", tone(13230, 410.0));
  write_sound(source_ / "audio_test/y.wav", tone(13230, 420.0));
  write_sound(source_ / "audio_train/a.wav", tone(13230, 430.0));
  write_sound(source_ / "audio_train/b.wav", tone(13230, 440.0));
  fs::copy_file(source_ / "audio_train/b.wav", source_ / "audio_train/c.wav");
  const StoreIndex index = run().index;
  EXPECT_EQ(index.classes.size(), 41u);
  ASSERT_EQ(index.clips.size(), 8u);
  for (const Clip& clip : index.clips) {
    const bool empty = std::find(empty_.begin(), empty_.end(), clip.name) != empty_.end();
    EXPECT_EQ(clip.samples == 0, empty) << clip.name;
    EXPECT_EQ(clip.label == -1, empty) << clip.name;
    EXPECT_EQ(clip.usage == Usage::kIgnored, empty) << clip.name;
  }
  EXPECT_EQ(index.classes[index.clips[0].label], "Hi-hat");
  EXPECT_EQ(index.classes[index.clips[7].label], "Gong");
  EXPECT_EQ(problem_of(index, "c.wav"), "duplicate: 'b.wav' has the same content [in]");
  EXPECT_EQ(index.problems.size(), 4u);
}

TEST_F(FsdPrepareTest, Zenodo) {
  fs::remove_all(source_);
  const fs::path meta = source_ / "FSDKaggle2018.meta";
  write_text(meta / "train_post_competition.csv",
             "fname,label,manually_verified,freesound_id,license\n"
             "a.wav,Oboe,1,11,Attribution\nb.wav,Bark,0,12,Creative Commons 0\n");
  write_text(meta / "test_post_competition_scoring_clips.csv",
             "fname,label,usage,freesound_id,license\nx.wav,Oboe,Private,13,Attribution\n"
             "y.wav,Gong,Public,14,Attribution\n");
  write_sound(source_ / "FSDKaggle2018.audio_train/a.wav", tone(13230, 430.0));
  write_sound(source_ / "FSDKaggle2018.audio_train/b.wav", tone(13230, 440.0));
  write_sound(source_ / "FSDKaggle2018.audio_test/x.wav", tone(13230, 450.0));
  write_sound(source_ / "FSDKaggle2018.audio_test/y.wav", tone(13230, 460.0));
  const PrepareReport report = run();
  EXPECT_EQ(report.layout, "FSDKaggle2018 (Zenodo)");
  ASSERT_EQ(report.index.clips.size(), 4u);
  EXPECT_TRUE(report.index.problems.empty());
  EXPECT_EQ(report.index.clips[3].usage, Usage::kPublic);
  EXPECT_EQ(report.index.classes[report.index.clips[3].label], "Gong");
  EXPECT_FALSE(report.index.clips[1].manually_verified);
  EXPECT_EQ(report.index.clips[1].license, "Creative Commons 0");
}

}  // namespace
}  // namespace earshot
