// The blocks of cnn-audio over all crops of one clip (paper 2.5: a crop every 5,120 samples): each
// crop by itself, and with what they share computed once. GFLOP: counted multiply-adds, twice.
#include <vector>

#include "benchmarks/device.h"
#include "data/draw.h"
#include "kernels/philox.h"
#include "models/audio_crops.h"

namespace earshot {
namespace {

constexpr int64_t kBatch = 64, kGroupSamples = 1 << 21;

/// A clip of noise, its crops, and a network with initial weights.
struct CropCase {
  Backend& backend = benchmark_backend();
  Config config;
  std::unique_ptr<Tagger> tagger;
  ClipSource source{FeatureSettings{}};
  std::vector<Crop> crops;

  /// range(0): seconds of the input, range(1): of the clip.
  explicit CropCase(const benchmark::State& state) {
    config.seconds = static_cast<int>(state.range(0));
    tagger = std::make_unique<Tagger>(backend, config, ModelKind::kAudio, 41, /*trained=*/true);
    tagger->initialise(1);
    Random random(7, Purpose::kAugment, 0, 0);
    std::vector<int16_t> samples(static_cast<size_t>(state.range(1) * kSampleRate));
    for (int16_t& x : samples) x = static_cast<int16_t>(20000 * (2 * random.uniform() - 1));
    source.add(std::move(samples));
    source.place_on(backend);
    for (const int64_t position :
         scoring_positions(source.lengths()[0], window_samples(config.seconds), 5120, true))
      crops.push_back({0, -position});
  }
  void count(benchmark::State& state, double flops, int64_t bytes) const {
    using benchmark::Counter;
    state.counters["crops/s"] =
        Counter(static_cast<double>(crops.size()), Counter::kIsIterationInvariantRate);
    state.counters["GFLOP"] = 1e-9 * flops;
    state.counters["GFLOP/s"] = Counter(1e-9 * flops, Counter::kIsIterationInvariantRate);
    state.counters["arena MB"] = 1e-6 * static_cast<double>(bytes);
  }
};

void each_crop(benchmark::State& state) {
  CropCase c(state);
  const auto total = static_cast<int64_t>(c.crops.size());
  std::vector<int64_t> sizes{std::min(kBatch, total)};
  if (total > kBatch && total % kBatch != 0) sizes.push_back(total % kBatch);
  Network blocks = std::move(c.tagger->build().audio);
  ArenaPlan arena;
  Planner planner(arena, sizes);
  const Shape input{planner.max_batch(), 1, window_samples(c.config.seconds), 1};
  const int wave_id = planner.output("wave", input);
  blocks.plan(planner, input);
  arena.lay_out();
  const DeviceMemory memory = c.backend.allocate(arena.bytes(), "arena");
  const Places places{arena, memory.data()};
  blocks.bind(places);
  time_on_device(state, [&] {
    for (int64_t first = 0; first < total; first += kBatch) {
      GatherPlan plan;
      for (int64_t i = first; i < std::min(first + kBatch, total); ++i) {
        fixed_placement(0, -c.crops[i].start, plan);
        end_example(plan);
      }
      const Tensor wave = places(wave_id).first(plan.examples());
      c.source.gather_wave(c.backend, c.source.upload(c.backend, plan), wave);
      blocks.forward(wave, {});
    }
  });
  double flops = 0;
  for (const auto& layer : blocks.layers())
    for (const LayerWork& part : layer->work(total)) flops += part.forward.flops;
  c.count(state, flops, arena.bytes());
}

void shared(benchmark::State& state) {
  CropCase c(state);
  const auto groups = group_crops(c.crops, window_samples(c.config.seconds), kBatch, kGroupSamples);
  AudioCrops blocks(*c.tagger, c.crops, groups, kBatch);
  ArenaPlan arena;
  Planner planner(arena, {kBatch});
  blocks.plan_lines(planner);
  blocks.plan(planner);
  arena.lay_out();
  const DeviceMemory memory = c.backend.allocate(arena.bytes(), "arena");
  blocks.bind({arena, memory.data()});
  time_on_device(state, [&] {
    for (const CropGroup& group : groups) {
      blocks.start(group, c.source, AudioCrops::Wave::kSamples);
      for (int64_t first = 0; first < group.count; first += kBatch) blocks.features(first);
    }
  });
  c.count(state, blocks.flops(), arena.bytes());
}

#define EARSHOT_CROPS(name)            \
  BENCHMARK(name)                      \
      ->ArgNames({"seconds", "clip"})  \
      ->ArgsProduct({{1, 2, 3}, {10}}) \
      ->Unit(benchmark::kMillisecond)  \
      ->UseRealTime()
EARSHOT_CROPS(each_crop);
EARSHOT_CROPS(shared);

}  // namespace
}  // namespace earshot
