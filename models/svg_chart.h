// A small line chart as inline SVG, coloured by the page's style sheet.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace earshot {

struct ChartLine {
  std::string css;                                // classes: "m0 train"
  std::string title;                              // tooltip
  std::vector<std::pair<double, double>> points;  // a gap where y is not finite
};

struct Chart {
  int width = 360, height = 220;
  double x_low = 0, x_high = 1, y_low = 0, y_high = 1;  // a value outside is drawn on the edge
  std::string x_label;
  std::vector<ChartLine> lines;
  std::vector<ChartLine> marks;  // dots at single points
};

std::string chart_svg(const Chart& chart);

}  // namespace earshot
