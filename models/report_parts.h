// The sections of the report page. Each is HTML with inline SVG, or empty where the report has
// nothing to show in it.
#pragma once

#include <string>

#include "models/report.h"

namespace earshot {

/// The model with the highest score over all clips; nullptr where none was scored.
const ModelReport* best_model(const Report& report);

/// CSS class of a model's colour: "m0" to "m2" for the three networks, "m3" for anything else.
std::string color_of(const std::string& model);

/// "cnn-audio ● cnn-spec ●" for the models named.
std::string legend(const std::vector<std::string>& models);

std::string style_sheet();
std::string scores_section(const Report& report);
std::string curves_section(const Report& report);
std::string classes_section(const Report& report);
std::string confusion_section(const Report& report);
std::string clips_section(const Report& report);

}  // namespace earshot
