#include "models/evaluation.h"

#include <fmt/chrono.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "engine/error.h"

namespace earshot {
namespace {

/// Class index of the run for each class of the store.
std::vector<int> map_classes(const EvaluationRequest& request) {
  const auto& known = request.info.classes;
  std::vector<int> map;
  for (const std::string& name : request.store.index().classes) {
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end())
      fail("store {} has the class {}, which this run was not trained on",
           request.store.folder().string(), name);
    map.push_back(static_cast<int>(found - known.begin()));
  }
  return map;
}

std::vector<int> folds_of(const EvaluationRequest& request, ModelKind kind) {
  std::vector<int> trained = trained_folds(request.paths, kind);
  if (request.folds.empty()) return trained;
  for (const int fold : request.folds)
    if (std::find(trained.begin(), trained.end(), fold) == trained.end())
      fail("{} of fold {} is not trained in {}", to_string(kind), fold,
           request.paths.root.string());
  return request.folds;
}

ModelReport report_model(const EvaluationRequest& request, const ScoredModel& model,
                         const std::vector<ClipScore>& scores, const std::vector<int64_t>& which,
                         const std::vector<int>& class_map) {
  ModelReport report;
  report.model = to_string(model.kind);
  if (request.zero == ClipSource::Zero::kAudio) report.model += ", audio zeroed";
  if (request.zero == ClipSource::Zero::kSpectrogram) report.model += ", spectrogram zeroed";
  report.folds = model.folds;
  for (size_t i = 0; i < which.size(); ++i) {
    const Clip& clip = request.store.index().clips[which[i]];
    Prediction p{clip.name, clip.label < 0 ? -1 : class_map[clip.label], clip.usage, {}};
    for (const float x : scores[i].log_probabilities) p.probabilities.push_back(std::exp(x));
    report.predictions.push_back(std::move(p));
  }
  report.scores = score(report.predictions, request.info.classes);
  return report;
}

}  // namespace

std::string scaled_down(const Config& config) {
  const Config paper;
  std::vector<std::string> parts;
  if (config.seconds < paper.seconds) parts.push_back(fmt::format("{} s inputs", config.seconds));
  if (config.batch != paper.batch)
    parts.push_back(fmt::format("batches of {} instead of {}", config.batch, paper.batch));
  if (config.batch_norm.momentum != paper.batch_norm.momentum)
    parts.push_back(fmt::format("batch norm momentum {:g} instead of {:g}",
                                config.batch_norm.momentum, paper.batch_norm.momentum));
  if (config.width_audio != 1.0 || config.width_spec != 1.0)
    parts.push_back(fmt::format("{:g} of the channels in cnn-audio and {:g} in cnn-spec",
                                config.width_audio, config.width_spec));
  const auto epochs = [&](ModelKind kind) { return config.phase(kind).epochs; };
  if (epochs(ModelKind::kAudio) < paper.audio.epochs)
    parts.push_back(fmt::format("{}, {} and {} epochs instead of at most {}",
                                epochs(ModelKind::kAudio), epochs(ModelKind::kSpec),
                                epochs(ModelKind::kComb), paper.audio.epochs));
  const double rate = config.phase(ModelKind::kComb).learning_rate;
  if (rate != paper.comb.learning_rate)
    parts.push_back(fmt::format("a learning rate of {:g} instead of {:g} in cnn-comb", rate,
                                paper.comb.learning_rate));
  const size_t folds = config.folds.run.size();
  if (folds > 0 && folds < static_cast<size_t>(config.folds.count))
    parts.push_back(fmt::format("{} of {} folds", folds, config.folds.count));
  if (parts.empty()) return {};
  return fmt::format("Scaled down from the paper's recipe: {}.", fmt::join(parts, "; "));
}

Report evaluate(const EvaluationRequest& request) {
  request.store.verify();  // also brings it into memory, in order
  const StoreIndex& index = request.store.index();
  if (!(index.features == request.info.features))
    fail(
        "store {} was prepared with other feature settings than the run {}; prepare it again "
        "with the run's",
        request.store.folder().string(), request.paths.root.string());
  const std::vector<int> class_map = map_classes(request);
  std::vector<int64_t> which;
  for (size_t i = 0; i < index.clips.size(); ++i)
    if (index.clips[i].split == request.split) which.push_back(static_cast<int64_t>(i));
  if (which.empty())
    fail("store {} has no {} clips", request.store.folder().string(),
         request.split == Split::kTest ? "test" : "training");

  Report report;
  report.run = fs::absolute(request.paths.root).lexically_normal().filename().string();
  report.data = request.store.folder().string();
  report.device = request.backend.description();
  report.created = fmt::format(
      "{:%Y-%m-%dT%H:%M:%SZ}",
      fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())));
  report.remarks = scaled_down(request.info.config);
  report.classes = request.info.classes;
  if (fs::exists(request.paths.log())) {
    report.curves = read_curves(request.paths.log());
    report.skipped_batches = count_skipped(request.paths.log());
  }
  if (report.skipped_batches > 0)
    report.remarks += fmt::format(
        "{}Training left out {} {} whose loss or gradient was not finite; log.jsonl names them.",
        report.remarks.empty() ? "" : " ", report.skipped_batches,
        report.skipped_batches == 1 ? "batch" : "batches");
  std::vector<ModelKind> kinds = request.kinds;
  if (kinds.empty())
    for (const ModelKind kind : {ModelKind::kAudio, ModelKind::kSpec, ModelKind::kComb})
      if (!trained_folds(request.paths, kind).empty()) kinds.push_back(kind);
  if (kinds.empty()) fail("nothing is trained in {}", request.paths.root.string());
  ClipSource source(request.store);
  source.resize_clips(request.info.config);
  source.place_on(request.backend);
  ScoringRequest scoring{request.backend, request.paths, request.info, {}, request.zero};
  for (const ModelKind kind : kinds) scoring.models.push_back({kind, folds_of(request, kind)});
  const auto scores = score_clips(scoring, source, which);
  for (size_t m = 0; m < kinds.size(); ++m)
    report.models.push_back(report_model(request, scoring.models[m], scores[m], which, class_map));
  return report;
}

}  // namespace earshot
