#include "models/tagger.h"

#include <algorithm>

namespace earshot {

Tagger::Tagger(Backend& backend, const Config& config, ModelKind kind, int classes, bool trained)
    : backend_(backend), config_(config), kind_(kind), classes_(classes) {
  backend.set_numerics({config.precision, config.deterministic});
  if (kind == ModelKind::kComb) {
    for (const char* prefix : {"audio.", "spec.", "head."})
      sets_.push_back({prefix, std::make_unique<Parameters>()});
  } else {
    sets_.push_back({"", std::make_unique<Parameters>()});
  }
  build();  // declares
  for (Set& set : sets_)
    set.parameters->allocate(backend, trained && set.parameters.get() == &trainable());
}

Parameters& Tagger::trainable() const { return *sets_.back().parameters; }

NetworkTable Tagger::table(ModelKind trunk) const {
  return trunk == ModelKind::kAudio ? scaled(audio_table(config_.seconds), config_.width_audio)
                                    : scaled(spec_table(config_.seconds), config_.width_spec);
}

Parameters& Tagger::trunk_parameters(ModelKind trunk) const {
  return kind_ == ModelKind::kComb && trunk == ModelKind::kSpec ? *sets_[1].parameters
                                                                : *sets_.front().parameters;
}

BatchNormOptions Tagger::norm_options() const {
  return {static_cast<float>(config_.batch_norm.momentum),
          static_cast<float>(config_.batch_norm.epsilon), DType::kF32, DType::kF32};
}

std::unique_ptr<Layer> Tagger::block(ModelKind trunk, size_t index, const BlockRow& row) {
  const NetworkTable rows = table(trunk);
  const int64_t c_in =
      index == 0 ? rows.input.c : rows.blocks[index - 1].convolutions.back().channels;
  return std::make_unique<ConvBlock>(backend_, trunk_parameters(trunk),
                                     fmt::format("block{}", index + 1), row, c_in);
}

std::unique_ptr<Layer> Tagger::block_norm(ModelKind trunk, size_t index) {
  const std::vector<BlockRow> rows = table(trunk).blocks;
  BatchNormOptions options = norm_options();
  options.x = backend_.activation_type();
  if (index + 1 < rows.size()) options.y = options.x;  // dense layers take float32
  return std::make_unique<BatchNorm>(backend_, trunk_parameters(trunk),
                                     fmt::format("block{}.norm", index + 1),
                                     rows[index].convolutions.back().channels, options);
}

void Tagger::add_blocks(Network& network, ModelKind trunk) {
  const NetworkTable rows = table(trunk);
  for (size_t i = 0; i < rows.blocks.size(); ++i) {
    network.add(block(trunk, i, rows.blocks[i]));
    network.add(block_norm(trunk, i));
  }
}

void Tagger::add_hidden(Network& network, Parameters& parameters, const std::string& name,
                        int64_t in, int64_t out) {
  network.add(std::make_unique<Dense>(backend_, parameters, name, in, out, Activation::kRelu));
  network.add(
      std::make_unique<BatchNorm>(backend_, parameters, name + ".norm", out, norm_options()));
  if (config_.dropout > 0)
    network.add(std::make_unique<DropoutLayer>(backend_, name + ".dropout",
                                               static_cast<float>(config_.dropout),
                                               static_cast<uint32_t>(network.layers().size())));
}

Tagger::Networks Tagger::build() {
  Networks n;
  Parameters& last = trainable();
  int64_t features = 0;
  if (has_audio()) {
    add_blocks(n.audio, ModelKind::kAudio);
    features += trunk_features(table(ModelKind::kAudio));
  }
  if (has_spec()) {
    add_blocks(n.spec, ModelKind::kSpec);
    features += trunk_features(table(ModelKind::kSpec));
  }
  if (kind_ == ModelKind::kComb) {
    for (size_t i = 0; i < config_.head.layers.size(); ++i) {
      add_hidden(n.top, last, fmt::format("dense{}", i + 1), features, config_.head.layers[i]);
      features = config_.head.layers[i];
    }
  } else {
    const int64_t dense = table(kind_).dense;
    add_hidden(n.top, last, "dense", features, dense);
    features = dense;
  }
  n.top.add(
      std::make_unique<Dense>(backend_, last, "softmax", features, classes_, Activation::kNone));
  return n;
}

void Tagger::initialise(uint64_t seed) {
  for (size_t i = 0; i < sets_.size(); ++i) sets_[i].parameters->initialise(seed + i);
}

void Tagger::load_trunk(ModelKind trunk, const SafetensorsFile& file) {
  if (kind_ != ModelKind::kComb) fail("only cnn-comb has trunks to load");
  sets_[trunk == ModelKind::kAudio ? 0 : 1].parameters->load(file, "");
}

void Tagger::refresh_factors() {
  for (Set& set : sets_) set.parameters->refresh_factors();
}

void Tagger::load(const SafetensorsFile& file) {
  for (Set& set : sets_) set.parameters->load(file, set.prefix);
}

Tagger::Snapshots Tagger::snapshot() const {
  Snapshots snapshots;
  for (const Set& set : sets_) snapshots.push_back(set.parameters->snapshot());
  return snapshots;
}

void Tagger::restore(const Snapshots& snapshots) {
  for (size_t i = 0; i < sets_.size(); ++i) sets_[i].parameters->restore(snapshots[i]);
}

std::vector<SafetensorsEntry> Tagger::tensors(const Snapshots& snapshots) const {
  std::vector<SafetensorsEntry> all;
  for (size_t i = 0; i < sets_.size(); ++i)
    for (auto& entry : sets_[i].parameters->tensors(snapshots[i], sets_[i].prefix))
      all.push_back(std::move(entry));
  return all;
}

namespace {

/// Clips that an example may be blended of.
int64_t blended_clips(const Config& config, bool training) {
  return training && config.augment.enabled ? config.augment.mixup.clips : 1;
}

}  // namespace

TaggerPass::TaggerPass(Tagger& tagger, bool training, std::vector<int64_t> batches,
                       BlockForm blocks)
    : tagger_(tagger),
      training_(training),
      batches_(batches),
      networks_(tagger.build()),
      inputs_(batches.empty() ? 0 : *std::max_element(batches.begin(), batches.end()),
              blended_clips(tagger.config(), training), tagger.classes()) {
  Planner planner(arena_, std::move(batches));
  planner.blocks = blocks;
  const int64_t n = planner.max_batch(), classes = tagger.classes();
  const bool joined = tagger.kind() == ModelKind::kComb;
  planner.training = training && !joined;
  // Filled before the pass, read at its end.
  inputs_id_ = planner.lasting("step_inputs", {1, 1, 1, inputs_.bytes()}, DType::kU8);
  int64_t features = 0;
  const Shape wave{n, 1, window_samples(tagger.config().seconds), 1};
  Shape mel = tagger.table(ModelKind::kSpec).input;
  mel.n = n;
  if (tagger.has_audio() || tagger.config().input.wave_first)
    wave_id_ = planner.lasting("wave", wave);
  if (tagger.has_spec()) mel_id_ = planner.lasting("mel", mel);
  if (tagger.has_audio()) features += networks_.audio.plan(planner, wave).features();
  if (joined) {  // the joined features must be there before the second trunk reuses the memory
    planner.advance();
    joined_id_ = planner.lasting(
        "joined", {n, 1, 1, features + trunk_features(tagger.table(ModelKind::kSpec))});
  }
  if (tagger.has_spec()) features += networks_.spec.plan(planner, mel).features();
  if (joined) planner.advance();  // for the copy; a single trunk feeds the next layer directly
  planner.training = training;
  planner.wants_dx = training && !joined;
  networks_.top.plan(planner, {n, 1, 1, features});
  planner.advance();
  loss_id_ = planner.lasting("loss", {n, 1, 1, 1});
  log_p_id_ = planner.lasting("log_probabilities", {n, 1, 1, classes});
  if (training) dlogits_id_ = planner.input_gradient("dlogits", {n, 1, 1, classes});
  arena_.lay_out();
}

void TaggerPass::bind(void* base) {
  const Places places{arena_, base};
  networks_.audio.bind(places);
  networks_.spec.bind(places);
  networks_.top.bind(places);
  wave_ = places(wave_id_);
  mel_ = places(mel_id_);
  joined_ = places(joined_id_);
  inputs_.bind(places(inputs_id_).data);
  loss_ = places(loss_id_);
  log_p_ = places(log_p_id_);
  dlogits_ = places(dlogits_id_);
}

Tensor TaggerPass::forward(int64_t n, const StepInfo& step) {
  Backend& backend = tagger_.backend();
  tagger_.refresh_factors();
  if (tagger_.kind() != ModelKind::kComb) {
    const Tensor features = tagger_.has_audio() ? networks_.audio.forward(wave(n), step)
                                                : networks_.spec.forward(mel(n), step);
    trunk_shape_ = features.shape;
    return networks_.top.forward(features.flat(), step);
  }
  StepInfo frozen = step;
  frozen.mode = step.mode == Mode::kTrain && tagger_.config().head.trunk_batch_norm ==
                                                 HeadSettings::TrunkBatchNorm::kBatch
                    ? Mode::kFrozenBatch
                    : Mode::kInference;
  const Tensor joined = joined_.first(n);
  int64_t first = 0;
  const auto join = [&](Network& trunk, const Tensor& x, const char* part) {
    const TraceRange range(part, TracePhase::kForward);
    const Tensor features = trunk.forward(x, frozen).flat();
    backend.copy_columns(features, joined, first);
    first += features.shape.c;
  };
  join(networks_.audio, wave(n), "audio.");
  join(networks_.spec, mel(n), "spec.");
  const TraceRange range("head.", TracePhase::kForward);
  return networks_.top.forward(joined, step);
}

void TaggerPass::loss_of(const Tensor& logits) {
  const TraceRange range("loss", TracePhase::kForward);
  const int64_t n = logits.shape.n;
  tagger_.backend().softmax_loss(
      {logits, targets(n), class_weights(), loss(n), training_ ? dlogits_.first(n) : Tensor{}});
  if (trace_listener) trace_listener->wrote("loss", TracePhase::kForward, loss(n));
}

void TaggerPass::backward(int64_t n) {
  if (tagger_.kind() == ModelKind::kComb) {
    const TraceRange range("head.", TracePhase::kBackward);
    networks_.top.backward(dlogits_.first(n));
    return;
  }
  Tensor dy = networks_.top.backward(dlogits_.first(n));
  dy.shape = trunk_shape_;
  (tagger_.has_audio() ? networks_.audio : networks_.spec).backward(dy);
}

std::vector<LayerWork> TaggerPass::work(int64_t n) const {
  std::vector<LayerWork> rows;
  const auto add = [&](const Network& network, const char* part, bool trained) {
    for (const auto& layer : network.layers())
      for (LayerWork& row : layer->work(n)) {
        row.name = part + row.name;
        if (!trained) row.backward = {};
        rows.push_back(std::move(row));
      }
  };
  const bool joined = tagger_.kind() == ModelKind::kComb;
  add(networks_.audio, joined ? "audio." : "", training_ && !joined);
  add(networks_.spec, joined ? "spec." : "", training_ && !joined);
  add(networks_.top, joined ? "head." : "", training_);
  return rows;
}

}  // namespace earshot
