#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "models/html.h"
#include "models/report_parts.h"

namespace earshot {
namespace {

constexpr size_t kMostClips = 20;

struct Mistake {
  const Prediction* clip;
  std::vector<int> best;  // three classes
  double margin;          // probability of the first class less that of the label
};

std::vector<Mistake> worst_mistakes(const ModelReport& model, size_t classes) {
  std::vector<Mistake> mistakes;
  for (const Prediction& clip : model.predictions) {
    const bool scored = clip.label >= 0 && clip.usage != Usage::kIgnored;
    if (!scored || clip.probabilities.size() != classes) continue;
    const std::vector<int> best = top(clip.probabilities, 3);
    if (best.front() == clip.label) continue;
    const double margin =
        double{clip.probabilities[best.front()]} - double{clip.probabilities[clip.label]};
    if (std::isnan(margin)) continue;
    mistakes.push_back({&clip, best, margin});
  }
  std::stable_sort(mistakes.begin(), mistakes.end(),
                   [](const Mistake& a, const Mistake& b) { return a.margin > b.margin; });
  if (mistakes.size() > kMostClips) mistakes.resize(kMostClips);
  return mistakes;
}

std::string guess(const Report& report, const Mistake& mistake, size_t rank) {
  if (rank >= mistake.best.size()) return "<td></td>";
  const int index = mistake.best[rank];
  const double probability = mistake.clip->probabilities[index];
  if (std::isnan(probability)) return "<td class=\"soft\">–</td>";
  return fmt::format(
      "<td{}><span class=\"guess\"><span>{}</span><span class=\"number\">{:.2f}</span></span>"
      "<svg class=\"thin\" viewBox=\"0 0 100 3\" preserveAspectRatio=\"none\">"
      "<rect class=\"floor\" width=\"100\" height=\"3\"/>"
      "<rect class=\"{}\" width=\"{:.1f}\" height=\"3\"/></svg></td>",
      index == mistake.clip->label ? " class=\"hit\"" : "", html_label(report.classes[index], 24),
      probability, index == mistake.clip->label ? "right" : "wrong",
      100 * std::clamp(probability, 0.0, 1.0));
}

}  // namespace

std::string clips_section(const Report& report) {
  const ModelReport* best = best_model(report);
  if (!best) return {};
  const std::vector<Mistake> mistakes = worst_mistakes(*best, report.classes.size());
  if (mistakes.empty()) return {};
  std::string html =
      "<section><h2>Most confused clips</h2><div class=\"wide\"><table class=\"clips\"><thead><tr>"
      "<th>File</th><th>Label</th><th>First</th><th>Second</th><th>Third</th></tr></thead><tbody>";
  for (const Mistake& mistake : mistakes) {
    html +=
        fmt::format("<tr><td class=\"file\">{}</td><td>{}</td>", html_label(mistake.clip->name, 44),
                    html_label(report.classes[mistake.clip->label], 28));
    for (size_t rank = 0; rank < 3; ++rank) html += guess(report, mistake, rank);
    html += "</tr>";
  }
  return html + fmt::format(
                    "</tbody></table></div><p class=\"note\">Clips that {} is surest about, and "
                    "wrong. A label among the three stands in green.</p></section>",
                    html_label(best->model, 40));
}

}  // namespace earshot
