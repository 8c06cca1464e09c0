#include "data/store_index.h"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/checked_json.h"
#include "engine/error.h"

namespace earshot {
namespace {

using nlohmann::json;

constexpr JsonFormat kFormat{"earshot clip store", kStoreVersion};
constexpr std::array kSplits = {std::pair{Split::kTrain, "train"}, std::pair{Split::kTest, "test"}};
constexpr std::array kUsages = {
    std::pair{Usage::kNone, "none"}, std::pair{Usage::kPublic, "public"},
    std::pair{Usage::kPrivate, "private"}, std::pair{Usage::kIgnored, "ignored"}};

template <typename Table, typename Value>
const char* name_of(const Table& table, Value value) {
  for (const auto& [known, name] : table) {
    if (known == value) return name;
  }
  fail("value {} has no name", static_cast<int>(value));
}

template <typename Table>
auto value_of(const Table& table, const std::string& text) {
  for (const auto& [value, name] : table) {
    if (text == name) return value;
  }
  fail("is damaged: '{}' is no value it may hold", text);
}

json clip_to_json(const Clip& clip) {
  return {{"name", clip.name},
          {"label", clip.label},
          {"split", name_of(kSplits, clip.split)},
          {"usage", name_of(kUsages, clip.usage)},
          {"group", clip.group},
          {"source", clip.source},
          {"license", clip.license},
          {"manually_verified", clip.manually_verified},
          {"samples", clip.samples},
          {"sample_offset", clip.sample_offset},
          {"frames", clip.frames},
          {"mel_offset", clip.mel_offset},
          {"mel_floor", clip.mel_floor},
          {"hash", clip.hash}};
}

Clip clip_from_json(const json& from) {
  Clip clip;
  from.at("name").get_to(clip.name);
  from.at("label").get_to(clip.label);
  clip.split = value_of(kSplits, from.at("split").get<std::string>());
  clip.usage = value_of(kUsages, from.at("usage").get<std::string>());
  from.at("group").get_to(clip.group);
  from.at("source").get_to(clip.source);
  from.at("license").get_to(clip.license);
  from.at("manually_verified").get_to(clip.manually_verified);
  from.at("samples").get_to(clip.samples);
  from.at("sample_offset").get_to(clip.sample_offset);
  from.at("frames").get_to(clip.frames);
  from.at("mel_offset").get_to(clip.mel_offset);
  from.at("mel_floor").get_to(clip.mel_floor);
  from.at("hash").get_to(clip.hash);
  return clip;
}

json problem_to_json(const Problem& problem) {
  return {{"file", problem.file},
          {"row", problem.row},
          {"reason", problem.reason},
          {"left_out", problem.left_out}};
}

Problem problem_from_json(const json& from) {
  return {from.at("file").get<std::string>(), from.at("row").get<int64_t>(),
          from.at("reason").get<std::string>(), from.at("left_out").get<bool>()};
}

StoredIndex from_json(const json& from) {
  StoredIndex stored;
  from.at("data_file").get_to(stored.data_file);
  from.at("content_hash").get_to(stored.content_hash);
  StoreIndex& index = stored.index;
  from.at("fingerprint").get_to(index.fingerprint);
  from.at("classes").get_to(index.classes);
  index.features = features_from_json(from.at("features"));
  for (const json& clip : from.at("clips")) index.clips.push_back(clip_from_json(clip));
  for (const json& row : from.at("problems")) index.problems.push_back(problem_from_json(row));
  return stored;
}

}  // namespace

std::string index_to_text(const StoredIndex& stored) {
  const StoreIndex& index = stored.index;
  json clips = json::array();
  for (const Clip& clip : index.clips) clips.push_back(clip_to_json(clip));
  json problems = json::array();
  for (const Problem& problem : index.problems) problems.push_back(problem_to_json(problem));
  const json whole = {{"data_file", stored.data_file},       {"content_hash", stored.content_hash},
                      {"fingerprint", index.fingerprint},    {"classes", index.classes},
                      {"features", to_json(index.features)}, {"clips", std::move(clips)},
                      {"problems", std::move(problems)}};
  return checked_to_text(kFormat, whole);
}

StoredIndex index_from_text(const std::string& text) {
  try {
    return from_json(checked_from_text(kFormat, text));
  } catch (const json::exception& error) {
    fail("is damaged ({})", error.what());
  } catch (const UsageError& error) {
    fail("is damaged ({})", error.what());
  }
}

uint64_t combined_hash(const std::vector<Clip>& clips) {
  std::vector<uint64_t> hashes;
  hashes.reserve(clips.size());
  for (const Clip& clip : clips) hashes.push_back(clip.hash);
  return content_hash(std::as_bytes(std::span(hashes)));
}

}  // namespace earshot
