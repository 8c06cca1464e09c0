// Tags recordings with a trained run.
#include <CLI/CLI.hpp>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>

#include "data/recording.h"
#include "engine/error.h"
#include "engine/select_backend.h"
#include "models/scoring.h"
#include "tools/device_options.h"
#include "tools/program.h"

namespace earshot {
namespace {

using nlohmann::json;

constexpr const char* kDescription =
    R"(Tags recordings (wav, flac, ogg, mp3, opus, ...) with a trained run: the most probable classes of
each file, over many crops and all trained folds. Files that cannot be read are named and the
others are still tagged; the exit status is then 1.)";
constexpr size_t kFilesAtOnce = 64;  // decoded together, so that a long list needs little memory

struct Options {
  std::string run, model;
  std::vector<std::string> files;
  int top = 3;
  bool as_json = false, timeline = false;
  DeviceOptions device;
};

void add_options(CLI::App& app, Options& o) {
  app.add_option("RUN", o.run, "Folder of a run that train made")->type_name("")->required();
  app.add_option("FILE", o.files, "Recordings")->type_name("")->required();
  app.add_option("--model", o.model,
                 "cnn-audio, cnn-spec or cnn-comb; default: the most joined one")
      ->type_name("M");
  app.add_option("--top", o.top, "Classes to name per file")
      ->check(CLI::Range(1, 100000))
      ->type_name("N")
      ->capture_default_str();
  app.add_flag("--json", o.as_json, "Print a JSON list, one object a file");
  app.add_flag("--timeline", o.timeline, "Also tag every crop of each file by itself");
  add_device_options(app, o.device);
}

ModelKind best_kind(const RunPaths& paths) {
  for (const ModelKind kind : {ModelKind::kComb, ModelKind::kSpec, ModelKind::kAudio})
    if (!trained_folds(paths, kind).empty()) return kind;
  fail("nothing is trained in {}", paths.root.string());
}

json tags_of(const std::vector<float>& log_probabilities, const Options& o,
             const std::vector<std::string>& classes) {
  json tags = json::array();
  for (const int c : top(log_probabilities, std::min<int>(o.top, static_cast<int>(classes.size()))))
    tags.push_back({{"label", classes[c]}, {"probability", std::exp(log_probabilities[c])}});
  return tags;
}

/// Tags files [first, last); unreadable ones get an "error" instead.
std::vector<json> tag_files(const ScoringRequest& request, const Options& o, size_t first,
                            size_t last) {
  std::vector<json> results;
  ClipSource source(request.info.features);
  std::vector<int64_t> which;
  std::vector<size_t> result_of;
  for (size_t i = first; i < last; ++i) {
    json& result = results.emplace_back(json{{"file", o.files[i]}});
    try {
      Recording recording = read_recording(o.files[i], request.info.features);
      if (recording.samples.empty()) fail("{}: holds no samples", o.files[i]);
      source.add(std::move(recording.samples));
      which.push_back(static_cast<int64_t>(which.size()));
      result_of.push_back(i - first);
    } catch (const Error& error) {
      result["error"] = error.what();
    }
  }
  if (which.empty()) return results;
  source.resize_clips(request.info.config);
  source.place_on(request.backend);
  const std::vector<ClipScore> scores = score_clips(request, source, which).front();
  for (size_t k = 0; k < which.size(); ++k) {
    json& result = results[result_of[k]];
    result["tags"] = tags_of(scores[k].log_probabilities, o, request.info.classes);
    if (!o.timeline) continue;
    json& timeline = result["timeline"] = json::array();
    for (const CropScore& crop : scores[k].crops)
      timeline.push_back({{"start", crop.start},
                          {"end", crop.end},
                          {"tags", tags_of(crop.log_probabilities, o, request.info.classes)}});
  }
  return results;
}

std::string line_of(const json& tags) {
  std::string text;
  for (const json& tag : tags)
    text += fmt::format("  {} {:.3f}", tag["label"].get<std::string>(),
                        tag["probability"].get<double>());
  return text;
}

void print(const json& result) {
  if (result.contains("error")) return;  // named on stderr
  std::cout << result["file"].get<std::string>() << line_of(result["tags"]) << "\n";
  if (!result.contains("timeline")) return;
  for (const json& crop : result["timeline"])
    std::cout << fmt::format("  {:8.2f} {:8.2f} s{}\n", crop["start"].get<double>(),
                             crop["end"].get<double>(), line_of(crop["tags"]));
}

void work(const Options& o) {
  const RunPaths paths{o.run};
  const RunInfo info = read_run(o.run);
  const ModelKind kind = o.model.empty() ? best_kind(paths) : model_kind(o.model);
  const auto backend = select_backend(o.device.device, o.device.threads);
  ScoringRequest request{*backend, paths, info, {{kind, trained_folds(paths, kind)}}};
  request.timeline = o.timeline;
  if (request.models.front().folds.empty())
    fail("no fold of {} is trained in {}", to_string(kind), o.run);
  json all = json::array();
  size_t failed = 0;
  for (size_t first = 0; first < o.files.size(); first += kFilesAtOnce) {
    const size_t last = std::min(o.files.size(), first + kFilesAtOnce);
    for (json& result : tag_files(request, o, first, last)) {
      if (result.contains("error")) {
        ++failed;
        std::cerr << "predict: " << result["error"].get<std::string>() << "\n";
      }
      if (o.as_json)
        all.push_back(std::move(result));
      else
        print(result);
    }
  }
  if (o.as_json) std::cout << all.dump(1, ' ', false, json::error_handler_t::replace) << std::endl;
  if (failed > 0) throw Failed();
}

}  // namespace
}  // namespace earshot

int main(int argc, char** argv) {
  CLI::App app(earshot::kDescription, "predict");
  earshot::Options options;
  earshot::add_options(app, options);
  return earshot::run_program(app, argc, argv, [&] { earshot::work(options); });
}
