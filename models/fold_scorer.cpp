#include "models/fold_scorer.h"

#include <algorithm>
#include <set>

#include "data/draw.h"

namespace earshot {
namespace {

/// Rows of log-probabilities that wait on the device before the host reads them.
constexpr int64_t kKeptCrops = 16384;

const char* prefix_of(ModelKind kind, ModelKind trunk) {
  if (kind != ModelKind::kComb) return "";
  return trunk == ModelKind::kAudio ? "audio." : "spec.";
}

/// Whether the blocks of a trunk are the same bits in both checkpoints.
bool same_blocks(const SafetensorsFile& a, const std::string& a_prefix, const SafetensorsFile& b,
                 const std::string& b_prefix) {
  const std::string block = a_prefix + "block";
  bool found = false;
  for (const SafetensorsEntry& entry : a.tensors()) {
    if (entry.name.rfind(block, 0) != 0) continue;
    const SafetensorsEntry* other = b.find(b_prefix + entry.name.substr(a_prefix.size()));
    if (!other || !std::ranges::equal(entry.bytes, other->bytes)) return false;
    found = true;
  }
  return found;
}

}  // namespace

FoldScorer::FoldScorer(const ScoringRequest& request, int fold, const std::vector<Crop>& crops,
                       const std::vector<CropGroup>& groups)
    : request_(request), crops_(crops), groups_(groups) {
  load(fold);
  add_trunks();
  const int64_t batch = request.info.config.scoring.batch;
  const auto total = static_cast<int64_t>(crops.size());
  std::vector<int64_t> sizes{std::min(batch, total)};
  if (total > batch && total % batch != 0) sizes.push_back(total % batch);
  plan(sizes);
  memory_ = request.backend.allocate(arena_.bytes(), "the scoring arena");
  bind();
}

void FoldScorer::load(int fold) {
  for (size_t i = 0; i < request_.models.size(); ++i) {
    const auto& [kind, folds] = request_.models[i];
    if (std::find(folds.begin(), folds.end(), fold) == folds.end()) continue;
    Model& model = models_.emplace_back();
    model.index = i;
    model.file = std::make_unique<SafetensorsFile>(request_.paths.best(fold, kind));
    check_checkpoint(*model.file, kind);
    model.tagger = std::make_unique<Tagger>(request_.backend, request_.info.config, kind,
                                            static_cast<int>(request_.info.classes.size()),
                                            /*trained=*/false);
    model.tagger->load(*model.file);
    model.top = std::move(model.tagger->build().top);
  }
}

void FoldScorer::add_trunks() {
  const int64_t batch = request_.info.config.scoring.batch;
  for (size_t m = 0; m < models_.size(); ++m) {
    const Model& model = models_[m];
    const ModelKind kind = model.tagger->kind();
    const auto shares = [&](ModelKind trunk, const std::vector<Consumer>& consumers) {
      const Model& other = models_[consumers.front().model];
      return same_blocks(*model.file, prefix_of(kind, trunk), *other.file,
                         prefix_of(other.tagger->kind(), trunk));
    };
    int64_t column = 0;
    if (model.tagger->has_audio()) {
      auto trunk = std::find_if(audio_.begin(), audio_.end(), [&](const AudioTrunk& t) {
        return shares(ModelKind::kAudio, t.consumers);
      });
      if (trunk == audio_.end()) {
        trunk = audio_.emplace(trunk);
        trunk->crops = std::make_unique<AudioCrops>(*model.tagger, crops_, groups_, batch);
      }
      trunk->consumers.push_back({m, column});
      column += trunk_features(model.tagger->table(ModelKind::kAudio));
    }
    if (!model.tagger->has_spec()) continue;
    auto trunk = std::find_if(spec_.begin(), spec_.end(), [&](const SpecTrunk& t) {
      return shares(ModelKind::kSpec, t.consumers);
    });
    if (trunk == spec_.end()) {
      trunk = spec_.emplace(trunk);
      trunk->tagger = model.tagger.get();
      trunk->network = std::move(model.tagger->build().spec);
    }
    trunk->consumers.push_back({m, column});
  }
}

void FoldScorer::plan(const std::vector<int64_t>& sizes) {
  Planner planner(arena_, sizes);
  const int64_t n = planner.max_batch();
  const auto total = static_cast<int64_t>(crops_.size());
  const Config& config = request_.info.config;
  for (Model& model : models_) {
    int64_t features = 0;
    for (const ModelKind trunk : {ModelKind::kAudio, ModelKind::kSpec})
      if (model.tagger->kind() == trunk || model.tagger->kind() == ModelKind::kComb)
        features += trunk_features(model.tagger->table(trunk));
    model.input_id = planner.lasting("features", {n, 1, 1, features});
    model.rows_id = planner.lasting("log_probabilities", {std::min(total, std::max(n, kKeptCrops)),
                                                          1, 1, model.tagger->classes()});
  }
  for (AudioTrunk& trunk : audio_) trunk.crops->plan_lines(planner);
  for (AudioTrunk& trunk : audio_) {
    trunk.crops->plan(planner);
    planner.advance();  // for the copies of the features
  }
  planner.set_batches(sizes);
  for (SpecTrunk& trunk : spec_) {
    planner.advance();
    if (config.input.wave_first)
      trunk.wave_id = planner.output("wave", {n, 1, window_samples(config.seconds), 1});
    Shape mel = trunk.tagger->table(ModelKind::kSpec).input;
    mel.n = n;
    trunk.mel_id = planner.output("mel", mel);
    trunk.network.plan(planner, mel);
    planner.advance();
  }
  for (Model& model : models_) {
    model.top.plan(planner, {n, 1, 1, arena_.entries()[model.input_id].shape.c});
    planner.advance();  // for the log-softmax
  }
  arena_.lay_out();
}

void FoldScorer::bind() {
  const Places places{arena_, memory_.data()};
  for (Model& model : models_) {
    model.input = places(model.input_id);
    model.rows = places(model.rows_id);
    model.top.bind(places);
  }
  for (AudioTrunk& trunk : audio_) trunk.crops->bind(places);
  for (SpecTrunk& trunk : spec_) {
    trunk.wave = places(trunk.wave_id);
    trunk.mel = places(trunk.mel_id);
    trunk.network.bind(places);
  }
}

void FoldScorer::run(const ClipSource& source, const Use& use,
                     const std::function<void(int64_t)>& done) {
  const int64_t batch = request_.info.config.scoring.batch;
  const auto wave = request_.zero == ClipSource::Zero::kAudio ? AudioCrops::Wave::kZero
                                                              : AudioCrops::Wave::kSamples;
  for (const CropGroup& group : groups_) {
    // Several trunks only where a checkpoint of cnn-comb has blocks of its own.
    for (AudioTrunk& trunk : audio_) trunk.crops->start(group, source, wave);
    for (int64_t first = 0; first < group.count; first += batch) {
      const int64_t n = std::min(batch, group.count - first);
      if (kept_ + n > models_.front().rows.shape.n) drain(use);
      run_batch(group, first, source);
      done(n * static_cast<int64_t>(models_.size()));
    }
  }
  drain(use);
}

void FoldScorer::run_batch(const CropGroup& group, int64_t first, const ClipSource& source) {
  const int64_t n = std::min<int64_t>(request_.info.config.scoring.batch, group.count - first);
  for (AudioTrunk& trunk : audio_) hand_on(trunk.crops->features(first), trunk.consumers);
  if (!spec_.empty()) {
    GatherPlan plan;
    for (int64_t i = group.first + first; i < group.first + first + n; ++i) {
      fixed_placement(crops_[i].clip, -crops_[i].start, plan);
      end_example(plan);
    }
    for (SpecTrunk& trunk : spec_) run_spec(trunk, plan, source);
  }
  for (Model& model : models_)
    request_.backend.log_softmax(model.top.forward(model.input.first(n), {}),
                                 model.rows.slice(kept_, n));
  kept_ += n;
}

void FoldScorer::run_spec(SpecTrunk& trunk, const GatherPlan& plan, const ClipSource& source) {
  Backend& backend = request_.backend;
  const int64_t n = plan.examples();
  const Tensor mel = trunk.mel.first(n);
  if (request_.zero == ClipSource::Zero::kSpectrogram) {
    backend.zero(mel);
  } else {
    const Tensor wave = trunk.wave.data ? trunk.wave.first(n) : Tensor{};
    const GatherPlanView on_device = source.upload(backend, plan);
    if (wave.data) source.gather_wave(backend, on_device, wave);
    source.gather_mel(backend, request_.info.config, on_device, wave, mel);
  }
  hand_on(trunk.network.forward(mel, {}), trunk.consumers);
}

void FoldScorer::hand_on(const Tensor& features, const std::vector<Consumer>& consumers) {
  for (const Consumer& c : consumers)
    request_.backend.copy_columns(features.flat(), models_[c.model].input.first(features.shape.n),
                                  c.column);
}

void FoldScorer::drain(const Use& use) {
  for (const Model& model : models_) {
    const Tensor rows = model.rows.first(kept_);
    std::vector<float> host(static_cast<size_t>(rows.shape.count()));
    request_.backend.copy_to_host(host.data(), rows);
    use(model.index, first_kept_, kept_, host.data());
  }
  first_kept_ += kept_;
  kept_ = 0;
}

double FoldScorer::audio_flops() const {
  double sum = 0;
  for (const AudioTrunk& trunk : audio_) sum += trunk.crops->flops();
  return sum;
}

}  // namespace earshot
