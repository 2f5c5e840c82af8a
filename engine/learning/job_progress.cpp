#include "engine/learning/job_progress.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace almagest {
namespace {

using Json = nlohmann::json;

// Where each of the trainer's phases lies in the whole job. Training takes nearly all the time and
// knows its own pace.
struct PhaseShare {
  std::string_view name;
  double low, high;
};
constexpr double kTrainingLow = 0.10, kTrainingHigh = 0.85;
constexpr PhaseShare kShares[] = {{"reading", kExportShare, 0.08},
                                  {"splitting", 0.08, kTrainingLow},
                                  {"evaluating", kTrainingHigh, 0.90},
                                  {"compatibility", 0.90, 0.94},
                                  {"geometry", 0.94, kTrainerShareEnd}};

double Number(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0.0;
}

std::string Text(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

void JobProgress::Advance(double low, double high, double part) {
  const double value = low + (high - low) * std::clamp(part, 0.0, 1.0);
  fraction_ = std::max(fraction_, std::min(value, kTrainerShareEnd));
}

std::optional<std::string> JobProgress::Apply(std::string_view line, double seconds) {
  const Json object = Json::parse(line, nullptr, false);
  if (!object.is_object() || Text(object, "event").empty()) return std::nullopt;
  const std::string event = Text(object, "event");
  if (event == "phase") {
    phase_ = Text(object, "name");
    for (const PhaseShare& share : kShares) {
      if (share.name == phase_) Advance(share.low, share.high, Number(object, "fraction"));
    }
  } else if (event == "step") {
    phase_ = "training";
    if (!training_started_) training_started_ = seconds;
    const double spent = seconds - *training_started_;
    const double rest = Number(object, "eta_seconds");
    if (spent + rest > 0) Advance(kTrainingLow, kTrainingHigh, spent / (spent + rest));
  } else if (event == "failed") {
    failure_ = Text(object, "reason");
  }
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

double EstimateRest(double fraction, double elapsed_seconds) {
  if (fraction < 0.02 || fraction >= 1) return 0;
  return elapsed_seconds * (1 - fraction) / fraction;
}

}  // namespace almagest
