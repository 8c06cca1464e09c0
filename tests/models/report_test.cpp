#include "models/report.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "models/html.h"
#include "models/svg_chart.h"
#include "tests/scratch.h"

namespace earshot {
namespace {

using Json = nlohmann::json;

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

// A report of one model over `classes` classes where clip i has label i % classes and is predicted
// as the class after it when i is odd.
Report report_of(int classes, int clips, Usage usage = Usage::kNone) {
  Report report;
  report.run = "paper-2s";
  report.data = "sounds";
  report.device = "cpu: two threads";
  report.created = "2025-01-02T03:04:05Z";
  report.remarks = "Half as wide as the paper.";
  for (int i = 0; i < classes; ++i) report.classes.push_back(fmt::format("class_{}", i));
  ModelReport model;
  model.model = "cnn-comb";
  model.folds = {0, 1};
  for (int i = 0; i < clips; ++i) {
    Prediction clip{fmt::format("clip-{}.wav", i), i % classes, usage, {}};
    clip.probabilities.assign(classes, 0.0f);
    clip.probabilities[(clip.label + i % 2) % classes] += 0.75f;
    clip.probabilities[(clip.label + 1 - i % 2) % classes] += 0.25f;
    model.predictions.push_back(clip);
  }
  model.scores = score(model.predictions, report.classes);
  report.models.push_back(model);
  for (int epoch = 0; epoch < 5; ++epoch) {
    report.curves.push_back({"cnn-comb", 0, epoch, 2.0 / (1 + epoch), 3.0 / (1 + epoch), 0.5});
  }
  return report;
}

// Every element of the page is closed by its own name, in order; the text is valid UTF-8.
testing::AssertionResult is_well_formed(const std::string& html) {
  try {
    (void)Json(html).dump();
  } catch (const Json::exception& error) {
    return testing::AssertionFailure() << error.what();
  }
  std::vector<std::string> open;
  for (size_t at = html.find('<'); at != html.npos; at = html.find('<', at + 1)) {
    const size_t end = html.find('>', at);
    if (end == html.npos) return testing::AssertionFailure() << "tag without an end";
    const std::string tag = html.substr(at + 1, end - at - 1);
    if (tag.back() == '/' || tag[0] == '!' || tag.starts_with("meta")) continue;
    if (tag[0] != '/') {
      open.push_back(tag.substr(0, tag.find(' ')));
    } else if (open.empty() || open.back() != tag.substr(1)) {
      return testing::AssertionFailure() << "<" << tag << "> closes nothing";
    } else {
      open.pop_back();
    }
  }
  if (!open.empty()) return testing::AssertionFailure() << "<" << open.back() << "> stays open";
  return testing::AssertionSuccess();
}

TEST(WellFormed, FindsPlantedFaults) {
  EXPECT_TRUE(is_well_formed("<p>a<br/>b</p>"));
  EXPECT_FALSE(is_well_formed("<p>"));
  EXPECT_FALSE(is_well_formed("<p><b></p></b>"));
  EXPECT_FALSE(is_well_formed("<p>\xff</p>"));
}

TEST(Html, TextIsCleanedAndEscaped) {
  EXPECT_EQ(clean_text("Köln ♫ 🎺"), "Köln ♫ 🎺");
  EXPECT_EQ(clean_text("a\nb\tc\x7f"
                       "d\x1b[0m"),
            "a b c d [0m");
  EXPECT_EQ(clean_text("\xff|\xc3|\xc0\xaf|\xed\xa0\x80|\xf4\x90\x80\x80|\xe2\x82"),
            "�|�|��|���|����|��");
  EXPECT_EQ(clean_text("\xc2\x9b"
                       "1m"),
            " 1m");
  EXPECT_EQ(escaped("<script>\"a\" & 'b'</script>"),
            "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/script&gt;");
}

TEST(Html, LongTextLosesItsMiddle) {
  EXPECT_EQ(shortened("0123456789", 10), "0123456789");
  EXPECT_EQ(shortened("0123456789a", 10), "012345…89a");
  EXPECT_EQ(shortened("öööööööööööö", 4), "öö…ö");
  EXPECT_EQ(html_label("short", 10), "short");
  EXPECT_EQ(html_label("<0123456789>", 7),
            "<span title=\"&lt;0123456789&gt;\">&lt;012…9&gt;</span>");
}

TEST(ReportJson, HasTheScores) {
  const Report report = report_of(3, 6, Usage::kPublic);
  const Json json = to_json(report);
  const Json& model = json["models"]["cnn-comb"];
  EXPECT_EQ(model["map3"]["total"], 0.75);
  EXPECT_EQ(model["map3"]["public"], 0.75);
  EXPECT_TRUE(model["map3"]["private"].is_null());
  EXPECT_EQ(model["map3"]["interval"], report.models[0].scores.total.interval);
  EXPECT_EQ(model["accuracy"], 0.5);
  EXPECT_EQ(model["clips"], 6);
  EXPECT_EQ(model["folds"], Json({0, 1}));
  EXPECT_EQ(model["confusion"], Json({{1, 1, 0}, {0, 1, 1}, {1, 0, 1}}));
  EXPECT_EQ(model["per_class"].size(), 3u);
  EXPECT_EQ(model["per_class"][1]["label"], "class_1");
  EXPECT_EQ(model["per_class"][1]["map3"], 0.75);
  EXPECT_EQ(json["run"], "paper-2s");
  EXPECT_EQ(json["classes"], Json({"class_0", "class_1", "class_2"}));
  for (const char* key : {"data", "device", "created", "remarks"}) EXPECT_TRUE(json.contains(key));
}

TEST(ReportJson, NothingScoredIsNull) {
  const Json json = to_json(report_of(3, 0));
  EXPECT_TRUE(json["models"]["cnn-comb"]["map3"]["total"].is_null());
  EXPECT_TRUE(json["models"]["cnn-comb"]["accuracy"].is_null());
  EXPECT_EQ(json["models"]["cnn-comb"]["clips"], 0);
}

TEST(ReportText, IsATable) {
  EXPECT_EQ(to_text(report_of(3, 6)),
            "model      clips  mAP@3          accuracy\n"
            "cnn-comb       6  0.750 ± 0.219     0.500\n");
  EXPECT_EQ(to_text(report_of(3, 6, Usage::kPrivate)),
            "model      clips  mAP@3          accuracy  public         private\n"
            "cnn-comb       6  0.750 ± 0.219     0.500  -              0.750 ± 0.219\n");
  EXPECT_TRUE(contains(to_text(report_of(3, 0)), "cnn-comb       0  -                     -\n"));
}

TEST(KaggleCsv, HasThreeLabelsARowInOrder) {
  Report report = report_of(4, 2, Usage::kIgnored);
  EXPECT_EQ(to_kaggle_csv(report.models[0], report.classes),
            "fname,label\n"
            "clip-0.wav,class_0 class_1 class_2\n"
            "clip-1.wav,class_2 class_1 class_0\n");
  report.models[0].predictions.resize(1);
  report.models[0].predictions[0].name = "a \"b\", c.wav";
  EXPECT_EQ(to_kaggle_csv(report.models[0], report.classes),
            "fname,label\n\"a \"\"b\"\", c.wav\",class_0 class_1 class_2\n");
  const Report two = report_of(2, 1);
  EXPECT_EQ(to_kaggle_csv(two.models[0], two.classes), "fname,label\nclip-0.wav,class_0 class_1\n");
  EXPECT_THROW(to_kaggle_csv(two.models[0], report.classes), Error);
}

TEST(Page, ShowsEverySection) {
  const std::string html = to_html(report_of(5, 20));
  EXPECT_TRUE(is_well_formed(html));
  for (const char* part :
       {"<h1>paper-2s</h1>", "sounds", "cpu: two threads", "2025-01-02T03:04:05Z", "5 classes",
        "20 scored clips", "Half as wide as the paper.", "<b>0.750</b>", ">Loss<", ">By class<",
        ">Validation mAP@3<", "Confusion of cnn-comb", "Most confused clips", "clip-1.wav",
        "class_0 heard as class_1: 2 of 4", "prefers-color-scheme: dark"}) {
    EXPECT_TRUE(contains(html, part)) << part;
  }
  EXPECT_FALSE(contains(html, "Public"));
  EXPECT_TRUE(contains(to_html(report_of(5, 20, Usage::kPublic)), "Public"));
  for (const char* outside : {"http:", "https:", "<script", "<link", "src=", "url("}) {
    EXPECT_FALSE(contains(html, outside)) << outside;
  }
}

TEST(Page, EscapesEveryText) {
  const std::string evil = "<script>alert('x\"y')</script>\n&\xff" + std::string(4096, 'a');
  Report report = report_of(3, 6);
  for (std::string* text : {&report.run, &report.data, &report.device, &report.created,
                            &report.remarks, &report.models[0].model}) {
    *text = evil;
  }
  for (std::string& name : report.classes) name += evil;
  for (Prediction& clip : report.models[0].predictions) clip.name = evil;
  for (EpochPoint& point : report.curves) point.model = evil;
  report.models[0].scores = score(report.models[0].predictions, report.classes);
  const std::string html = to_html(report);
  EXPECT_TRUE(is_well_formed(html));
  EXPECT_FALSE(contains(html, "<script"));
  EXPECT_FALSE(contains(html, "alert('"));
  EXPECT_FALSE(contains(html, std::string(2000, 'a')));
  EXPECT_TRUE(contains(html, "&lt;script&gt;"));
  EXPECT_NO_THROW((void)to_json(report).dump());
  EXPECT_EQ(count(to_text(report), "\n"), 2u);
}

TEST(Page, HoldsAnyNumberOfClassesAndClips) {
  for (int classes : {2, 3, 60, 61, 2000}) {
    const std::string html = to_html(report_of(classes, std::min(3 * classes, 4000)));
    EXPECT_TRUE(is_well_formed(html)) << classes;
    EXPECT_LT(html.size(), 500000u) << classes;
    EXPECT_EQ(contains(html, "class=\"chart heat\""), classes <= 60) << classes;
    EXPECT_TRUE(contains(html, "<span>class_1 <span class=\"soft\">heard as")) << classes;
  }
  EXPECT_TRUE(contains(to_html(report_of(2000, 4000)), "the 60 hardest of 2000 classes"));
}

TEST(Page, DrawsOneCellForEachConfusion) {
  const Report report = report_of(7, 70);
  size_t cells = 0;
  for (const auto& row : report.models[0].scores.confusion) {
    for (int64_t entry : row) cells += entry > 0;
  }
  EXPECT_EQ(cells, 14u);
  const std::string html = to_html(report);
  EXPECT_EQ(count(html, "<rect class=\"right\" x="), 7u);
  EXPECT_EQ(count(html, "<rect class=\"wrong\" x="), 7u);
}

TEST(Page, HoldsReportsWithGaps) {
  Report empty;
  EXPECT_TRUE(is_well_formed(to_html(empty)));
  EXPECT_TRUE(contains(to_html(empty), "No model was scored"));
  const std::string unscored = to_html(report_of(4, 0));
  EXPECT_TRUE(is_well_formed(unscored));
  EXPECT_TRUE(contains(unscored, "0 scored clips"));
  EXPECT_FALSE(contains(unscored, "Confusion"));
  Report plain = report_of(4, 8);
  plain.curves.clear();
  plain.remarks.clear();
  EXPECT_FALSE(contains(to_html(plain), ">Loss<"));
  EXPECT_FALSE(contains(to_html(plain), "class=\"remarks\""));
  Report perfect = report_of(4, 1);
  EXPECT_FALSE(contains(to_html(perfect), "Most confused clips"));
  EXPECT_TRUE(contains(to_html(perfect), "No clip was mistaken"));
}

TEST(Page, HoldsAnyLoss) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinite = std::numeric_limits<double>::infinity();
  const int last = std::numeric_limits<int>::max();
  for (double value : {nan, infinite, -infinite, 0.0, -1.0, 5e-324, 1.7e308}) {
    Report report = report_of(3, 6);
    report.curves = {{"cnn-audio", 0, last, value, value, value}};
    EXPECT_TRUE(is_well_formed(to_html(report))) << value;
    report.curves = {{"cnn-audio", 3, 0, 1, value, 0.5}, {"cnn-audio", 3, last, value, 1, value}};
    const std::string html = to_html(report);
    EXPECT_TRUE(is_well_formed(html)) << value;
    EXPECT_FALSE(contains(html, "=\"nan") || contains(html, "=\"inf")) << value;
  }
}

TEST(Chart, DrawsPointsGapsAndEdges) {
  Chart chart;
  chart.width = 154;   // 100 units between the margins of 42 and 12
  chart.height = 144;  // 100 units between the margins of 10 and 34
  chart.x_high = 10;
  chart.y_high = 2;
  chart.lines = {{"m0", "one", {{0, 0}, {5, 1}, {10, 99}}}};
  EXPECT_TRUE(contains(chart_svg(chart), "d=\"M42.0 110.0h0L92.0 60.0L142.0 10.0\""));
  chart.lines[0].points[1].second = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(contains(chart_svg(chart), "d=\"M42.0 110.0h0M142.0 10.0h0\""));
  chart.lines[0].points.resize(1);
  EXPECT_TRUE(contains(chart_svg(chart), "<circle class=\"m0\" cx=\"42.0\" cy=\"110.0\""));
  EXPECT_FALSE(contains(chart_svg(chart), ">-0<"));
  for (int i = 0; i < 100000; ++i) chart.lines[0].points.emplace_back(i, 1);
  EXPECT_LT(chart_svg(chart).size(), 10000u);
}

TEST(Curves, ReadsEpochsAndSkipsTheRest) {
  const Scratch folder;
  const fs::path log = folder / "log.jsonl";
  const std::string epoch =
      R"({"event":"epoch","model":"cnn-audio","fold":2,"epoch":3,"step":99,"train_loss":1.5,)"
      R"("validation_loss":null,"validation_map3":0.25,"seconds":{"data":1}})";
  std::string lines = epoch + "\n\n{\"event\":\"step\",\"loss\":3}\n[1,2]\nnull\n{\"event\":3}\n";
  for (const char* wrong :
       {R"("fold":-1)", R"("fold":"2")", R"("fold":4294967298)", R"("fold":2.5)"}) {
    lines += std::string(epoch).replace(epoch.find("\"fold\":2"), 8, wrong) + '\n';
  }
  lines += "\xff\xfe\n" + std::string(100000, '[') + '\n' + epoch + '\n' + epoch.substr(0, 60);
  write_file(log, lines);
  const std::vector<EpochPoint> points = read_curves(log);
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(points[0].model, "cnn-audio");
  EXPECT_EQ(points[0].fold, 2);
  EXPECT_EQ(points[0].epoch, 3);
  EXPECT_EQ(points[0].train_loss, 1.5);
  EXPECT_TRUE(std::isnan(points[0].validation_loss));
  EXPECT_EQ(points[0].validation_map3, 0.25);
  fs::remove(log);
  EXPECT_THROW(read_curves(log), Error);
}

}  // namespace
}  // namespace earshot
