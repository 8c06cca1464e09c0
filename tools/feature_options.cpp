#include "tools/feature_options.h"

#include <CLI/CLI.hpp>

namespace earshot {

void add_feature_options(CLI::App& app, FeatureSettings& settings) {
  app.add_option_function<std::string>(
         "--log",
         [&settings](const std::string& name) {
           settings.log_scale = name == "power_db" ? LogScale::kPowerDb : LogScale::kAmplitudeDb;
         },
         "dB of the log-mel: 20 log10 (amplitude_db) or 10 log10")
      ->type_name("SCALE")
      ->check(CLI::IsMember({"amplitude_db", "power_db"}))
      ->default_str("amplitude_db");
  app.add_option("--trim-db", settings.trim_db,
                 "Cut both ends where quieter than the loudest part by this; 0: keep all")
      ->type_name("DB")
      ->check(CLI::Range(0.0, 200.0))
      ->capture_default_str();
  app.add_flag("--peak", settings.peak, "Scale each recording to full scale first");
}

}  // namespace earshot
