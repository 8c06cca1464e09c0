#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/error.h"
#include "models/html.h"
#include "models/report_parts.h"

namespace earshot {
namespace {

using Matrix = std::vector<std::vector<int64_t>>;

constexpr size_t kMostCellsWide = 60;
constexpr size_t kLabelCharacters = 25;

// Where the cells start, and their size.
struct Layout {
  int labels, size;
};

Layout layout_of(const std::vector<std::string>& classes) {
  size_t longest = 0;  // in bytes: room enough in any script
  for (const std::string& name : classes) {
    longest = std::max(longest, shortened(name, kLabelCharacters).size());
  }
  const int labels = 14 + 7 * static_cast<int>(std::min(longest, kLabelCharacters));
  return {labels, std::clamp((1080 - labels) / static_cast<int>(classes.size()), 12, 36)};
}

struct Pair {
  size_t label, predicted;
  int64_t count, of;
};

int64_t row_sum(const Matrix& matrix, size_t label) {
  return std::accumulate(matrix[label].begin(), matrix[label].end(), int64_t{0});
}

// Mistakes, the most frequent first; of equal ones the larger share of its class first.
std::vector<Pair> worst_pairs(const Matrix& matrix, size_t most) {
  std::vector<Pair> pairs;
  for (size_t label = 0; label < matrix.size(); ++label) {
    const int64_t of = row_sum(matrix, label);
    for (size_t predicted = 0; predicted < matrix[label].size(); ++predicted) {
      const int64_t count = matrix[label][predicted];
      if (predicted != label && count > 0) pairs.push_back({label, predicted, count, of});
    }
  }
  std::stable_sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) {
    return a.count != b.count ? a.count > b.count : a.of < b.of;
  });
  if (pairs.size() > most) pairs.resize(most);
  return pairs;
}

std::string cell(const std::vector<std::string>& classes, const Pair& pair, const Layout& layout) {
  const auto [labels, size] = layout;
  const double share = static_cast<double>(pair.count) / static_cast<double>(pair.of);
  const double x = labels + static_cast<double>(size * pair.predicted);
  const double y = labels + static_cast<double>(size * pair.label);
  // The square root lets a mistake of one in a hundred still be seen.
  std::string svg = fmt::format(
      "<g><title>{} heard as {}: {} of {}</title><rect class=\"{}\" x=\"{}\" y=\"{}\" "
      "width=\"{}\" height=\"{}\" fill-opacity=\"{:.2f}\"/>",
      escaped(shortened(classes[pair.label], 60)), escaped(shortened(classes[pair.predicted], 60)),
      pair.count, pair.of, pair.label == pair.predicted ? "right" : "wrong", x + 0.5, y + 0.5,
      size - 1, size - 1, 0.12 + 0.88 * std::sqrt(share));
  if (size >= 16) {
    svg +=
        fmt::format("<text class=\"count{}\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                    share > 0.3 ? " over" : "", x + size / 2.0, y + size / 2.0 + 3.5, pair.count);
  }
  return svg + "</g>";
}

std::string heat_map(const std::vector<std::string>& classes, const Matrix& matrix) {
  const Layout layout = layout_of(classes);
  const auto [labels, size] = layout;
  const int side = labels + size * static_cast<int>(classes.size());
  std::string svg = fmt::format(
      "<svg class=\"chart heat\" viewBox=\"0 0 {0} {0}\" style=\"flex:0 1 {0}px;width:{0}px\" "
      "role=\"img\">"
      "<rect class=\"floor\" x=\"{1}\" y=\"{1}\" width=\"{2}\" height=\"{2}\"/>",
      side + 4, labels, side - labels);
  for (size_t i = 0; i < classes.size(); ++i) {
    const double middle = labels + (static_cast<double>(i) + 0.5) * size + 4;
    const std::string name = escaped(shortened(classes[i], kLabelCharacters));
    svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", labels - 7, middle,
                       name);
    svg += fmt::format("<text transform=\"translate({} {}) rotate(-90)\">{}</text>", middle,
                       labels - 7, name);
  }
  for (size_t label = 0; label < matrix.size(); ++label) {
    const int64_t of = row_sum(matrix, label);
    for (size_t predicted = 0; predicted < matrix.size(); ++predicted) {
      const int64_t count = matrix[label][predicted];
      if (count > 0) svg += cell(classes, {label, predicted, count, of}, layout);
    }
  }
  return svg + "</svg>";
}

std::string pair_list(const std::vector<std::string>& classes, const std::vector<Pair>& pairs) {
  if (pairs.empty()) return "<p>No clip was mistaken for another class.</p>";
  std::string html = "<ol class=\"pairs\">";
  for (const Pair& pair : pairs) {
    html += fmt::format(
        "<li><span>{} <span class=\"soft\">heard as</span> {}</span> <span class=\"soft\">{} of {}"
        "</span></li>",
        html_label(classes[pair.label], 40), html_label(classes[pair.predicted], 40), pair.count,
        pair.of);
  }
  return html + "</ol>";
}

}  // namespace

std::string confusion_section(const Report& report) {
  const ModelReport* best = best_model(report);
  if (!best || report.classes.empty()) return {};
  if (best->scores.confusion.size() != report.classes.size()) return {};
  const Matrix& matrix = best->scores.confusion;
  const bool drawn = report.classes.size() <= kMostCellsWide;
  const std::string pairs = pair_list(report.classes, worst_pairs(matrix, drawn ? 12 : 40));
  std::string html = fmt::format("<section><h2>Confusion of {}</h2>", html_label(best->model, 40));
  if (drawn) {
    return html +
           "<p class=\"note\">Rows are labels, columns the first prediction.</p>"
           "<div class=\"confusion\">" +
           heat_map(report.classes, matrix) + "<div><h3>Most frequent mistakes</h3>" + pairs +
           "</div></div></section>";
  }
  return html +
         fmt::format("<p class=\"note\">The most frequent mistakes among {} classes.</p>",
                     report.classes.size()) +
         pairs + "</section>";
}

}  // namespace earshot
