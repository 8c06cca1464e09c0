#include "models/phase.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "engine/error.h"
#include "models/step_profile.h"
#include "models/stop_watch.h"

namespace earshot {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int64_t kLogInterval = 50;  // steps between lines of the log

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Full batches of `batch` and what is left over.
std::vector<int64_t> batch_sizes(int64_t examples, int64_t batch) {
  std::vector<int64_t> sizes;
  if (examples >= batch) sizes.push_back(batch);
  if (examples % batch != 0) sizes.push_back(examples % batch);
  return sizes;
}

DrawSettings draw_settings(const Config& config, ModelKind kind) {
  const AugmentSettings& a = config.augment;
  return {window_samples(config.seconds),
          kind == ModelKind::kAudio ? 1 : kHopLength,
          a.enabled,
          a.shift,
          a.replicate,
          a.mixup.clips,
          a.mixup.alpha,
          a.mixup.probability,
          a.gain_db,
          config.label_smoothing};
}

}  // namespace

std::vector<float> class_weights(const ClipSet& set) {
  std::vector<int64_t> counts(static_cast<size_t>(set.classes), 0);
  for (const int64_t clip : set.clips) ++counts[set.labels[clip]];
  std::vector<float> weights(counts.size(), 1.0f);
  for (size_t c = 0; c < counts.size(); ++c)
    if (counts[c] > 0)
      weights[c] = static_cast<float>(static_cast<double>(set.clips.size()) /
                                      (set.classes * static_cast<double>(counts[c])));
  return weights;
}

Phase::Phase(const TrainRequest& request, ClipSource& source, const std::vector<int>& fold_of,
             ModelKind kind, int fold)
    : request_(request),
      config_(request.info.config),
      source_(source),
      kind_(kind),
      fold_(fold),
      seed_(config_.seed ^ (uint64_t(kind) + 1) << 56 ^ (uint64_t(fold) + 1) << 40),
      draw_(draw_settings(config_, kind)),
      tagger_(request.backend, config_, kind, static_cast<int>(request.info.classes.size()),
              /*trained=*/true) {
  for (const Clip& clip : request.store.index().clips) labels_.push_back(clip.label);
  training_ = {{}, source.lengths(), labels_, tagger_.classes()};
  validation_ = training_;
  for (size_t i = 0; i < fold_of.size(); ++i)
    if (fold_of[i] >= 0)
      (fold_of[i] == fold ? validation_ : training_).clips.push_back(static_cast<int64_t>(i));
  validation_order_.resize(validation_.clips.size());
  std::iota(validation_order_.begin(), validation_order_.end(), int64_t{0});
  if (training_.clips.empty() || validation_.clips.empty())
    fail("fold {} has {} training and {} validation clips; use fewer folds or more clips", fold,
         training_.clips.size(), validation_.clips.size());

  const int64_t train_count = static_cast<int64_t>(training_.clips.size());
  const int64_t valid_count = static_cast<int64_t>(validation_.clips.size());
  train_pass_ =
      std::make_unique<TaggerPass>(tagger_, true, batch_sizes(train_count, config_.batch));
  validation_pass_ =
      std::make_unique<TaggerPass>(tagger_, false, batch_sizes(valid_count, config_.batch));
  // The two passes never run at once: they share their memory.
  const int64_t bytes = std::max(train_pass_->arena().bytes(), validation_pass_->arena().bytes());
  // The step comes first: clips can be streamed.
  if (source.streamed() || bytes > request.backend.free_bytes()) source.release();
  if (const int64_t free = request.backend.free_bytes(); bytes > free) {
    if (has_begun(request.paths) ||
        fs::exists(request.paths.last(
            fold, kind)))  // its batch is fixed, so others must have taken the memory
      fail_device("a step of {} needs {:.1f} GB, {:.1f} GB are free on {}", to_string(kind),
                  1e-9 * static_cast<double>(bytes), 1e-9 * static_cast<double>(free),
                  request.backend.name());
    fail("a step of {} with batch {} needs {:.1f} GB, {:.1f} GB are free; batch {} would fit",
         to_string(kind), config_.batch, 1e-9 * static_cast<double>(bytes),
         1e-9 * static_cast<double>(free),
         static_cast<int64_t>(config_.batch * static_cast<double>(free) /
                              static_cast<double>(bytes)));
  }
  memory_ = request.backend.allocate(bytes, "the step's arena");
  train_pass_->bind(memory_.data());
  validation_pass_->bind(memory_.data());
  step_ = std::make_unique<TrainingStep>(
      tagger_, *train_pass_, [this](int64_t n) { source_.assemble(*train_pass_, tagger_, n); },
      TrainingStep::Settings{seed_, learning_rate(), config_.phase(kind_).weight_decay,
                             config_.optimizer, request.eager});
  validation_step_ = std::make_unique<Repeated>(
      request.backend, [this](int64_t n) { enqueue_validation(n); }, request.eager);
  sums_ = request.backend.allocate(sizeof(MetricSums), "the metrics of validation");
  class_weights_ = config_.class_weights ? class_weights(training_)
                                         : std::vector<float>(request.info.classes.size(), 1.0f);
}

int64_t Phase::steps_per_epoch() const {
  const int64_t count = static_cast<int64_t>(training_.clips.size());
  return (count + config_.batch - 1) / config_.batch;
}

LearningRate Phase::learning_rate() const {
  const PhaseSettings& phase = config_.phase(kind_);
  const bool falls = config_.optimizer.schedule == OptimizerSettings::Schedule::kCosine;
  return {phase.learning_rate, config_.optimizer.warmup * static_cast<double>(steps_per_epoch()),
          falls ? phase.epochs * steps_per_epoch() : 0};
}

int64_t Phase::examples_of(int64_t step_in_epoch) const {
  const int64_t count = static_cast<int64_t>(training_.clips.size());
  return std::min<int64_t>(config_.batch, count - step_in_epoch * config_.batch);
}

TrainOutcome Phase::run(RunLog& log) {
  const TrainOutcome outcome = run_epochs(log);
  if (request_.observer) request_.observer->on_end();
  return outcome;
}

TrainOutcome Phase::run_epochs(RunLog& log) {
  load_start();
  if (request_.observer) request_.observer->on_start(tagger_);
  place_clips();
  const PhaseSettings& settings = config_.phase(kind_);
  Progress progress(fmt::format("{} fold {}", to_string(kind_), fold_),
                    settings.epochs * steps_per_epoch(), "steps");
  progress.advance(state_.epoch * steps_per_epoch() + state_.step_in_epoch);
  while (!state_.done) {
    run_epoch(log, progress);
    if (stopping()) {
      save_last();
      return TrainOutcome::kInterrupted;
    }
  }
  return TrainOutcome::kFinished;
}

void Phase::load_start() {
  const fs::path last = request_.paths.last(fold_, kind_);
  if (request_.resume && fs::exists(last)) {
    const SafetensorsFile file(last);
    check_checkpoint(file, kind_);
    tagger_.load(file);
    tagger_.trainable().load_moments(file);
    state_ = PhaseState::from_metadata(file);
    reported_ = state_.step;
    finite_snapshot();
    return;
  }
  fs::create_directories(request_.paths.model(fold_, kind_));
  tagger_.trainable().initialise(seed_);
  if (kind_ != ModelKind::kComb) return;
  for (const ModelKind trunk : {ModelKind::kAudio, ModelKind::kSpec}) {
    const fs::path best = request_.paths.best(fold_, trunk);
    if (!fs::exists(best))
      fail("cnn-comb fold {} needs {}; train {} first", fold_, best.string(), to_string(trunk));
    const SafetensorsFile file(best);
    check_checkpoint(file, trunk);
    tagger_.load_trunk(trunk, file);
  }
}

void Phase::run_epoch(RunLog& log, Progress& progress) {
  const int64_t steps = steps_per_epoch();
  epoch_seconds_ = interval_seconds_ = {};
  auto last_checkpoint = Clock::now();
  while (state_.step_in_epoch < steps) {
    if (request_.profile)
      request_.profile->begin_step(request_.backend,
                                   fmt::format("{} fold {}", to_string(kind_), fold_));
    run_step();
    if (request_.profile) request_.profile->end_step(request_.backend);
    take_reports(/*all=*/false, log, progress);
    const bool stop = stopping();
    const bool due = seconds_since(last_checkpoint) >= config_.checkpoint_seconds;
    if (stop || due || state_.step_in_epoch == steps) take_reports(/*all=*/true, log, progress);
    if (stop) return;
    if (due && state_.step_in_epoch < steps) {
      save_last();
      last_checkpoint = Clock::now();
    }
  }
  finish_epoch(log);
}

void Phase::begin_epoch() {
  order_epoch_ = state_.epoch;
  order_ = epoch_order(static_cast<int64_t>(training_.clips.size()), seed_,
                       static_cast<uint32_t>(state_.epoch));
  shards_ = shards_of(training_, order_);
}

Batch Phase::draw(int64_t step) {
  if (order_epoch_ != state_.epoch) begin_epoch();
  const int64_t first = step * config_.batch;
  std::span<const int64_t> partners;
  for (const Shard& shard : shards_)
    if (shard.first <= first && first < shard.last)
      partners = std::span(order_).subspan(static_cast<size_t>(shard.first),
                                           static_cast<size_t>(shard.last - shard.first));
  return draw_batch(draw_, training_, order_, first, first + examples_of(step), seed_,
                    static_cast<uint32_t>(state_.epoch), partners);
}

void Phase::run_step() {
  StepSeconds seconds;
  const auto start = Clock::now();
  const Batch batch = draw(state_.step_in_epoch);
  load_clips(training_, order_, shards_, state_.step_in_epoch * config_.batch);
  seconds.data += seconds_since(start);
  ++state_.step;
  ++state_.step_in_epoch;
  try {
    TraceListener* const listener = request_.observer ? request_.observer->listener() : nullptr;
    const ListenWith listening(listener ? listener : trace_listener);
    const StopWatch watch(request_);
    step_->run(state_.step, batch, class_weights_, seconds);
  } catch (const Abandoned&) {
    --state_.step;
    --state_.step_in_epoch;
    return;
  }
  if (request_.observer)
    request_.observer->on_step(
        {state_.step, batch, class_weights_, step_->settings(), tagger_, *train_pass_});
  epoch_seconds_ += seconds;
  interval_seconds_ += seconds;
}

void Phase::take_reports(bool all, RunLog& log, Progress& progress) {
  while (reported_ < state_.step) {
    StepSeconds seconds;
    const auto start = Clock::now();
    const std::optional<StepReport> report = step_->take_report(all);
    seconds.wait += seconds_since(start);
    epoch_seconds_ += seconds;
    interval_seconds_ += seconds;
    if (!report) return;
    ++reported_;
    const int64_t step_in_epoch = state_.step_in_epoch - 1 - (state_.step - reported_);
    if (report->bad != 0) {
      handle_not_finite(report->bad, log);
      progress.advance(1);
      return;
    }
    state_.epoch_loss += report->loss;
    const double loss = report->loss / static_cast<double>(examples_of(step_in_epoch));
    progress.advance(1, fmt::format("epoch {} loss {:.3f}", state_.epoch + 1, loss));
    if (reported_ % kLogInterval != 0) continue;
    log.write({{"event", "steps"},
               {"model", to_string(kind_)},
               {"fold", fold_},
               {"epoch", state_.epoch},
               {"step", reported_},
               {"loss", loss},
               {"seconds", interval_seconds_.to_json()}});
    interval_seconds_ = {};
  }
}

std::optional<Phase::Validation> Phase::validate() try {
  Backend& backend = request_.backend;
  TaggerPass& pass = *validation_pass_;
  DrawSettings centred = draw_;
  centred.augment = false;
  centred.label_smoothing = 0;
  const int64_t count = static_cast<int64_t>(validation_.clips.size());
  const std::vector<float> ones(class_weights_.size(), 1.0f);
  const Tensor on_device{sums_.data(), {1, 1, 1, sizeof(MetricSums)}, DType::kU8, "metrics"};
  MetricSums sums;
  backend.copy_to_device(on_device, &sums);
  for (int64_t first = 0; first < count; first += config_.batch) {
    const int64_t last = std::min<int64_t>(first + config_.batch, count);
    const Batch batch = draw_batch(centred, validation_, validation_order_, first, last, seed_, 0);
    load_clips(validation_, validation_order_, validation_shards_, first);
    pass.upload({batch.plan.view(), batch.targets, ones, {}});
    if (stopping()) return {};
    const StopWatch watch(request_);
    validation_step_->run(last - first);
  }
  backend.copy_to_host(&sums, on_device);
  const double clips = static_cast<double>(count);
  return Validation{sums.loss / clips, sums.precision / clips,
                    static_cast<double>(sums.hits) / clips};
} catch (const Abandoned&) {
  return {};
}

void Phase::enqueue_validation(int64_t n) {
  TaggerPass& pass = *validation_pass_;
  source_.assemble(pass, tagger_, n);
  const Tensor logits = pass.forward(n, {Mode::kInference});
  pass.loss_of(logits);
  request_.backend.add_metrics(logits, pass.targets(n), pass.loss(n),
                               static_cast<MetricSums*>(sums_.data()));
}

void Phase::finish_epoch(RunLog& log) {
  const auto start = Clock::now();
  const std::optional<Validation> validated = validate();
  if (!validated) return;
  const Validation& v = *validated;
  if (!std::isfinite(v.loss))
    spdlog::warn("the validation loss of {} fold {} is {} in epoch {}; it counts as no better",
                 to_string(kind_), fold_, v.loss, state_.epoch + 1);
  const double validation_seconds = seconds_since(start);
  const double examples = static_cast<double>(training_.clips.size());
  const double train_loss =
      state_.epoch_loss / (examples - static_cast<double>(state_.skipped_examples));
  const StepSeconds& seconds = epoch_seconds_;
  nlohmann::json split = seconds.to_json();
  split["validation"] = validation_seconds;
  const double step_seconds =
      seconds.data + seconds.forward + seconds.backward + seconds.optimizer + seconds.wait;
  log.write({{"event", "epoch"},
             {"model", to_string(kind_)},
             {"fold", fold_},
             {"epoch", state_.epoch},
             {"step", state_.step},
             {"train_loss", train_loss},
             {"validation_loss", v.loss},
             {"validation_map3", v.map3},
             {"validation_accuracy", v.accuracy},
             {"seconds", split},
             {"examples_per_second", examples / step_seconds},
             {"memory_bytes", memory_.bytes() + tagger_.trainable().bytes()}});
  const std::string tag = fmt::format("fold-{}/{}/", fold_, to_string(kind_));
  log.scalar(tag + "train_loss", state_.step, train_loss);
  log.scalar(tag + "validation_loss", state_.step, v.loss);
  log.scalar(tag + "validation_map3", state_.step, v.map3);
  log.scalar(tag + "examples_per_second", state_.step, examples / step_seconds);

  const PhaseSettings& settings = config_.phase(kind_);
  // A loss that is not finite never improves; then the first epoch's weights are kept.
  if (v.loss < state_.best_loss || state_.best_epoch < 0) {
    state_.best_loss = v.loss;
    state_.best_epoch = state_.epoch;
    save_best();
  }
  ++state_.epoch;
  state_.step_in_epoch = 0;
  state_.epoch_loss = 0;
  state_.skipped_examples = 0;
  state_.done =
      state_.epoch >= settings.epochs || state_.epoch - 1 - state_.best_epoch >= settings.patience;
  save_last();
}

void Phase::save_last() const {
  const Tagger::Snapshots snapshots = finite_snapshot();
  std::vector<SafetensorsEntry> tensors = tagger_.tensors(snapshots);
  for (auto& moment : tagger_.trainable().moments(snapshots.back()))
    tensors.push_back(std::move(moment));
  Metadata metadata = checkpoint_metadata(request_.info, kind_, fold_);
  metadata.merge(state_.to_metadata());
  write_safetensors(request_.paths.last(fold_, kind_), tensors, metadata);
}

void Phase::save_best() const {
  const Tagger::Snapshots snapshots = finite_snapshot();
  Metadata metadata = checkpoint_metadata(request_.info, kind_, fold_);
  metadata["epoch"] = std::to_string(state_.epoch);
  metadata["validation_loss"] = fmt::format("{}", state_.best_loss);
  write_safetensors(request_.paths.best(fold_, kind_), tagger_.tensors(snapshots), metadata);
}

}  // namespace earshot
