#include "engine/learning/version_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/learning/job_codec.h"

namespace almagest {
namespace {

using Json = nlohmann::ordered_json;

bool IsTainted(const AdapterVersion& version, const std::set<uint64_t>& tainted_jobs) {
  const auto number = ParseJobId(version.job_id);
  return number && tainted_jobs.contains(*number);
}

Json ToJson(const AdapterVersion& version, bool is_tainted) {
  const Json report = Json::parse(version.report_json, nullptr, false);
  const auto part = [&](const char* key) -> Json {
    return report.is_object() && report.contains(key) ? report[key] : Json(nullptr);
  };
  Json json = {{"version", version.id},
               {"parent", version.id == 0 ? Json(nullptr) : Json(version.parent)},
               {"kind", version.kind},
               {"status", VersionStatusName(version.status)},
               {"created_at_ms", version.created_at_ms},
               {"job_id", version.job_id.empty() ? Json(nullptr) : Json(version.job_id)},
               {"tainted", is_tainted}};
  for (const char* key :
       {"reason", "metrics", "gain", "gate", "compatibility", "scores", "relevance", "export"}) {
    json[key] = part(key);
  }
  return json;
}

}  // namespace

std::string VersionReport(const VersionSet& versions, const std::set<uint64_t>& tainted_jobs,
                          VersionId newest, size_t limit) {
  const std::vector<AdapterVersion>& all = versions.versions();  // Ascending.
  auto next = std::ranges::upper_bound(all, newest, {}, &AdapterVersion::id);
  Json list = Json::array();
  for (; next != all.begin() && list.size() < limit; --next) {
    const AdapterVersion& version = *std::prev(next);
    list.push_back(ToJson(version, IsTainted(version, tainted_jobs)));
  }
  return Json{{"active", versions.active()},
              {"total", all.size()},
              {"next_offset", next == all.begin() ? Json(nullptr) : Json(std::prev(next)->id)},
              {"versions", std::move(list)}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace almagest
