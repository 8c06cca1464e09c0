// Counted work of the paper's networks, and ranges that name every layer of a step once.
#include "models/profile.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "models/step_case.h"

namespace earshot {
namespace {

struct Counted {
  double forward = 0, dense = 0, sparse = 0;  // GFLOP
};

/// Convolutions and dense layers of a step of 32, planned but not run.
Counted count(ModelKind kind, int seconds) {
  Config config;
  config.seconds = seconds;
  const auto backend = make_cpu_backend(0);
  Tagger tagger(*backend, config, kind, 41, /*trained=*/true);
  const TaggerPass pass(tagger, /*training=*/true, {32});
  Counted c;
  for (const LayerWork& layer : pass.work(32)) {
    if (layer.name.ends_with(".norm")) continue;
    c.forward += 1e-9 * layer.forward.flops;
    c.dense += 1e-9 * (layer.forward.dense_flops + layer.backward.dense_flops);
    c.sparse += 1e-9 * (layer.forward.flops + layer.backward.flops);
  }
  return c;
}

TEST(Work, IsWhatTheTablesOfThePaperCost) {  // counted by hand from Tables 1 and 2
  const struct {
    ModelKind kind;
    int seconds;
    double forward, dense, sparse;
  } expected[] = {{ModelKind::kAudio, 1, 57, 169, 84},   {ModelKind::kAudio, 2, 90, 267, 118},
                  {ModelKind::kAudio, 3, 134, 400, 176}, {ModelKind::kSpec, 1, 221, 660, 462},
                  {ModelKind::kSpec, 2, 220, 657, 328},  {ModelKind::kSpec, 3, 293, 877, 438}};
  for (const auto& e : expected) {
    const Counted c = count(e.kind, e.seconds);
    EXPECT_NEAR(c.forward, e.forward, 1) << to_string(e.kind) << e.seconds;
    EXPECT_NEAR(c.dense, e.dense, 1) << to_string(e.kind) << e.seconds;
    EXPECT_NEAR(c.sparse, e.sparse, 1) << to_string(e.kind) << e.seconds;
  }
}

Config small() {
  Config config;
  config.seconds = 1;
  config.width_audio = config.width_spec = 0.125;
  config.head.layers = {16, 8};
  return config;
}

constexpr Roofline kRoofline{1e11, 1e10};
using Names = std::multiset<std::string>;

TEST(Profile, HasEveryLayerOnceInEachDirection) {
  const auto backend = make_cpu_backend(0);
  for (const ModelKind kind : {ModelKind::kAudio, ModelKind::kSpec, ModelKind::kComb}) {
    const Profile p = profile_step(*backend, small(), kind, 2, 2, kRoofline);
    Names counted{"loss forward", "adam update"}, heard;
    StepCase step(*backend, small(), kind, 2);
    for (const LayerWork& layer : step.pass().work(2)) {
      counted.insert(layer.name + " forward");
      if (layer.backward.bytes > 0) counted.insert(layer.name + " backward");
    }
    for (const ProfileRow& row : p.rows) {
      heard.insert(row.name + " " + row.phase);
      EXPECT_GT(row.seconds, 0) << row.name;
    }
    EXPECT_EQ(heard, counted) << to_string(kind);
    EXPECT_EQ(p.events.size(), 2 * p.rows.size());
    EXPECT_EQ(trace_listener, nullptr);
  }
}

TEST(Profile, FloorIsThatOfItsRows) {
  const auto backend = make_cpu_backend(0);
  const Profile p = profile_step(*backend, small(), ModelKind::kAudio, 4, 1, kRoofline);
  double floor = 0;
  for (const ProfileRow& row : p.rows) floor += kRoofline.floor(row.work);
  EXPECT_DOUBLE_EQ(floor, p.floor());
  EXPECT_GT(floor, 0);
  EXPECT_GT(p.step_seconds, 0);
}

TEST(Profile, WritesEventsAsPerfettoReadsThem) {
  const auto backend = make_cpu_backend(0);
  const Profile p = profile_step(*backend, small(), ModelKind::kAudio, 2, 1, kRoofline);
  const nlohmann::json trace = p.to_trace();
  ASSERT_EQ(trace["traceEvents"].size(), p.events.size());
  double last = 0;
  for (const auto& event : trace["traceEvents"]) {
    EXPECT_EQ(event["ph"], "X");
    EXPECT_GE(event["ts"].get<double>(), last);
    last = event["ts"].get<double>() + event["dur"].get<double>();
  }
  EXPECT_EQ(p.to_json()["rows"].size(), p.rows.size());
}

TEST(Roofline, IsMeasured) {
  const auto backend = make_cpu_backend(0);
  const Roofline roofline = measure_roofline(*backend);
  EXPECT_GT(roofline.flops_per_second, 1e8);  // of any machine that can run this
  EXPECT_LT(roofline.flops_per_second, 1e15);
  EXPECT_GT(roofline.bytes_per_second, 1e7);
  EXPECT_LT(roofline.bytes_per_second, 1e14);
}

TEST(Roofline, IsTheLowerOfTheTwoRoofs) {
  const Roofline roofline{100, 10};
  EXPECT_DOUBLE_EQ(roofline.floor({200, 10, 0}), 2);
  EXPECT_STREQ(roofline.bound({200, 10, 0}), "arithmetic");
  EXPECT_DOUBLE_EQ(roofline.floor({50, 10, 0}), 1);
  EXPECT_STREQ(roofline.bound({50, 10, 0}), "memory");
}

}  // namespace
}  // namespace earshot
