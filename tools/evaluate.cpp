// Scores a run on clips that training never heard.
#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/select_backend.h"
#include "models/evaluation.h"
#include "tools/device_options.h"
#include "tools/program.h"

namespace earshot {
namespace {

constexpr const char* kDescription =
    R"(Scores the trained networks of a run on the test clips of a store, at the paper's many crops:
mAP@3 with its 95 % interval, accuracy, per class, confusion. Prints a table and writes
RUN/report.json and RUN/report.html. With --zero, --models, --folds or --split train only what is
asked for with --json, --csv and --html is written.)";

struct Options {
  std::string run, data, zero, split = "test", json, csv, html;
  std::vector<std::string> models;
  std::vector<int> folds;
  DeviceOptions device;
};

void add_options(CLI::App& app, Options& o) {
  app.add_option("RUN", o.run, "Folder of a run that train made")->type_name("")->required();
  app.add_option("--data", o.data, "Clip store with the test clips")->type_name("DIR")->required();
  app.add_option("--models", o.models, "cnn-audio, cnn-spec, cnn-comb; default: all trained")
      ->delimiter(',')
      ->type_name("M");
  app.add_option("--folds", o.folds, "Folds to combine; default: all trained")
      ->delimiter(',')
      ->type_name("F");
  app.add_option("--zero", o.zero, "Feed zeros to one input of cnn-comb: audio or spectrogram")
      ->check(CLI::IsMember({"audio", "spectrogram"}))
      ->type_name("INPUT");
  app.add_option("--split", o.split, "test or train")
      ->check(CLI::IsMember({"test", "train"}))
      ->type_name("S")
      ->capture_default_str();
  app.add_option("--json", o.json, "Also write the report as JSON here")->type_name("FILE");
  app.add_option("--csv", o.csv, "Kaggle submission (fname,label) of the last model scored")
      ->type_name("FILE");
  app.add_option("--html", o.html, "Also write the page here")->type_name("FILE");
  add_device_options(app, o.device);
}

void work(const Options& o) {
  const RunPaths paths{o.run};
  const RunInfo info = read_run(o.run);
  const Store store(o.data);
  const auto backend = select_backend(o.device.device, o.device.threads);
  EvaluationRequest request{*backend, store, paths, info, {}, o.folds};
  for (const std::string& word : o.models) request.kinds.push_back(model_kind(word));
  if (o.split == "train") request.split = Split::kTrain;
  if (!o.zero.empty()) {
    request.zero = o.zero == "audio" ? ClipSource::Zero::kAudio : ClipSource::Zero::kSpectrogram;
    if (request.kinds.empty()) request.kinds = {ModelKind::kComb};
    if (request.kinds != std::vector{ModelKind::kComb})
      fail_usage("--zero is for cnn-comb, which alone has two inputs");
  }
  const Report report = evaluate(request);
  std::cout << to_text(report);
  const std::string json = to_json(report).dump(1) + "\n";
  const bool whole = o.zero.empty() && o.models.empty() && o.folds.empty() && o.split == "test";
  if (whole) {
    write_file(paths.root / "report.json", json);
    write_file(paths.root / "report.html", to_html(report));
    std::cout << "\nreport: " << (paths.root / "report.html").string() << "\n";
  }
  if (!o.json.empty()) write_file(o.json, json);
  if (!o.html.empty()) write_file(o.html, to_html(report));
  if (!o.csv.empty()) write_file(o.csv, to_kaggle_csv(report.models.back(), report.classes));
}

}  // namespace
}  // namespace earshot

int main(int argc, char** argv) {
  CLI::App app(earshot::kDescription, "evaluate");
  earshot::Options options;
  earshot::add_options(app, options);
  return earshot::run_program(app, argc, argv, [&] { earshot::work(options); });
}
