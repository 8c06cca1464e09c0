#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <tuple>

#include "engine/error.h"
#include "models/html.h"
#include "models/report_parts.h"
#include "models/svg_chart.h"

namespace earshot {
namespace {

using Points = std::vector<EpochPoint>;
using Folds = std::map<int, Points>;  // of one model, each in the order of epochs

struct ModelCurves {
  std::string model;
  Folds folds;
};

// By model in the order of the log. An epoch that the log has twice counts once, the later one.
std::vector<ModelCurves> grouped(const Points& points) {
  std::map<std::pair<std::string, int>, std::map<int, EpochPoint>> epochs;
  std::vector<std::string> models;
  for (const EpochPoint& point : points) {
    if (std::find(models.begin(), models.end(), point.model) == models.end()) {
      models.push_back(point.model);
    }
    epochs[{point.model, point.fold}][point.epoch] = point;
  }
  std::vector<ModelCurves> curves;
  for (const std::string& model : models) {
    curves.push_back({model, {}});
    for (const auto& [key, by_epoch] : epochs) {
      if (key.first != model) continue;
      for (const auto& [epoch, point] : by_epoch) {
        curves.back().folds[key.second].push_back(point);
      }
    }
  }
  return curves;
}

ChartLine line_of(const Points& points, double EpochPoint::*value, std::string css,
                  std::string title) {
  ChartLine line{std::move(css), std::move(title), {}};
  for (const EpochPoint& point : points) line.points.emplace_back(point.epoch, point.*value);
  return line;
}

// The first and last epoch, one apart at least.
std::pair<double, double> epoch_range(const std::vector<const ModelCurves*>& curves) {
  double low = std::numeric_limits<double>::max(), high = 0;
  for (const ModelCurves* model : curves) {
    for (const auto& [fold, points] : model->folds) {
      low = std::min<double>(low, points.front().epoch);
      high = std::max<double>(high, points.back().epoch);
    }
  }
  return {low, std::max(high, low + 1)};
}

// The top of a loss chart: the training losses and nine in ten of the validation losses fit, so
// that a validation loss that shoots up in an early epoch does not flatten everything else.
double loss_top(const Folds& folds) {
  double train_top = 0;
  std::vector<double> validation;
  for (const auto& [fold, points] : folds) {
    for (const EpochPoint& point : points) {
      if (std::isfinite(point.train_loss)) train_top = std::max(train_top, point.train_loss);
      if (std::isfinite(point.validation_loss)) validation.push_back(point.validation_loss);
    }
  }
  if (validation.empty()) validation.push_back(0);
  std::sort(validation.begin(), validation.end());
  const double usual = 1.3 * validation[(validation.size() - 1) * 9 / 10];
  const double all = std::max(train_top, validation.back());
  return std::clamp(1.04 * std::min(all, std::max(train_top, usual)), 1e-6, 1e15);
}

const EpochPoint& best_epoch(const Points& points) {
  return *std::min_element(points.begin(), points.end(), [](const auto& a, const auto& b) {
    return std::isnan(b.validation_loss) ? !std::isnan(a.validation_loss)
                                         : a.validation_loss < b.validation_loss;
  });
}

std::string loss_chart(const ModelCurves& model, size_t charts) {
  Chart chart;
  chart.width = charts == 1 ? 1080 : charts == 2 ? 525 : 350;
  std::tie(chart.x_low, chart.x_high) = epoch_range({&model});
  chart.y_high = loss_top(model.folds);
  chart.x_label = "epoch";
  const std::string color = color_of(model.model);
  for (const auto& [fold, points] : model.folds) {
    const EpochPoint& best = best_epoch(points);
    const std::string title = fmt::format("{}, fold {}", shortened(model.model, 80), fold);
    chart.lines.push_back(
        line_of(points, &EpochPoint::train_loss, color + " train", title + ", training"));
    chart.lines.push_back(
        line_of(points, &EpochPoint::validation_loss, color, title + ", validation"));
    chart.marks.push_back(
        line_of({best}, &EpochPoint::validation_loss, color,
                fmt::format("{}: {:.4f} at epoch {}", title, best.validation_loss, best.epoch)));
  }
  return fmt::format("<figure><figcaption><i class=\"dot {}\"></i>{}</figcaption>{}</figure>",
                     color, html_label(model.model, 40), chart_svg(chart));
}

std::string score_chart(const std::vector<ModelCurves>& curves) {
  Chart chart;
  chart.width = 1080;
  chart.height = 280;
  std::vector<const ModelCurves*> all;
  double low = 1;
  for (const ModelCurves& model : curves) {
    all.push_back(&model);
    for (const auto& [fold, points] : model.folds) {
      chart.lines.push_back(line_of(points, &EpochPoint::validation_map3, color_of(model.model),
                                    fmt::format("{}, fold {}", shortened(model.model, 80), fold)));
      for (const EpochPoint& point : points) {
        if (std::isfinite(point.validation_map3)) low = std::min(low, point.validation_map3);
      }
    }
  }
  std::tie(chart.x_low, chart.x_high) = epoch_range(all);
  chart.y_low = std::clamp(std::floor(low * 10) / 10, 0.0, 0.9);
  chart.x_label = "epoch";
  return chart_svg(chart);
}

}  // namespace

std::string curves_section(const Report& report) {
  const std::vector<ModelCurves> curves = grouped(report.curves);
  if (curves.empty()) return {};
  std::vector<std::string> models;
  std::string html = "<section><h2>Loss</h2><div class=\"panels\">";
  for (const ModelCurves& model : curves) {
    models.push_back(model.model);
    html += loss_chart(model, curves.size());
  }
  html +=
      "</div><p class=\"note\">Solid: validation, one line a fold, with a dot at the best epoch. "
      "Pale: training, on augmented clips and weighted by class, so the two are not on one scale. "
      "What is higher than the frame is drawn on its edge.</p></section>";
  return html + "<section><h2>Validation mAP@3</h2>" + legend(models) + score_chart(curves) +
         "</section>";
}

}  // namespace earshot
