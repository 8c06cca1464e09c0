// What a scored run leaves behind: report.json, a table, a Kaggle CSV and one self-contained page.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "engine/files.h"
#include "models/metrics.h"

namespace earshot {

struct ModelReport {
  std::string model;  // "cnn-audio", or "cnn-comb, audio zeroed" for an ablation
  std::vector<int> folds;
  std::vector<Prediction> predictions;
  Scores scores;
};

/// One line of a training log, for the curves of the page.
struct EpochPoint {
  std::string model;
  int fold = 0;
  int epoch = 0;
  double train_loss = 0;
  double validation_loss = 0;
  double validation_map3 = 0;
};

struct Report {
  std::string run;              // name of the run
  std::string data;             // name of the store
  std::string device;           // "cpu: AMD EPYC ..., 2 threads"
  std::string created;          // UTC, ISO 8601
  std::string remarks;          // what the recipe scaled down, what training left out; may be empty
  int64_t skipped_batches = 0;  // that training left out because they were not finite
  std::vector<std::string> classes;
  std::vector<ModelReport> models;
  std::vector<EpochPoint> curves;
};

/// models["cnn-audio"].map3.{total,public,private} with .map3.{interval,public_interval,
/// private_interval}, .accuracy, .per_class, .confusion,
/// .folds, .clips, beside run, data, device, created, remarks, skipped_batches, classes. `public`
/// and `private` are null where the data has no such parts, every score where no clip was scored.
nlohmann::json to_json(const Report& report);

/// The table that evaluate prints: one row a model, mAP@3 with interval, accuracy, parts.
std::string to_text(const Report& report);

/// `fname,label` with three classes joined by spaces, one row a clip in the store's order.
std::string to_kaggle_csv(const ModelReport& model, const std::vector<std::string>& classes);

/// One HTML page, no outside resource, every text escaped: scores, loss and score curves, per-class
/// bars, confusion, most confused clips.
std::string to_html(const Report& report);

/// Batches that training left out because they were not finite ("event": "skipped"). Throws Error
/// where the file cannot be read.
int64_t count_skipped(const fs::path& log);

/// Epoch lines ("event": "epoch") of a run's log.jsonl, as the trainer writes them; broken lines
/// are skipped. Throws Error where the file cannot be read.
std::vector<EpochPoint> read_curves(const fs::path& log);

}  // namespace earshot
