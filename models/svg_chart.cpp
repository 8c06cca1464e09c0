#include "models/svg_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "models/html.h"

namespace earshot {
namespace {

constexpr int kLeft = 42, kRight = 12, kTop = 10, kBottom = 34;  // room for the axes
constexpr size_t kMostPoints = 400;                              // of one line

struct Frame {
  const Chart& chart;
  double x(double value) const {
    const double share = (value - chart.x_low) / (chart.x_high - chart.x_low);
    return kLeft + std::clamp(share, 0.0, 1.0) * (chart.width - kLeft - kRight);
  }
  double y(double value) const {
    const double share = (value - chart.y_low) / (chart.y_high - chart.y_low);
    return chart.height - kBottom - std::clamp(share, 0.0, 1.0) * (chart.height - kTop - kBottom);
  }
};

// 1, 2 or 5 times a power of ten, so that about `count` steps cover the range.
double tick_step(double range, int count) {
  const double rough = range / count;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  for (double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough) return factor * power;
  }
  return 10 * power;
}

// In steps; at `low` or above it, and never a negative zero.
double first_tick(double low, double step) { return std::ceil(low / step - 1e-9) + 0.0; }

std::string axes(const Frame& frame) {
  const Chart& chart = frame.chart;
  std::string svg;
  const double y_step = tick_step(chart.y_high - chart.y_low, chart.height / 45);
  for (double i = first_tick(chart.y_low, y_step); i * y_step <= chart.y_high * (1 + 1e-9); ++i) {
    const double y = frame.y(i * y_step);
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>"
        "<text x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:.4g}</text>",
        kLeft, chart.width - kRight, y, kLeft - 7, y + 4, i * y_step);
  }
  const double x_step = std::max(1.0, tick_step(chart.x_high - chart.x_low, chart.width / 70));
  for (double i = first_tick(chart.x_low, x_step); i * x_step <= chart.x_high; ++i) {
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:.6g}</text>",
                       frame.x(i * x_step), chart.height - kBottom + 15, i * x_step);
  }
  return svg + fmt::format("<text class=\"soft\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
                           chart.width - kRight, chart.height - 4, escaped(chart.x_label));
}

std::string path(const Frame& frame, const ChartLine& line) {
  std::string data;
  bool pen_down = false;
  const size_t stride = std::max<size_t>(1, (line.points.size() + kMostPoints - 1) / kMostPoints);
  for (size_t i = 0; i < line.points.size(); ++i) {
    const auto [x, y] = line.points[i];
    if (i % stride != 0 && i + 1 != line.points.size()) continue;
    if (!std::isfinite(y)) {
      pen_down = false;
      continue;
    }
    // h0 lets a point without neighbours show.
    data += fmt::format("{}{:.1f} {:.1f}{}", pen_down ? "L" : "M", frame.x(x), frame.y(y),
                        pen_down ? "" : "h0");
    pen_down = true;
  }
  if (data.empty()) return {};
  return fmt::format("<path class=\"{}\" d=\"{}\"><title>{}</title></path>", line.css, data,
                     escaped(line.title));
}

std::string dots(const Frame& frame, const ChartLine& line, double radius) {
  std::string svg;
  for (const auto& [x, y] : line.points) {
    if (!std::isfinite(y)) continue;
    svg += fmt::format(
        "<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"><title>{}</title></circle>",
        line.css, frame.x(x), frame.y(y), radius, escaped(line.title));
  }
  return svg;
}

}  // namespace

std::string chart_svg(const Chart& chart) {
  const Frame frame{chart};
  std::string svg = fmt::format("<svg class=\"chart\" viewBox=\"0 0 {} {}\" role=\"img\">",
                                chart.width, chart.height) +
                    axes(frame);
  for (const ChartLine& line : chart.lines) {
    svg += line.points.size() == 1 ? dots(frame, line, 2.5) : path(frame, line);
  }
  for (const ChartLine& mark : chart.marks) svg += dots(frame, mark, 3.5);
  return svg + "</svg>";
}

}  // namespace earshot
