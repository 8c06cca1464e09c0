#include "engine/error.h"
#include "models/html.h"
#include "models/report_parts.h"

namespace earshot {
namespace {

std::string facts(const Report& report) {
  const ModelReport* best = best_model(report);
  std::string html = "<p class=\"facts\">";
  for (const std::string& fact : {report.data, report.device, report.created}) {
    if (!fact.empty()) html += "<span>" + html_label(fact, 160) + "</span>";
  }
  html += fmt::format("<span>{} classes</span><span>{} scored clips</span>", report.classes.size(),
                      best ? best->scores.total.clips : 0);
  return html + "</p>";
}

}  // namespace

const ModelReport* best_model(const Report& report) {
  const ModelReport* best = nullptr;
  for (const ModelReport& model : report.models) {
    const Score& total = model.scores.total;
    if (total.clips > 0 && (!best || total.map3 > best->scores.total.map3)) best = &model;
  }
  return best;
}

std::string color_of(const std::string& model) {
  return model == "cnn-audio"  ? "m0"
         : model == "cnn-spec" ? "m1"
         : model == "cnn-comb" ? "m2"
                               : "m3";
}

std::string legend(const std::vector<std::string>& models) {
  std::string html = "<p class=\"legend\">";
  for (const std::string& model : models) {
    html += fmt::format("<span><i class=\"dot {}\"></i>{}</span>", color_of(model),
                        html_label(model, 40));
  }
  return html + "</p>";
}

std::string to_html(const Report& report) {
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
      "<meta http-equiv=\"Content-Security-Policy\" "
      "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
      "<title>{} – earshot</title><style>{}</style></head>\n<body><main><header>"
      "<p class=\"kicker\">earshot run</p><h1>{}</h1>{}",
      escaped(shortened(report.run, 80)), style_sheet(), html_label(report.run, 80), facts(report));
  if (!report.remarks.empty()) {
    html += "<p class=\"remarks\">" + html_label(report.remarks, 1000) + "</p>";
  }
  html += "</header>\n";
  for (const auto section :
       {scores_section, curves_section, classes_section, confusion_section, clips_section}) {
    html += section(report) + "\n";
  }
  return html +
         "<footer>Made by earshot. report.json holds the same "
         "numbers.</footer></main></body></html>\n";
}

}  // namespace earshot
