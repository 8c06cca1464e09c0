#include "benchmarks/case_file.h"

#include <cstring>
#include <nlohmann/json.hpp>

namespace earshot {
namespace {

nlohmann::json to_json(const NetworkTable& table) {
  nlohmann::json blocks = nlohmann::json::array();
  for (const BlockRow& block : table.blocks) {
    nlohmann::json convolutions = nlohmann::json::array();
    for (const auto& c : block.convolutions)
      convolutions.push_back({c.kernel_h, c.kernel_w, c.channels});
    blocks.push_back({{"convolutions", convolutions}, {"pool", {block.pool_h, block.pool_w}}});
  }
  return {{"input", {table.input.h, table.input.w, table.input.c}},
          {"blocks", blocks},
          {"dense", table.dense}};
}

}  // namespace

void CaseFile::add_weights(const Tagger& tagger) {
  const Tagger::Snapshots snapshots = tagger.snapshot();
  for (const SafetensorsEntry& entry : tagger.tensors(snapshots)) {
    std::vector<float> values(entry.bytes.size() / sizeof(float));
    std::memcpy(values.data(), entry.bytes.data(), entry.bytes.size());
    add("weight." + entry.name, entry.shape, std::move(values));
  }
}

void CaseFile::add(const std::string& name, std::vector<int64_t> shape, std::vector<float> values) {
  entries_.push_back({name, std::move(shape), std::move(values)});
}

void CaseFile::add(Backend& backend, const std::string& name, const Tensor& t) {
  std::vector<float> values(static_cast<size_t>(t.shape.count()));
  backend.copy_to_host(values.data(), t);
  add(name, {t.shape.n, t.shape.h, t.shape.w, t.shape.c}, std::move(values));
}

void CaseFile::describe(const Tagger& tagger, int64_t batch) {
  const Config& config = tagger.config();
  nlohmann::json tables;
  if (tagger.has_audio()) tables["audio"] = to_json(tagger.table(ModelKind::kAudio));
  if (tagger.has_spec()) tables["spec"] = to_json(tagger.table(ModelKind::kSpec));
  metadata_ = {{"model", to_string(tagger.kind())},
               {"batch", std::to_string(batch)},
               {"classes", std::to_string(tagger.classes())},
               {"tables", tables.dump()},
               {"head", nlohmann::json(config.head.layers).dump()},
               {"batch_norm_epsilon", fmt::format("{}", config.batch_norm.epsilon)},
               {"batch_norm_momentum", fmt::format("{}", config.batch_norm.momentum)},
               {"learning_rate", fmt::format("{}", config.phase(tagger.kind()).learning_rate)}};
}

void CaseFile::write(const fs::path& path) const {
  std::vector<SafetensorsEntry> entries;
  for (const Entry& e : entries_)
    entries.push_back({e.name, SafetensorsType::kF32, e.shape, std::as_bytes(std::span(e.values))});
  write_safetensors(path, entries, metadata_);
}

}  // namespace earshot
