#include "engine/learning/version_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/learning/job_codec.h"

namespace almagest {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kRelevantMax = 10;

bool IsTainted(const AdapterVersion& version, const std::set<uint64_t>& tainted_jobs) {
  const auto number = ParseJobId(version.job_id);
  return number && tainted_jobs.contains(*number);
}

Json ToJson(const AdapterVersion& version, const std::set<uint64_t>& tainted_jobs) {
  return {{"version", version.id},
          {"parent", version.id == 0 ? Json(nullptr) : Json(version.parent)},
          {"kind", version.kind},
          {"status", VersionStatusName(version.status)},
          {"created_at_ms", version.created_at_ms},
          {"job_id", version.job_id.empty() ? Json(nullptr) : Json(version.job_id)},
          {"tainted", IsTainted(version, tainted_jobs)}};
}

Json Summary(const AdapterVersion& version, const std::set<uint64_t>& tainted_jobs) {
  const Json report = Json::parse(version.report_json, nullptr, false);
  const auto part = [&](const char* key) -> Json {
    return report.is_object() && report.contains(key) ? report[key] : Json(nullptr);
  };
  Json json = ToJson(version, tainted_jobs);
  for (const char* key :
       {"reason", "metrics", "gain", "gate", "compatibility", "scores", "relevance", "export"}) {
    json[key] = part(key);
  }
  return json;
}

Json PointToJson(const PointId& id) {
  if (const auto* number = std::get_if<uint64_t>(&id)) return *number;
  return PointIdToString(id);
}

Json RelevantPoints(const FeedbackEvent& event) {
  std::vector<PointId> points;
  const auto add = [&](const PointId& id) {
    if (points.size() < kRelevantMax && std::ranges::find(points, id) == points.end()) {
      points.push_back(id);
    }
  };
  for (const Grade& grade : event.grades) {
    if (grade.grade > 0) add(grade.id);
  }
  for (const Click& click : event.clicks) add(click.id);
  for (const Preference& preference : event.preferences) add(preference.preferred);
  Json json = Json::array();
  for (const PointId& id : points) json.push_back(PointToJson(id));
  return json;
}

// Replaces the row of each query, which nobody outside of the job knows, by what is known of it.
Result<> NameQueries(const FindEvent& find_event, Json* changes) {
  for (const char* list : {"won_most", "lost_most"}) {
    const auto entries = changes->find(list);
    if (entries == changes->end() || !entries->is_array()) continue;
    for (Json& entry : *entries) {
      if (!entry.is_object()) continue;
      entry.erase("query");
      for (const char* key : {"text", "query_id", "relevant"}) entry[key] = nullptr;
      const auto id = entry.find("event");
      if (id == entry.end() || !id->is_number_unsigned()) continue;
      ALMAGEST_TRY(const auto event, find_event(id->get<uint64_t>()));
      if (!event) continue;
      if (event->query_text) entry["text"] = *event->query_text;
      if (event->query_id) entry["query_id"] = *event->query_id;
      entry["relevant"] = RelevantPoints(*event);
    }
  }
  return {};
}

}  // namespace

std::string VersionReport(const VersionSet& versions, const std::set<uint64_t>& tainted_jobs,
                          VersionId newest, size_t limit) {
  const std::vector<AdapterVersion>& all = versions.versions();  // Ascending.
  auto next = std::ranges::upper_bound(all, newest, {}, &AdapterVersion::id);
  Json list = Json::array();
  for (; next != all.begin() && list.size() < limit; --next) {
    const AdapterVersion& version = *std::prev(next);
    list.push_back(Summary(version, tainted_jobs));
  }
  return Json{{"active", versions.active()},
              {"total", all.size()},
              {"next_offset", next == all.begin() ? Json(nullptr) : Json(std::prev(next)->id)},
              {"versions", std::move(list)}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<std::string> VersionDetails(const AdapterVersion& version,
                                   const std::set<uint64_t>& tainted_jobs,
                                   const FindEvent& find_event) {
  Json json = ToJson(version, tainted_jobs);
  Json report = Json::parse(version.report_json, nullptr, false);
  if (!report.is_object() || report.empty()) report = nullptr;
  if (report.is_object() && report.contains("changes") && report["changes"].is_object()) {
    ALMAGEST_TRY_VOID(NameQueries(find_event, &report["changes"]));
  }
  json["report"] = std::move(report);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace almagest
