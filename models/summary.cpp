#include "models/summary.h"

#include <map>

#include "data/store.h"
#include "engine/error.h"
#include "models/phase.h"
#include "models/run.h"

namespace earshot {
namespace {

using json = nlohmann::ordered_json;

json with_order(const nlohmann::json& value) { return json::parse(value.dump()); }

struct Amount {
  int64_t clips = 0;
  int64_t samples = 0;
  json to_json() const {
    return {{"clips", clips}, {"hours", static_cast<double>(samples) / kSampleRate / 3600.0}};
  }
};

json summarise_store(const fs::path& path, bool verify) {
  const Store store(path);
  if (verify) store.verify();
  const StoreIndex& index = store.index();
  Amount train, test;
  std::map<int, std::pair<Amount, Amount>> classes;
  std::map<std::string, Amount> licenses;
  for (const Clip& clip : index.clips) {
    const bool is_test = clip.split == Split::kTest;
    auto& of_class = classes[clip.label];
    for (Amount* amount : {is_test ? &test : &train, is_test ? &of_class.second : &of_class.first,
                           &licenses[clip.license.empty() ? "not stated" : clip.license]}) {
      ++amount->clips;
      amount->samples += clip.samples;
    }
  }
  json out{{"kind", "store"},
           {"path", path.string()},
           {"format", kStoreVersion},
           {"fingerprint", index.fingerprint},
           {"features", with_order(to_json(index.features))},
           {"train", train.to_json()},
           {"test", test.to_json()},
           {"problems", index.problems.size()}};
  for (const auto& [label, tallies] : classes)
    out["classes"].push_back({{"label", label < 0 ? "(unlabelled)" : index.classes[label]},
                              {"train", tallies.first.to_json()},
                              {"test", tallies.second.to_json()}});
  for (const auto& [license, amount] : licenses) out["licenses"][license] = amount.to_json();
  return out;
}

json summarise_checkpoint(const fs::path& path) {
  const SafetensorsFile file(path);
  json out{{"kind", "checkpoint"}, {"path", path.string()}};
  for (const auto& [key, value] : file.metadata()) {
    const json parsed = json::parse(value, nullptr, false);
    out["metadata"][key] = parsed.is_structured() ? parsed : json(value);
  }
  int64_t parameters = 0;
  for (const SafetensorsEntry& t : file.tensors()) {
    out["tensors"].push_back({{"name", t.name}, {"shape", t.shape}, {"bytes", t.bytes.size()}});
    if (t.name.rfind("adam.", 0) != 0)
      parameters += static_cast<int64_t>(t.bytes.size() / sizeof(float));
  }
  out["parameters"] = parameters;
  return out;
}

json summarise_run(const fs::path& path) {
  const RunInfo info = read_run(path);
  const RunPaths paths{path};
  json out{{"kind", "run"},
           {"path", path.string()},
           {"data", info.data},
           {"classes", info.classes},
           {"features", with_order(to_json(info.features))},
           {"config", with_order(to_json(info.config))},
           {"phases", json::array()}};
  for (int fold = 0; fold < info.config.folds.count; ++fold)
    for (const ModelKind kind : {ModelKind::kAudio, ModelKind::kSpec, ModelKind::kComb}) {
      if (!fs::exists(paths.last(fold, kind))) continue;
      const PhaseState state = PhaseState::from_metadata(SafetensorsFile(paths.last(fold, kind)));
      out["phases"].push_back({{"fold", fold},
                               {"model", to_string(kind)},
                               {"epochs", state.epoch},
                               {"steps", state.step},
                               {"best_epoch", state.best_epoch + 1},
                               {"best_validation_loss", state.best_loss},
                               {"done", state.done}});
    }
  if (fs::exists(path / "report.json")) {
    const json report = json::parse(read_file(path / "report.json"), nullptr, false);
    if (report.is_object() && report.contains("models"))
      for (const auto& [model, scores] : report["models"].items())
        out["scores"][model] = scores.value("map3", json::object()).value("total", json());
  }
  return out;
}

std::string tally_text(const json& tally) {
  return fmt::format("{:>7} {:>8.3f}", tally["clips"].get<int64_t>(), tally["hours"].get<double>());
}

std::string store_text(const json& s) {
  std::string text =
      fmt::format("clip store {} (format {})\nfeatures {}\n\n{:<28} {:>7} {:>8} {:>7} {:>8}\n",
                  s["path"].get<std::string>(), s["format"].get<int>(), s["features"].dump(),
                  "class", "train", "hours", "test", "hours");
  for (const json& c : s["classes"])
    text += fmt::format("{:<28} {} {}\n", c["label"].get<std::string>(), tally_text(c["train"]),
                        tally_text(c["test"]));
  text += fmt::format("{:<28} {} {}\n\n{:<28} {:>7} {:>8}\n", "total", tally_text(s["train"]),
                      tally_text(s["test"]), "licence", "clips", "hours");
  for (const auto& [license, tally] : s["licenses"].items())
    text += fmt::format("{:<28} {}\n", license, tally_text(tally));
  return text + fmt::format("\n{} problems, see problems.csv\n", s["problems"].get<size_t>());
}

std::string checkpoint_text(const json& s) {
  std::string text = fmt::format("checkpoint {}\n", s["path"].get<std::string>());
  for (const auto& [key, value] : s["metadata"].items())
    text += fmt::format("{:<18} {}\n", key,
                        value.is_string() ? value.get<std::string>() : value.dump());
  text += fmt::format("\n{:<36} {:<20} {:>12}\n", "tensor", "shape", "bytes");
  for (const json& t : s["tensors"])
    text += fmt::format("{:<36} {:<20} {:>12}\n", t["name"].get<std::string>(), t["shape"].dump(),
                        t["bytes"].get<int64_t>());
  return text + fmt::format("\n{} parameters and statistics\n", s["parameters"].get<int64_t>());
}

std::string run_text(const json& s) {
  std::string text =
      fmt::format("run {}\ndata {}\n{} classes\nconfig {}\n\n", s["path"].get<std::string>(),
                  s["data"].get<std::string>(), s["classes"].size(), s["config"].dump());
  text += fmt::format("{:<5} {:<10} {:>7} {:>8} {:>11} {:>16}  {}\n", "fold", "model", "epochs",
                      "steps", "best epoch", "validation loss", "state");
  for (const json& p : s["phases"])
    text += fmt::format("{:<5} {:<10} {:>7} {:>8} {:>11} {:>16}  {}\n", p["fold"].get<int>(),
                        p["model"].get<std::string>(), p["epochs"].get<int>(),
                        p["steps"].get<int64_t>(), p["best_epoch"].get<int>(),
                        p["best_validation_loss"].is_number()
                            ? fmt::format("{:.4f}", p["best_validation_loss"].get<double>())
                            : "-",
                        p["done"].get<bool>() ? "done" : "unfinished");
  if (s.contains("scores"))
    for (const auto& [model, value] : s["scores"].items())
      if (value.is_number())
        text += fmt::format("mAP@3 {:<22} {:.3f}\n", model, value.get<double>());
  return text;
}

}  // namespace

nlohmann::ordered_json summarise(const fs::path& path, bool verify) {
  if (!fs::exists(path)) fail("{}: no such file or folder", path.string());
  if (fs::is_directory(path)) {
    if (fs::exists(RunPaths{path}.info())) return summarise_run(path);
    if (fs::exists(path / "index.json")) return summarise_store(path, verify);
    fail("{} is neither a clip store (index.json) nor a run (run.json)", path.string());
  }
  return summarise_checkpoint(path);
}

std::string summary_text(const nlohmann::ordered_json& summary) {
  const std::string kind = summary.at("kind");
  if (kind == "store") return store_text(summary);
  return kind == "run" ? run_text(summary) : checkpoint_text(summary);
}

}  // namespace earshot
