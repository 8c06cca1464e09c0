// What a phase does when a step is not finite: names where that began, then stops with the last
// good state saved or leaves the batch out.
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "models/phase.h"

namespace earshot {
namespace {

const char* what_is_bad(int32_t bad) { return bad & kBadLoss ? "loss" : "gradient"; }

}  // namespace

void Phase::handle_not_finite(int32_t bad, RunLog& log) {
  const int64_t behind = state_.step - reported_;  // steps since, which changed nothing
  for (int64_t i = 0; i < behind; ++i) step_->take_report(/*wait=*/true);
  state_.step -= behind + 1;
  state_.step_in_epoch -= behind + 1;
  const Tagger::Snapshots snapshots = tagger_.snapshot();
  const std::optional<NotFinite> weights = find_not_finite(tagger_, snapshots);
  const std::optional<NotFinite> origin = weights ? weights : replay();
  const bool one = origin && origin->example >= 0;
  const std::vector<std::string> clips = clips_of_step(one ? origin->example : -1);
  const std::string where = fmt::format(
      "{} of {} fold {} is not finite in epoch {}, step {} (clips {}), first {}", what_is_bad(bad),
      to_string(kind_), fold_, state_.epoch + 1, reported_, fmt::join(clips, ", "),
      origin ? to_string(*origin) : "nowhere when it ran again: the device is at fault");
  if (weights)
    fail("{}; the last checkpoint is kept: start anew with a lower learning rate", where);
  if (request_.on_not_finite == OnNotFinite::kStop) {
    save_last();
    fail(
        "{}; the state before this step is saved: --resume --on-nan skip leaves the batch out, or "
        "start anew with a lower learning rate",
        where);
  }
  skip_step(where, clips, log);
}

Tagger::Snapshots Phase::finite_snapshot() const {
  Tagger::Snapshots snapshots = tagger_.snapshot();
  if (const auto bad = find_not_finite(tagger_, snapshots))
    fail(
        "{} of {} fold {} after step {}; the last checkpoint is kept: start anew with a lower "
        "learning rate",
        to_string(*bad), to_string(kind_), fold_, state_.step);
  return snapshots;
}

void Phase::skip_step(const std::string& where, const std::vector<std::string>& clips,
                      RunLog& log) {
  ++state_.step;
  state_.skipped_examples += examples_of(state_.step_in_epoch++);
  step_->clear();
  spdlog::warn("{}; the batch is left out", where);
  log.write({{"event", "skipped"},
             {"model", to_string(kind_)},
             {"fold", fold_},
             {"epoch", state_.epoch},
             {"step", reported_},
             {"clips", clips},
             {"why", where}});
  if (state_.skipped_examples == static_cast<int64_t>(training_.clips.size()))
    fail("no batch of epoch {} of {} fold {} was finite; the last checkpoint is kept",
         state_.epoch + 1, to_string(kind_), fold_);
}

std::optional<NotFinite> Phase::replay() {
  NotFiniteFinder finder(tagger_);
  const ListenWith listening(&finder);
  StepSeconds seconds;
  load_clips(training_, order_, shards_, state_.step_in_epoch * config_.batch);
  step_->run(state_.step + 1, draw(state_.step_in_epoch), class_weights_, seconds);
  step_->take_report(/*wait=*/true);
  return finder.found();
}

std::vector<std::string> Phase::clips_of_step(int64_t example) {
  constexpr size_t kMost = 12;
  const GatherPlan plan = draw(state_.step_in_epoch).plan;
  const GatherPlanView view = plan.view();
  std::vector<std::string> names;
  for (int64_t e = 0; e < plan.examples(); ++e) {
    if (example >= 0 && e != example) continue;
    for (int32_t p = view.first_placement[e]; p < view.first_placement[e + 1]; ++p)
      names.push_back(
          request_.store.index().clips[static_cast<size_t>(view.placements[p].clip)].name);
  }
  if (names.size() > kMost) {
    names.resize(kMost);
    names.push_back("...");
  }
  return names;
}

}  // namespace earshot
