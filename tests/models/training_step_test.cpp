// The step as it is recorded and replayed against the step enqueued anew, on a backend that keeps
// what it was given when it recorded.
#include "models/training_step.h"

#include <limits>

#include "models/clip_source.h"
#include "tests/engine/backend_fixture.h"
#include "tests/engine/taped_backend.h"
#include "tests/models/pass_fixture.h"

namespace earshot {
namespace {

constexpr int64_t kMost = 3;  // examples

Config step_config(Precision precision = Precision::kF32) {
  Config config = small_config();
  config.precision = precision;
  config.dropout = 0.3;
  config.augment.mixup = {3, 0.5, 0.7};
  return config;
}

/// Clips of many lengths, one longer than the window.
ClipSource clips() {
  ClipSource source(FeatureSettings{});
  for (const int64_t length : {3000, 20000, 60000, 44100, 1200, 30000}) {
    std::vector<int16_t> samples;
    for (const float x : random_values(length, static_cast<uint32_t>(length), -9000, 9000))
      samples.push_back(static_cast<int16_t>(x));
    source.add(std::move(samples));
  }
  return source;
}

/// The steps of a phase, from the same weights and with the same draws on every backend.
class Steps {
 public:
  Steps(Backend& backend, ModelKind kind, Precision precision, bool eager)
      : kind_(kind),
        tagger_(backend, step_config(precision), kind, kClasses, /*trained=*/true),
        pass_(tagger_, /*training=*/true, {kMost, 2}),
        memory_(backend.allocate(pass_.arena().bytes(), "arena")),
        source_(clips()),
        step_(tagger_, pass_, [this](int64_t n) { source_.assemble(pass_, tagger_, n); },
              {5, {1e-3}, 0.01, step_config().optimizer, eager}) {
    pass_.bind(memory_.data());
    source_.place_on(backend);
    randomise(tagger_, 1000);
  }
  void run(int64_t t, int64_t n, const std::vector<float>& class_weights) {
    const std::vector<int> labels{0, 1, 2, 3, 4, 0};
    const ClipSet set{{0, 1, 2, 3, 4, 5}, source_.lengths(), labels, kClasses};
    DrawSettings draw{window_samples(1), kind_ == ModelKind::kAudio ? 1 : 256};
    draw.mix_clips = step_config().augment.mixup.clips;
    draw.mix_alpha = step_config().augment.mixup.alpha;
    draw.mix_probability = step_config().augment.mixup.probability;
    const auto epoch = static_cast<uint32_t>(t);
    const Batch batch = draw_batch(draw, set, epoch_order(6, 9, epoch), 0, n, 9, epoch);
    StepSeconds seconds;
    step_.run(t, batch, class_weights, seconds);
  }
  std::optional<StepReport> report(bool wait) { return step_.take_report(wait); }
  Tagger::Snapshots snapshot() const { return tagger_.snapshot(); }

 private:
  ModelKind kind_;
  Tagger tagger_;
  TaggerPass pass_;
  DeviceMemory memory_;
  ClipSource source_;
  TrainingStep step_;
};

const std::vector<float> kWeights{1, 2, 0.5f, 1, 1.5f};

void expect_same(const Tagger::Snapshots& a, const Tagger::Snapshots& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].values, b[i].values);
    EXPECT_EQ(a[i].statistics, b[i].statistics);
    EXPECT_EQ(a[i].m, b[i].m);
    EXPECT_EQ(a[i].v, b[i].v);
  }
}

class TrainingSteps : public testing::TestWithParam<std::tuple<TestBackend, ModelKind>> {
 protected:
  Backend& backend = open_backend(std::get<0>(GetParam()));
  Precision precision = std::get<0>(GetParam()).precision;
  ModelKind kind = std::get<1>(GetParam());
};

TEST_P(TrainingSteps, ReplayedAreTheSameBitsAsEagerOnes) {
  TapedBackend taped;  // a GPU captures by itself
  Steps replayed(test_on_gpu() ? backend : taped, kind, precision, /*eager=*/false);
  Steps eager(backend, kind, precision, /*eager=*/true);
  int64_t t = 0;
  for (const int64_t n : {3, 3, 2, 3, 2, 3}) {
    ++t;
    std::vector<float> weights = kWeights;
    weights[0] += static_cast<float>(t);
    replayed.run(t, n, weights);
    eager.run(t, n, weights);
    const auto a = replayed.report(/*wait=*/true), b = eager.report(/*wait=*/true);
    ASSERT_TRUE(a && b);
    EXPECT_EQ(a->loss, b->loss) << "step " << t;
    EXPECT_EQ(a->bad, 0);
  }
  expect_same(replayed.snapshot(), eager.snapshot());
  // The first step of either size makes the libraries' plans.
  EXPECT_EQ(taped.replays(), test_on_gpu() ? 0 : 4);
}

TEST_P(TrainingSteps, NothingTrainsFromABadStepOn) {
  Steps steps(backend, kind, precision, /*eager=*/false);
  for (int64_t t = 1; t <= 2; ++t) {
    steps.run(t, kMost, kWeights);
    EXPECT_EQ(steps.report(/*wait=*/true)->bad, 0);
  }
  const Tagger::Snapshots good = steps.snapshot();
  const float infinity = std::numeric_limits<float>::infinity();
  for (int64_t t = 3; t <= 4; ++t) {
    steps.run(t, kMost, t == 3 ? std::vector<float>(kClasses, infinity) : kWeights);
    EXPECT_NE(steps.report(/*wait=*/true)->bad & kBadLoss, 0);
    expect_same(steps.snapshot(), good);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, TrainingSteps,
                         testing::Combine(testing::ValuesIn(test_backends()),
                                          testing::Values(ModelKind::kAudio, ModelKind::kSpec,
                                                          ModelKind::kComb)),
                         case_name);

TEST(TrainingStep, TakesReportsAtMostTwoStepsLate) {
  TapedBackend late(/*late=*/3);
  Steps steps(late, ModelKind::kAudio, Precision::kF32, /*eager=*/false);
  for (int64_t t = 1; t <= 2; ++t) {
    steps.run(t, kMost, kWeights);
    EXPECT_FALSE(steps.report(/*wait=*/false));
  }
  for (int64_t t = 3; t <= 6; ++t) {
    steps.run(t, kMost, kWeights);
    EXPECT_TRUE(steps.report(/*wait=*/false));
    EXPECT_FALSE(steps.report(/*wait=*/false));
  }
  for (int k = 0; k < 2; ++k) EXPECT_TRUE(steps.report(/*wait=*/true));
  EXPECT_FALSE(steps.report(/*wait=*/true));
}

// What the tests above stand on: a number taken from the host would have shown.
TEST(TapedBackend, KeepsNumbersOfTheHostAndReadsThoseOfTheDevice) {
  TapedBackend backend;
  float from = 1, to[2] = {0, 0};
  int64_t column = 0;
  const auto recording = backend.record([&] {
    backend.copy_columns({&from, {1, 1, 1, 1}}, {to, {1, 1, 1, 2}}, column);
  });
  EXPECT_EQ(to[0], 0.0f);  // recorded, not run
  from = 5;
  column = 1;
  recording->replay();
  EXPECT_EQ(to[0], 5.0f);
  EXPECT_EQ(to[1], 0.0f);
}

TEST(StepInputs, ABatchWithoutRoomIsRefused) {
  const auto backend = make_cpu_backend(2);
  StepInputs inputs(2, 1, kClasses);
  std::vector<char> block(static_cast<size_t>(inputs.bytes()));
  inputs.bind(block.data());
  GatherPlan plan;
  for (int k = 0; k < 2; ++k) {
    fixed_placement(k, 0, plan);
    end_example(plan);
  }
  inputs.upload(*backend, {plan.view(), {}, {}, {}});
  EXPECT_EQ(inputs.plan(2).placements[1].clip, 1);
  fixed_placement(2, 0, plan);
  end_example(plan);
  const std::string error = error_of([&] { inputs.upload(*backend, {plan.view(), {}, {}, {}}); });
  EXPECT_TRUE(contains(error, "3 examples")) << error;
}

}  // namespace
}  // namespace earshot
