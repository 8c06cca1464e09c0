#include "data/prepare.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>

#include "engine/select_backend.h"
#include "tools/device_options.h"
#include "tools/feature_options.h"
#include "tools/program.h"

namespace earshot {
namespace {

constexpr const char* kDescription =
    R"(Turns recordings into a clip store, the one folder that training reads.

SOURCE is one of
  a folder with corpus.csv    columns path,label,split,group,source,license
  a CSV file                  columns path,label and if you like split (train or test), group,
                              source, license, in any order; paths are relative to its folder
  a folder per class          SOURCE/<class>/*.wav, or SOURCE/train/<class>/... and
                              SOURCE/test/<class>/...
  FSDKaggle2018               as Zenodo or as Kaggle publishes it
wav, flac, ogg, mp3, opus and what else libsndfile reads. Channels are averaged, other rates
resampled to 44.1 kHz, silence at the ends is cut, the log-mel is computed once.

The store is rebuilt only when its inputs or settings changed. Files that are unreadable, empty,
silent, clipped, too long or duplicates are listed in DIR/problems.csv and the work goes on.

Example: prepare my-sounds --out my-store)";

void print_problems(const StoreIndex& index) {
  struct Count {
    int64_t left_out = 0;
    int64_t kept = 0;
  };
  std::map<std::string, Count> counts;
  for (const Problem& problem : index.problems) {
    Count& count = counts[problem.reason.substr(0, problem.reason.find_first_of(":'"))];
    ++(problem.left_out ? count.left_out : count.kept);
  }
  if (counts.empty()) return;
  fmt::print("\n{:<24}{:>10}{:>10}\n", "problem", "left out", "kept");
  for (const auto& [reason, count] : counts) {
    fmt::print("{:<24}{:>10}{:>10}\n", reason, count.left_out, count.kept);
  }
}

void print_report(const PrepareReport& report, const fs::path& out) {
  int64_t clips[2] = {0, 0};
  double minutes[2] = {0.0, 0.0};
  for (const Clip& clip : report.index.clips) {
    const int split = clip.split == Split::kTest ? 1 : 0;
    ++clips[split];
    minutes[split] += static_cast<double>(clip.samples) / kSampleRate / 60.0;
  }
  if (report.up_to_date) {
    fmt::print("{} is up to date\n", out.string());
  } else {
    const auto all = static_cast<double>(clips[0] + clips[1]);
    fmt::print("{} made in {:.1f} s, {:.0f} clips/s\n", out.string(), report.seconds,
               all / std::max(report.seconds, 1e-3));
  }
  fmt::print("layout {}, {} classes\n", report.layout, report.index.classes.size());
  fmt::print("train  {:>6} clips, {:>7.1f} minutes\n", clips[0], minutes[0]);
  fmt::print("test   {:>6} clips, {:>7.1f} minutes\n", clips[1], minutes[1]);
  print_problems(report.index);
  if (!report.index.problems.empty()) {
    fmt::print("see {} for file, row and reason\n", (out / "problems.csv").string());
  }
}

}  // namespace
}  // namespace earshot

int main(int argc, char** argv) {
  using namespace earshot;
  PrepareOptions options;
  std::string device = "auto";
  CLI::App app(kDescription, "prepare");
  app.add_option("SOURCE", options.source, "Recordings; see above")->type_name("")->required();
  app.add_option("--out", options.out, "Folder of the store, made where it is missing")
      ->type_name("DIR")
      ->required();
  add_feature_options(app, options.features);
  app.add_option("--max-seconds", options.max_seconds, "Leave out longer training clips")
      ->type_name("S")
      ->capture_default_str();
  app.add_flag("--strict", options.strict, "Stop at the first problem instead of listing it");
  app.add_option("--jobs", options.jobs, "Threads; 0: one per core")
      ->type_name("N")
      ->capture_default_str();
  add_device_option(app, device);
  app.add_flag("--force", options.force, "Build even if nothing changed");
  app.add_flag("--allow-outside", options.allow_outside,
               "Let a table's paths and symbolic links lead out of the data folder");
  return run_program(app, argc, argv, [&] {
    std::string why_not;
    const auto gpu = select_gpu(device, why_not);  // on the CPU the threads that decode do it all
    options.backend = gpu.get();
    const PrepareReport report = prepare(options);
    if (app.count("--quiet") == 0) print_report(report, options.out);
  });
}
