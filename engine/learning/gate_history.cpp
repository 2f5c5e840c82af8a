#include "engine/learning/gate_history.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/learning/feedback_codec.h"

namespace almagest {
namespace {

// Tags tell groups of users apart, who ask queries of their own. Users and spans of time do not:
// different events of theirs ask the same popular queries.
bool OfOtherUsers(const FeedbackFilter& a, const FeedbackFilter& b) {
  return a.tag && b.tag && *a.tag != *b.tag;
}

}  // namespace

uint64_t GateNumber(const VersionSet& versions, uint64_t events_now,
                    const FeedbackFilter& feedback) {
  using Json = nlohmann::json;
  uint64_t number = 1;
  for (const AdapterVersion& version : versions.versions()) {
    const Json report = Json::parse(version.report_json, nullptr, false);
    try {
      const auto verdict = report.at("gate").at("verdict").get<std::string>();
      const auto events = report.at("export").at("events_used").get<uint64_t>();
      const Json part = report.at("export").value("feedback", Json::object());
      const auto theirs = DecodeFilter(part.dump());
      if (theirs && OfOtherUsers(*theirs, feedback)) continue;
      if ((verdict == "promote" || verdict == "reject") && events >= (events_now + 1) / 2) ++number;
    } catch (const Json::exception&) {
      continue;  // No report of a job: built in or uploaded.
    }
  }
  return std::min(number, kGateNumberMax);
}

}  // namespace almagest
