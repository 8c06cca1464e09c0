// The options of the feature settings, the same in every program that has them.
#pragma once

#include "data/features.h"

namespace CLI {
class App;
}

namespace earshot {

/// Adds --log, --trim-db and --peak; `settings` must outlive the parsing.
void add_feature_options(CLI::App& app, FeatureSettings& settings);

}  // namespace earshot
