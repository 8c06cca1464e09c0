#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "models/html.h"
#include "models/report_parts.h"

namespace earshot {
namespace {

constexpr int kPlotWidth = 260;
constexpr int kPlotMargin = 14;

// The stretch of scores that the interval plots share.
struct Axis {
  double low = 0, high = 1, step = 0.2;
  double x(double value) const {
    return kPlotMargin + (value - low) / (high - low) * (kPlotWidth - 2 * kPlotMargin);
  }
};

Axis shared_axis(const Report& report) {
  double low = 1, high = 0;
  for (const ModelReport& model : report.models) {
    const Score& total = model.scores.total;
    if (total.clips == 0) continue;
    low = std::min(low, total.map3 - total.interval);
    high = std::max(high, total.map3 + total.interval);
  }
  if (low > high) return {};
  Axis axis;
  const double range = std::max(high - low, 0.02);
  for (double step : {0.2, 0.1, 0.05, 0.02, 0.01}) {
    if (step >= range / 5) axis.step = step;
  }
  axis.low = std::max(0.0, std::floor(low / axis.step) * axis.step);
  axis.high = std::min(1.0, std::ceil(high / axis.step) * axis.step);
  if (axis.high <= axis.low) axis.low = axis.high - axis.step;
  return axis;
}

// Vertical lines, with their values where `labels`.
enum class Labels { kNo, kYes };
std::string grid(const Axis& axis, int height, Labels labels) {
  std::string svg;
  const int lines = static_cast<int>(std::lround((axis.high - axis.low) / axis.step));
  for (int i = 0; i <= lines; ++i) {
    const double value = axis.low + i * axis.step;
    if (labels == Labels::kYes) {
      svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:.2f}</text>",
                         axis.x(value), height - 3, value);
    } else {
      svg += fmt::format("<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"0\" y2=\"{1}\"/>",
                         axis.x(value), height);
    }
  }
  return svg;
}

std::string plot(const std::string& inside, int height) {
  return fmt::format("<svg viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\">{2}</svg>",
                     kPlotWidth, height, inside);
}

std::string interval_plot(const Axis& axis, const ModelReport& model) {
  constexpr int kHeight = 34;
  const Score& total = model.scores.total;
  std::string inside = grid(axis, kHeight, Labels::kNo);
  if (total.clips > 0) {
    inside += fmt::format(
        "<g class=\"{}\"><line class=\"whisker\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"17\" y2=\"17\"/>"
        "<circle cx=\"{:.1f}\" cy=\"17\" r=\"5\"/></g>",
        color_of(model.model), axis.x(std::max(axis.low, total.map3 - total.interval)),
        axis.x(std::min(axis.high, total.map3 + total.interval)), axis.x(total.map3));
  }
  return plot(inside, kHeight);
}

std::string with_interval(const Score& score) {
  if (score.clips == 0) return "<td class=\"number soft\">–</td>";
  return fmt::format("<td class=\"number\"><b>{:.3f}</b> <small>± {:.3f}</small></td>", score.map3,
                     score.interval);
}

std::string folds_text(const std::vector<int>& folds) {
  const bool in_a_row = folds.size() > 2 && std::is_sorted(folds.begin(), folds.end()) &&
                        folds.back() - folds.front() + 1 == static_cast<int>(folds.size());
  if (in_a_row) return fmt::format("{}–{}", folds.front(), folds.back());
  if (folds.size() > 8) return fmt::format("{} of them", folds.size());
  std::string text;
  for (int fold : folds) text += (text.empty() ? "" : ", ") + std::to_string(fold);
  return text.empty() ? "–" : text;
}

}  // namespace

std::string scores_section(const Report& report) {
  bool parts = false;
  for (const ModelReport& model : report.models) {
    parts |= model.scores.public_part.clips > 0 || model.scores.private_part.clips > 0;
  }
  const Axis axis = shared_axis(report);
  const ModelReport* best = best_model(report);
  std::string html =
      "<section><h2>Scores</h2><div class=\"wide\"><table class=\"scores\"><thead><tr>"
      "<th>Model</th><th>Folds</th><th class=\"number\">Clips</th>"
      "<th class=\"number\">mAP@3</th><th>" +
      plot(grid(axis, 16, Labels::kYes), 16) + "</th><th class=\"number\">Accuracy</th>";
  if (parts) html += "<th class=\"number\">Public</th><th class=\"number\">Private</th>";
  html += "</tr></thead><tbody>";
  for (const ModelReport& model : report.models) {
    const Scores& scores = model.scores;
    html += fmt::format(
        "<tr{}><th scope=\"row\"><i class=\"dot {}\"></i>{}</th><td>{}</td>"
        "<td class=\"number\">{}</td>{}<td class=\"plot\">{}</td><td class=\"number\">{}</td>",
        &model == best ? " class=\"best\"" : "", color_of(model.model), html_label(model.model, 40),
        folds_text(model.folds), scores.total.clips, with_interval(scores.total),
        interval_plot(axis, model),
        scores.total.clips > 0 ? fmt::format("{:.3f}", scores.total.accuracy) : "–");
    if (parts) html += with_interval(scores.public_part) + with_interval(scores.private_part);
    html += "</tr>";
  }
  if (report.models.empty()) html += "<tr><td colspan=\"6\">No model was scored.</td></tr>";
  return html +
         "</tbody></table></div><p class=\"note\">mAP@3: a clip counts 1, ½, ⅓ or 0 where its "
         "label "
         "is ranked first, second, third or lower. ±: the 95&nbsp;% interval of that mean.</p>"
         "</section>";
}

}  // namespace earshot
