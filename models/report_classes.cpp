#include <algorithm>
#include <numeric>

#include "engine/error.h"
#include "models/html.h"
#include "models/report_parts.h"

namespace earshot {
namespace {

constexpr size_t kMostModels = 4;
constexpr size_t kMostClasses = 60;
constexpr int kWidth = 530, kLabel = 176, kValue = 46;  // of one column of bars
constexpr int kGap = 10;

int bar_height(size_t models) { return models == 1 ? 12 : models == 2 ? 8 : 6; }

// The models that have scores by class: the three networks first, then the others.
std::vector<const ModelReport*> shown_models(const Report& report) {
  std::vector<const ModelReport*> models;
  for (const ModelReport& model : report.models) {
    const bool complete = model.scores.per_class.size() == report.classes.size();
    if (complete && model.scores.total.clips > 0) models.push_back(&model);
  }
  std::stable_partition(models.begin(), models.end(),
                        [](const auto* model) { return color_of(model->model) != "m3"; });
  if (models.size() > kMostModels) models.resize(kMostModels);
  return models;
}

// Classes that have clips, the hardest for `best` first.
std::vector<int> hardest_first(const ModelReport& best) {
  const auto& per_class = best.scores.per_class;
  std::vector<int> order;
  for (size_t i = 0; i < per_class.size(); ++i) {
    if (per_class[i].score.clips > 0) order.push_back(static_cast<int>(i));
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return per_class[a].score.map3 < per_class[b].score.map3; });
  return order;
}

std::string row(const std::vector<const ModelReport*>& models, const ModelReport& best, int index,
                int top) {
  const int bar = bar_height(models.size());
  const ClassScore& shown = best.scores.per_class[index];
  const int middle = top + bar * static_cast<int>(models.size()) / 2 + 4;
  std::string bars, tooltip = shortened(shown.label, 80);
  for (size_t m = 0; m < models.size(); ++m) {
    const Score& score = models[m]->scores.per_class[index].score;
    tooltip += fmt::format("; {} {:.3f} ± {:.3f}", shortened(models[m]->model, 80), score.map3,
                           score.interval);
    bars += fmt::format(
        "<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" rx=\"1\"/>",
        color_of(models[m]->model), kLabel, top + bar * m,
        std::max(1.0, score.map3 * (kWidth - kLabel - kValue)), bar - 1);
  }
  return fmt::format(
      "<g><title>{}; {} clips</title><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>{}"
      "<text class=\"soft\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{:.3f}</text></g>",
      escaped(tooltip), shown.score.clips, kLabel - 10, middle, escaped(shortened(shown.label, 26)),
      bars, kWidth, middle, shown.score.map3);
}

std::string column(const std::vector<const ModelReport*>& models, const ModelReport& best,
                   const std::vector<int>& classes) {
  const int row_height = bar_height(models.size()) * static_cast<int>(models.size()) + kGap;
  const int height = row_height * static_cast<int>(classes.size());
  std::string svg =
      fmt::format("<svg class=\"chart\" viewBox=\"0 0 {} {}\" role=\"img\">", kWidth, height);
  for (int quarter = 0; quarter <= 4; ++quarter) {
    const double x = kLabel + quarter * (kWidth - kLabel - kValue) / 4.0;
    svg += fmt::format("<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"0\" y2=\"{1}\"/>",
                       x, height);
  }
  for (size_t i = 0; i < classes.size(); ++i) {
    svg += row(models, best, classes[i], static_cast<int>(i) * row_height + kGap / 2);
  }
  return svg + "</svg>";
}

}  // namespace

std::string classes_section(const Report& report) {
  const std::vector<const ModelReport*> models = shown_models(report);
  if (models.empty()) return {};
  const ModelReport* best = best_model(report);
  if (std::find(models.begin(), models.end(), best) == models.end()) best = models.front();
  std::vector<int> classes = hardest_first(*best);
  const size_t all = classes.size();
  if (all > kMostClasses) classes.resize(kMostClasses);
  const auto half = classes.begin() + (classes.size() + 1) / 2;
  std::vector<std::string> names;
  names.reserve(models.size());
  for (const ModelReport* model : models) names.push_back(model->model);
  std::string html = "<section><h2>By class</h2>" + legend(names) + "<div class=\"columns\">" +
                     column(models, *best, {classes.begin(), half});
  if (half != classes.end()) html += column(models, *best, {half, classes.end()});
  const std::string rest = all > classes.size()
                               ? fmt::format("the {} hardest of {} classes, ", classes.size(), all)
                               : "";
  return html + fmt::format(
                    "</div><p class=\"note\">mAP@3 from 0 to 1, {}sorted by {}, whose value "
                    "stands at the right.</p></section>",
                    rest, html_label(best->model, 40));
}

}  // namespace earshot
