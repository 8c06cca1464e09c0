#include "models/report.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "engine/error.h"
#include "models/html.h"

namespace earshot {
namespace {

using Json = nlohmann::json;

Json number_or_null(const Score& score, double value) {
  return score.clips > 0 ? Json(value) : Json();
}

Json part_or_null(const Score& score) { return number_or_null(score, score.map3); }

Json interval_or_null(const Score& score) { return number_or_null(score, score.interval); }

Json model_json(const ModelReport& model) {
  const Scores& scores = model.scores;
  Json json;
  json["map3"] = {{"total", part_or_null(scores.total)},
                  {"public", part_or_null(scores.public_part)},
                  {"private", part_or_null(scores.private_part)},
                  {"interval", interval_or_null(scores.total)},
                  {"public_interval", interval_or_null(scores.public_part)},
                  {"private_interval", interval_or_null(scores.private_part)}};
  json["accuracy"] = number_or_null(scores.total, scores.total.accuracy);
  json["clips"] = scores.total.clips;
  json["folds"] = model.folds;
  json["confusion"] = scores.confusion;
  json["per_class"] = Json::array();
  for (const ClassScore& entry : scores.per_class) {
    json["per_class"].push_back({{"label", clean_text(entry.label)},
                                 {"map3", part_or_null(entry.score)},
                                 {"interval", interval_or_null(entry.score)},
                                 {"accuracy", number_or_null(entry.score, entry.score.accuracy)},
                                 {"clips", entry.score.clips}});
  }
  return json;
}

std::string cell(const Score& score, double value) {
  return score.clips > 0 ? fmt::format("{:.3f}", value) : "-";
}

std::string with_interval(const Score& score) {
  return score.clips > 0 ? fmt::format("{:.3f} ± {:.3f}", score.map3, score.interval) : "-";
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == text.npos) return text;
  std::string quoted = "\"";
  for (char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

// The trainer's loggers write a loss that is not finite as null.
std::optional<double> number_at(const Json& line, const char* key) {
  const auto found = line.find(key);
  if (found == line.end()) return std::nullopt;
  if (found->is_null()) return std::numeric_limits<double>::quiet_NaN();
  return found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
}

std::optional<int> count_at(const Json& line, const char* key) {
  const auto found = line.find(key);
  if (found == line.end() || !found->is_number_unsigned()) return std::nullopt;
  const uint64_t number = found->get<uint64_t>();
  if (number > static_cast<uint64_t>(std::numeric_limits<int>::max())) return std::nullopt;
  return static_cast<int>(number);
}

std::optional<EpochPoint> epoch_point(const Json& line) {
  if (!line.is_object() || line.value("event", Json()) != "epoch") return std::nullopt;
  const Json model = line.value("model", Json());
  const auto fold = count_at(line, "fold"), epoch = count_at(line, "epoch");
  const auto train = number_at(line, "train_loss"), validation = number_at(line, "validation_loss"),
             map3 = number_at(line, "validation_map3");
  if (!model.is_string() || !fold || !epoch || !train || !validation || !map3) return std::nullopt;
  return EpochPoint{model.get<std::string>(), *fold, *epoch, *train, *validation, *map3};
}

template <typename Take>
void for_each_line(const fs::path& log, const Take& take) {
  const std::string text = read_file(log);
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\n', start), text.size());
    take(Json::parse(text.begin() + start, text.begin() + end, nullptr, false));
    start = end + 1;
  }
}

}  // namespace

Json to_json(const Report& report) {
  Json json = {{"run", clean_text(report.run)},
               {"data", clean_text(report.data)},
               {"device", clean_text(report.device)},
               {"created", clean_text(report.created)},
               {"remarks", clean_text(report.remarks)},
               {"skipped_batches", report.skipped_batches},
               {"classes", Json::array()},
               {"models", Json::object()}};
  for (const std::string& name : report.classes) json["classes"].push_back(clean_text(name));
  for (const ModelReport& model : report.models) {
    json["models"][clean_text(model.model)] = model_json(model);
  }
  return json;
}

std::string to_text(const Report& report) {
  const auto any_part = [&](Score Scores::*part) {
    return std::any_of(report.models.begin(), report.models.end(),
                       [&](const ModelReport& model) { return (model.scores.*part).clips > 0; });
  };
  const bool parts = any_part(&Scores::public_part) || any_part(&Scores::private_part);
  size_t width = 5;
  for (const ModelReport& model : report.models) {
    width = std::max(width, shortened(model.model, 40).size());
  }
  const auto line = [&](std::string model, std::string clips, std::string score,
                        std::string accuracy, std::string open, std::string closed) {
    const std::string shared =
        fmt::format("{:<{}}  {:>6}  {:<13}  {:>8}", model, width, clips, score, accuracy);
    return parts ? fmt::format("{}  {:<13}  {}\n", shared, open, closed) : shared + '\n';
  };
  std::string text = line("model", "clips", "mAP@3", "accuracy", "public", "private");
  for (const ModelReport& model : report.models) {
    const Scores& scores = model.scores;
    text += line(shortened(model.model, 40), std::to_string(scores.total.clips),
                 with_interval(scores.total), cell(scores.total, scores.total.accuracy),
                 with_interval(scores.public_part), with_interval(scores.private_part));
  }
  return text;
}

std::string to_kaggle_csv(const ModelReport& model, const std::vector<std::string>& classes) {
  std::string text = "fname,label\n";
  for (const Prediction& prediction : model.predictions) {
    if (prediction.probabilities.size() != classes.size()) {
      fail("{} has {} probabilities, but there are {} classes; predict it again with this model",
           prediction.name, prediction.probabilities.size(), classes.size());
    }
    std::string labels;
    for (int index : top(prediction.probabilities, 3)) {
      labels += (labels.empty() ? "" : " ") + classes[index];
    }
    text += csv_field(prediction.name) + ',' + csv_field(labels) + '\n';
  }
  return text;
}

std::vector<EpochPoint> read_curves(const fs::path& log) {
  std::vector<EpochPoint> points;
  for_each_line(log, [&](const Json& line) {
    if (const auto point = epoch_point(line)) points.push_back(*point);
  });
  return points;
}

int64_t count_skipped(const fs::path& log) {
  int64_t count = 0;
  for_each_line(log, [&](const Json& line) {
    if (line.is_object() && line.value("event", Json()) == "skipped") ++count;
  });
  return count;
}

}  // namespace earshot
