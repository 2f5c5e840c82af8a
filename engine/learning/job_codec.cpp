#include "engine/learning/job_codec.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "engine/learning/feedback_codec.h"
#include "storage/record_codec.h"

namespace almagest {
namespace {

using Json = nlohmann::json;

constexpr uint32_t kJobFormat = 1;
constexpr std::string_view kIdPrefix = "job-";

}  // namespace

std::string_view JobStateName(JobState state) {
  switch (state) {
    case JobState::kQueued:
      return "queued";
    case JobState::kRunning:
      return "running";
    case JobState::kSucceeded:
      return "succeeded";
    case JobState::kRejected:
      return "rejected";
    case JobState::kSkipped:
      return "skipped";
    case JobState::kFailed:
      return "failed";
    case JobState::kCancelled:
      return "cancelled";
  }
  return "failed";
}

bool IsFinal(JobState state) { return state != JobState::kQueued && state != JobState::kRunning; }

std::string JobIdOf(uint64_t number) { return std::string(kIdPrefix) + std::to_string(number); }

std::optional<uint64_t> ParseJobId(std::string_view id) {
  if (!id.starts_with(kIdPrefix)) return std::nullopt;
  id.remove_prefix(kIdPrefix.size());
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
  if (error != std::errc() || end != id.data() + id.size() || JobIdOf(number).substr(4) != id) {
    return std::nullopt;
  }
  return number;
}

std::string EncodeJob(const Job& job) {
  Json body = {{"id", job.id},
               {"collection", job.collection},
               {"vector", job.vector_name},
               {"objective", job.request.objective},
               {"options", job.request.options_json},
               {"seed", job.request.seed},
               {"activate", job.request.activate},
               {"feedback", EncodeFilter(job.request.feedback)},
               {"state", JobStateName(job.state)},
               {"phase", job.phase},
               {"fraction", job.fraction},
               {"reason", job.reason},
               {"report", job.report_json},
               {"created_at_ms", job.created_at_ms},
               {"started_at_ms", job.started_at_ms},
               {"ended_at_ms", job.ended_at_ms},
               {"feedback_events", job.feedback_events}};
  if (job.version) body["version"] = *job.version;
  JobRecord record;
  record.kind = kJobFormat;
  record.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  return EncodeRecord(record);
}

Result<Job> DecodeJob(std::string_view bytes) {
  ALMAGEST_TRY(const auto record, DecodeRecord<JobRecord>(bytes));
  if (record.kind != kJobFormat) return Fail(ErrorCode::kCorruption, "a job has an unknown form");
  const Json body = Json::parse(record.body, nullptr, false);
  try {
    Job job;
    job.id = body.at("id").get<std::string>();
    job.collection = body.at("collection").get<std::string>();
    job.vector_name = body.at("vector").get<std::string>();
    job.request.vector_name = job.vector_name;
    job.request.objective = body.at("objective").get<std::string>();
    job.request.options_json = body.at("options").get<std::string>();
    job.request.seed = body.at("seed").get<uint64_t>();
    job.request.activate = body.at("activate").get<bool>();
    ALMAGEST_TRY(job.request.feedback, DecodeFilter(body.value("feedback", "{}")));
    const auto state = body.at("state").get<std::string>();
    job.state = JobState::kFailed;
    for (uint8_t i = 0; i <= static_cast<uint8_t>(JobState::kCancelled); ++i) {
      if (JobStateName(static_cast<JobState>(i)) == state) job.state = static_cast<JobState>(i);
    }
    job.phase = body.at("phase").get<std::string>();
    job.fraction = body.at("fraction").get<double>();
    job.reason = body.at("reason").get<std::string>();
    job.report_json = body.at("report").get<std::string>();
    job.created_at_ms = body.at("created_at_ms").get<int64_t>();
    job.started_at_ms = body.at("started_at_ms").get<int64_t>();
    job.ended_at_ms = body.at("ended_at_ms").get<int64_t>();
    job.feedback_events = body.at("feedback_events").get<uint64_t>();
    if (body.contains("version")) job.version = body["version"].get<VersionId>();
    return job;
  } catch (const Json::exception& error) {
    return Fail(ErrorCode::kCorruption, std::string("a job cannot be read: ") + error.what());
  }
}

}  // namespace almagest
