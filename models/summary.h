// What a store, a checkpoint or a run holds, as JSON and as a table for a person.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "engine/files.h"

namespace earshot {

/// Finds out what `path` is; "kind" is "store", "checkpoint" or "run". Throws Error where it is
/// none of these. `verify` also reads all of a store's audio and compares its hashes.
nlohmann::ordered_json summarise(const fs::path& path, bool verify);

std::string summary_text(const nlohmann::ordered_json& summary);

}  // namespace earshot
