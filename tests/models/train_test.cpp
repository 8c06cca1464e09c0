// Training from a store to its checkpoints, on backends with the habits of a GPU.
#include "models/phase.h"
#include "models/report.h"
#include "tests/engine/taped_backend.h"
#include "tests/models/train_fixture.h"

namespace earshot {
namespace {

TEST_F(TrainTest, RecordedStepsAndLateReportsLeaveTheSameCheckpoints) {
  run(*cpu, "cpu");
  TapedBackend taped(/*late=*/2);
  run(taped, "taped");
  expect_same("cpu", "taped");
  EXPECT_GT(taped.replays(), 30);
}

TEST_F(TrainTest, ALateReportNamesTheStepThatWentWrong) {
  kinds = {ModelKind::kAudio};
  config.audio.learning_rate = 1e30;  // the second step overflows
  const std::string at_once = error_of([&] { run(*cpu, "cpu"); });
  TapedBackend taped(/*late=*/2);
  EXPECT_EQ(error_of([&] { run(taped, "taped"); }), at_once);
  EXPECT_TRUE(contains(at_once, "step 2 (clips ")) << at_once;
}

TEST_F(TrainTest, ANanInTheSamplesIsNamedAndTheStateBeforeItIsSaved) {
  make_store(folder / "bad", /*bad_clip=*/7);
  store = std::make_unique<Store>(folder / "bad");
  kinds = {ModelKind::kSpec};
  const std::string error = error_of([&] { run(*cpu, "run"); });
  EXPECT_TRUE(contains(error, " of cnn-spec fold 1 is not finite in epoch 1, step ")) << error;
  EXPECT_TRUE(contains(error, "7.wav")) << error;
  EXPECT_TRUE(contains(error, "first NaN in tensor mel of layer input")) << error;
  const int64_t saved = saved_step("run", ModelKind::kSpec);
  EXPECT_TRUE(contains(error, fmt::format("step {} (clips", saved + 1))) << error;
  TapedBackend taped(/*late=*/2);
  EXPECT_EQ(error_of([&] { run(taped, "taped"); }), error);
  expect_same("run", "taped");
}

TEST_F(TrainTest, SkippedBatchesChangeNothingAndAreCounted) {
  make_store(folder / "bad", /*bad_clip=*/7);
  store = std::make_unique<Store>(folder / "bad");
  kinds = {ModelKind::kSpec};
  error_of([&] { run(*cpu, "stopped"); });
  on_not_finite = OnNotFinite::kSkip;
  run(*cpu, "skipped");
  run(*cpu, "stopped", /*resume=*/true);
  TapedBackend taped(/*late=*/2);
  run(taped, "taped");
  StopAfterAStep stop;
  int calls = 0;
  while (run(*cpu, "cut", /*resume=*/true, &stop) == TrainOutcome::kInterrupted) ++calls;
  EXPECT_GT(calls, 5);
  for (const char* name : {"stopped", "taped", "cut"}) {
    expect_same("skipped", name);
    EXPECT_EQ(log(name, "skipped"), log("skipped", "skipped")) << name;
    EXPECT_EQ(log(name, "epoch").size(), 2u) << name;
  }
  const auto lines = log("skipped", "skipped");
  EXPECT_GE(lines.size(), 2u);  // the clip comes once an epoch, and as a partner
  EXPECT_EQ(count_skipped(RunPaths{folder / "skipped"}.log()), int64_t(lines.size()));
  for (const auto& line : log("skipped", "epoch"))
    EXPECT_TRUE(line["train_loss"].is_number()) << line;
}

TEST_F(TrainTest, ANanInTheWeightsIsNamedAndNothingIsSaved) {
  kinds = {ModelKind::kAudio};
  StopAfterAStep stop;
  run(*cpu, "run", /*resume=*/false, &stop);
  const fs::path path = checkpoint("run", ModelKind::kAudio);
  std::string before;
  {
    const SafetensorsFile file(path);
    std::vector<SafetensorsEntry> tensors = file.tensors();
    std::vector<float> gamma;
    for (SafetensorsEntry& entry : tensors) {
      if (entry.name != "block2.norm.gamma") continue;
      gamma.assign(entry.bytes.size() / sizeof(float), std::numeric_limits<float>::infinity());
      entry.bytes = std::as_bytes(std::span(gamma));
    }
    Metadata metadata = file.metadata();
    metadata.erase("content_hash");
    ASSERT_FALSE(gamma.empty());
    write_safetensors(folder / "changed", tensors, metadata);
  }
  fs::rename(folder / "changed", path);
  before = bytes(path);
  for (const OnNotFinite how : {OnNotFinite::kStop, OnNotFinite::kSkip}) {
    on_not_finite = how;
    const std::string error = error_of([&] { run(*cpu, "run", /*resume=*/true); });
    EXPECT_TRUE(contains(error,
                         "an infinity in tensor block2.norm.gamma of layer block2.norm of "
                         "cnn-audio fold 1 after step 1; the last checkpoint is kept"))
        << error;
    EXPECT_TRUE(before == bytes(path));
  }
}

TEST_F(TrainTest, AnUpdateThatOverflowsIsNamedAndNotSaved) {
  kinds = {ModelKind::kAudio};
  config.audio.learning_rate = 1e300;  // infinite in float32
  for (const OnNotFinite how : {OnNotFinite::kStop, OnNotFinite::kSkip}) {
    on_not_finite = how;
    const std::string name = how == OnNotFinite::kStop ? "stop" : "skip";
    const std::string error = error_of([&] { run(*cpu, name); });
    EXPECT_TRUE(contains(error, "step 2 (clips ")) << error;
    EXPECT_TRUE(contains(error,
                         " in tensor block1.conv1.weight of layer block1.conv1; the last "
                         "checkpoint is kept"))
        << error;
    EXPECT_FALSE(fs::exists(checkpoint(name, ModelKind::kAudio)));
  }
}

/// Asks to stop at the n-th layer that begins.
struct StopAtLayer : TraceListener {
  void begin(const std::string&, TracePhase) override {
    if (--layers == 0) stop = true;
  }
  void end() override {}
  int layers = 0;
  std::atomic<bool> stop{false};
};

TEST_F(TrainTest, AStopInTheMiddleOfAPassLeavesTheStateBeforeIt) {
  for (PhaseSettings* phase : {&config.audio, &config.spec, &config.comb}) phase->epochs = 1;
  run(*cpu, "whole");
  const StoreIndex& index = store->index();
  TrainOutcome outcome = TrainOutcome::kInterrupted;
  int calls = 0;
  for (; outcome == TrainOutcome::kInterrupted && calls < 400; ++calls) {
    StopAtLayer stop;
    stop.layers = 30 + 53 * calls % 211;  // steps forward and backward, validation
    const ListenWith listening(&stop);
    outcome = train({*cpu,
                     *store,
                     {config, index.features, index.classes, "store", index.fingerprint},
                     {folder / "cut"},
                     /*resume=*/true,
                     kinds,
                     &stop.stop});
  }
  EXPECT_GT(calls, 5);
  expect_same("whole", "cut");
  EXPECT_EQ(log("cut", "epoch").size(), log("whole", "epoch").size());
}

TEST_F(TrainTest, ALostDeviceLosesNothingThatWasSaved) {
  config.checkpoint_seconds = 0;        // one behind every step
  config.precision = Precision::kBf16;  // which the CPU goes on with, too
  run(*cpu, "whole");
  TapedBackend never(/*late=*/2);
  run(never, "never");
  TrainOutcome outcome = TrainOutcome::kInterrupted;
  int lost = 0, stopped = 0;
  for (int call = 0; outcome == TrainOutcome::kInterrupted && call < 400; ++call) {
    if (call % 3 == 2) {  // on the CPU for a step, and back
      StopAfterAStep stop;
      outcome = run(*cpu, "run", /*resume=*/true, &stop);
      ++stopped;
      continue;
    }
    TapedBackend device(/*late=*/call % 3);
    device.lose_after(31 * call % never.operations() * 5 / 40);
    const std::string error = error_of([&] { outcome = run(device, "run", /*resume=*/true); });
    if (error == "no error") continue;
    ++lost;
    EXPECT_TRUE(contains(error, "the device is lost; what cnn-")) << error;
    EXPECT_TRUE(contains(error, " fold 1 has saved is kept: go on with --resume")) << error;
  }
  EXPECT_EQ(outcome, TrainOutcome::kFinished);
  EXPECT_GT(lost, 10);
  EXPECT_GT(stopped, 5);
  expect_same("whole", "run");
}

TEST_F(TrainTest, MemoryThatAnotherProgramTakesIsNamedAndNothingIsLost) {
  for (PhaseSettings* phase : {&config.audio, &config.spec, &config.comb}) phase->epochs = 1;
  run(*cpu, "whole");
  TapedBackend never(/*late=*/2);
  run(never, "never");
  int failed = 0;
  for (int part = 0; part < 5; ++part) {
    const std::string name = "run " + std::to_string(part);
    TapedBackend device(/*late=*/2);
    device.take_memory_after(never.operations() * part / 10);
    const std::string error = error_of([&] { run(device, name); });
    if (error == "no error") continue;  // nothing was allocated any more
    ++failed;
    EXPECT_TRUE(contains(error, "GB are free on taped") ||
                contains(error, "not enough memory for "))
        << error;
    EXPECT_TRUE(contains(error, "has saved is kept: go on with --resume")) << error;
    run(part % 2 == 0 ? *cpu : static_cast<Backend&>(never), name, /*resume=*/true);
    expect_same("whole", name);
  }
  EXPECT_GE(failed, 3);
}

TEST_F(TrainTest, StreamedTrainingResumesBitForBitAfterEveryStep) {
  kinds = {ModelKind::kAudio};
  const int64_t memory = little_memory();
  TapedBackend small(2, memory);
  run(small, "streamed");
  const SafetensorsFile file(checkpoint("streamed", ModelKind::kAudio));
  EXPECT_GT(std::stoll(file.require_metadata("streamed_bytes")), 0);
  run(*cpu, "resident");
  EXPECT_NE(bytes(file.path()), bytes(checkpoint("resident", ModelKind::kAudio)));

  StopAfterAStep stop;
  int calls = 0;
  TrainOutcome outcome = TrainOutcome::kInterrupted;
  while (outcome == TrainOutcome::kInterrupted && calls < 100) {
    // More memory later changes nothing: a phase keeps what it began with.
    TapedBackend again(2, memory + (calls % 2) * 100'000'000);
    outcome = run(again, "resumed", /*resume=*/true, &stop);
    ++calls;
  }
  EXPECT_GT(calls, 5);
  expect_same("streamed", "resumed");
}

TEST_F(TrainTest, StreamingWantsTheMemoryThatThePhaseBeganWith) {
  kinds = {ModelKind::kAudio};
  StopAfterAStep stop;
  TapedBackend small(0, little_memory());
  run(small, "run", /*resume=*/false, &stop);
  TapedBackend smaller(0, little_memory() - 100'000);
  const std::string error = error_of([&] { run(smaller, "run", /*resume=*/true, &stop); });
  EXPECT_TRUE(contains(error, "begin the phase anew")) << error;
}

TEST_F(TrainTest, StreamedClipsAreAssembledAsPlacedOnes) {
  TapedBackend small;
  Tagger tagger(small, config, ModelKind::kComb, kTestClasses, /*trained=*/true);
  TaggerPass pass(tagger, /*training=*/true, {3});
  const DeviceMemory memory = small.allocate(pass.arena().bytes(), "arena");
  pass.bind(memory.data());
  GatherPlan plan;
  for (const int64_t clip : {17, 4, 20}) {
    fixed_placement(clip, 100, plan);
    end_example(plan);
  }
  const auto assembled = [&](ClipSource& source) {
    pass.upload({plan.view(), {}, {}, {}});
    source.assemble(pass, tagger, plan.examples());
    std::vector<float> all(static_cast<size_t>(pass.wave(3).shape.count()));
    small.copy_to_host(all.data(), pass.wave(3));
    std::vector<float> mel(static_cast<size_t>(pass.mel(3).shape.count()));
    small.copy_to_host(mel.data(), pass.mel(3));
    all.insert(all.end(), mel.begin(), mel.end());
    return all;
  };
  ClipSource source(*store);
  source.place_on(small);
  const std::vector<float> placed = assembled(source);
  const std::vector<int64_t> others{0, 1, 2}, wanted{20, 9, 4, 17};
  int64_t room = 0;
  for (const int64_t clip : wanted) room += source.bytes(static_cast<size_t>(clip), {});
  source.stream_on(small, room, {});
  source.load(others);
  EXPECT_NE(assembled(source), placed);
  source.load(wanted);
  EXPECT_EQ(assembled(source), placed);
  const std::vector<int64_t> many{18, 19, 20, 21};
  EXPECT_TRUE(contains(error_of([&] { source.load(many); }), "do not fit"));
}

}  // namespace
}  // namespace earshot
