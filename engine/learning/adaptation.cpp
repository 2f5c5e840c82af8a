#include "engine/learning/adaptation.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "engine/learning/feedback_codec.h"
#include "engine/learning/job_export.h"
#include "engine/learning/job_frame.h"
#include "engine/learning/job_progress.h"
#include "storage/base/file.h"
#include "storage/base/log.h"

namespace almagest {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kWhitening[] = "whitening";
constexpr size_t kReportBytesMax = 16 << 20;

std::string Dump(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json ToJson(const ExportSummary& summary, const FeedbackFilter& feedback) {
  const JudgementCounts& counts = summary.counts;
  return {{"feedback", Json::parse(EncodeFilter(feedback))},
          {"documents", summary.documents},
          {"queries", summary.queries},
          {"guard_queries", summary.guard_queries},
          {"trusted_queries", summary.trusted_queries},
          {"bytes", summary.bytes},
          {"events", counts.events},
          {"events_used", counts.events_used},
          {"points_missing", counts.points_missing},
          {"judgements", counts.judgements},
          {"relevant_judgements", counts.relevant},
          {"users", counts.users},
          {"users_capped", counts.users_capped},
          {"largest_user_share", counts.largest_user_share}};
}

// The parts of report.json that decide what happens next.
struct Report {
  Json json;
  bool trained = false;  // Else skipped.
  std::string verdict;   // promote, reject, insufficient_data.
  std::string reason;
  std::string kind;
};

Result<Report> ReadReport(const std::filesystem::path& path) {
  const auto unreadable = [](const std::string& what) {
    return Fail(ErrorCode::kInternal, "the trainer left no readable report: " + what);
  };
  std::error_code error;
  if (std::filesystem::file_size(path, error) > kReportBytesMax || error) {
    return unreadable(error ? "report.json is missing" : "report.json is too large");
  }
  ALMAGEST_TRY(const std::string text, ReadFile(path));
  Report report;
  report.json = Json::parse(text, nullptr, false);
  try {
    if (!report.json.is_object()) return unreadable("it is no JSON object");
    const auto status = report.json.at("status").get<std::string>();
    if (status != "trained" && status != "skipped") return unreadable("status is '" + status + "'");
    report.trained = status == "trained";
    report.reason = report.json.value("reason", "");
    report.kind = report.json.value("kind", "");
    report.verdict = report.json.at("gate").at("verdict").get<std::string>();
  } catch (const Json::exception& exception) {
    return unreadable(exception.what());
  }
  if (report.verdict != "promote" && report.verdict != "reject" &&
      report.verdict != "insufficient_data") {
    return unreadable("gate.verdict is '" + report.verdict + "'");
  }
  return report;
}

// What the trainer will hold at its peak, about: measured 462 MB on 88 MB of vectors (43,000 x
// 512). Of more documents than `mining_documents_max` by default it works on a sample.
uint64_t TrainerBytes(const ExportSummary& summary) {
  constexpr uint64_t kLibraryBytes = 128ull << 20;
  constexpr uint64_t kCopies = 4;
  constexpr uint64_t kSampledRows = 100'000;
  const uint64_t rows = std::max<uint64_t>(summary.documents + summary.queries, 1);
  return kLibraryBytes + kCopies * summary.bytes / rows * std::min(rows, kSampledRows);
}

class Adaptation {
 public:
  Adaptation(const AdaptationResources& resources, JobContext& context)
      : resources_(resources), context_(context), request_(context.job().request) {}

  JobOutcome Run() {
    const auto done = Steps();
    outcome_ = EndJob(done, deploying_, context_, std::move(outcome_));
    if (!outcome_.version && has_training_record_) {
      const auto dropped =
          resources_.feedback->DropTrainingRecord(context_.collection_id(), context_.number());
      if (!dropped) LogWarning("a training record stays: " + dropped.error().message);
    }
    return std::move(outcome_);
  }

 private:
  Result<> Steps() {
    ALMAGEST_TRY(collection_, FindJobCollection(resources_, context_));
    context_.SetProgress("exporting", 0);
    ALMAGEST_TRY_VOID(Export());
    if (summary_.counts.relevant == 0 && request_.objective != kWhitening) {
      outcome_.state = JobState::kSkipped;
      outcome_.reason = "there is no feedback with a relevant point for the vector '" +
                        request_.vector_name + "'";
      if (request_.feedback != FeedbackFilter()) {
        outcome_.reason += " among " + EncodeFilter(request_.feedback);
      }
      return {};
    }
    ALMAGEST_TRY(const TrainerExit exit,
                 TrainJob(resources_, context_, TrainerBytes(summary_),
                          "raise the limit, or start the job again when less is in use"));
    if (exit.cancelled || context_.cancel()) return {};
    if (!exit.succeeded) return Fail(ErrorCode::kInternal, exit.reason);
    ALMAGEST_TRY(Report report, ReadReport(context_.folder() / "report.json"));
    report.json["export"] = ToJson(summary_, request_.feedback);
    outcome_.report_json = Dump(report.json);
    return Deploy(report);
  }

  Result<> Export() {
    ALMAGEST_TRY(const auto training,
                 resources_.feedback->BeginTraining(context_.collection_id(), context_.number(),
                                                    request_.vector_name, request_.feedback));
    has_training_record_ = true;
    ExportRequest request;
    request.folder = context_.folder();
    request.job_id = context_.job().id;
    request.adaptation = request_;
    request.threads = resources_.trainer_threads;
    request.feedback_snapshot = training.snapshot.get();
    request.query_log = resources_.query_log;
    ALMAGEST_TRY(summary_, ExportJob(*collection_, *resources_.feedback, request, context_.cancel(),
                                     [&](double fraction) {
                                       context_.SetProgress("exporting", kExportShare * fraction);
                                     }));
    context_.SetFeedbackEvents(summary_.counts.events_used);
    Json event = {{"event", "exported"}};
    event.update(ToJson(summary_, request_.feedback));
    context_.Emit(Dump(event));
    LogInfo(context_.job().id + " exported " + std::to_string(summary_.documents) + " documents, " +
            std::to_string(summary_.queries) + " queries, " +
            std::to_string(summary_.counts.judgements) +
            " judgements: " + std::to_string(summary_.bytes) + " bytes of vectors");
    return {};
  }

  Result<> Deploy(const Report& report) {
    const bool is_whitening = request_.objective == kWhitening;
    const bool is_judged = report.verdict != "insufficient_data";
    outcome_.reason = report.reason;
    if (!report.trained || (!is_judged && !is_whitening)) {
      outcome_.state = JobState::kSkipped;
      return {};
    }
    auto adapter = ReadFile(context_.folder() / "adapter.safetensors");
    if (!adapter) return Fail(ErrorCode::kInternal, "the trainer left no adapter.safetensors");
    deploying_ = true;
    context_.SetProgress("storing the version", kTrainerShareEnd);
    const bool is_rejected = report.verdict == "reject";
    AdapterVersion version;
    version.parent = summary_.active_version;
    version.kind = report.kind;
    version.status = is_rejected ? VersionStatus::kRejected : VersionStatus::kCandidate;
    version.created_at_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                                std::chrono::system_clock::now().time_since_epoch())
                                .count();
    version.job_id = context_.job().id;
    version.report_json = outcome_.report_json;
    auto added = collection_->AddVersion(request_.vector_name, std::move(version), *adapter);
    if (!added) {
      return Fail(added.error().code, "the trained adapter was refused: " + added.error().message);
    }
    outcome_.version = *added;
    outcome_.state = is_rejected ? JobState::kRejected : JobState::kSucceeded;
    if (report.verdict != "promote" || !request_.activate) return {};
    return Activate(*added);
  }

  // The version exists already: what goes wrong now leaves it a candidate.
  Result<> Activate(VersionId version) {
    ALMAGEST_TRY(const auto tainted, resources_.feedback->TaintedJobs(context_.collection_id()));
    if (tainted.contains(context_.number())) {
      outcome_.reason =
          "kept as a candidate: feedback that it was trained on was deleted "
          "meanwhile";
      return {};
    }
    ALMAGEST_TRY(const auto versions, collection_->Versions(request_.vector_name));
    if (versions->active() != summary_.active_version) {
      outcome_.reason = "kept as a candidate: it was compared with version " +
                        std::to_string(summary_.active_version) + ", but version " +
                        std::to_string(versions->active()) + " became active meanwhile";
      return {};
    }
    context_.SetProgress("activating", 0.97);
    if (auto activated = collection_->ActivateVersion(request_.vector_name, version); !activated) {
      return Fail(activated.error().code,
                  "version " + std::to_string(version) +
                      " is stored but could not be activated: " + activated.error().message);
    }
    return {};
  }

  const AdaptationResources& resources_;
  JobContext& context_;
  const AdaptationRequest& request_;
  std::shared_ptr<Collection> collection_;
  ExportSummary summary_;
  bool has_training_record_ = false;
  bool deploying_ = false;
  JobOutcome outcome_;
};

}  // namespace

JobOutcome RunAdaptation(const AdaptationResources& resources, JobContext& context) {
  return Adaptation(resources, context).Run();
}

}  // namespace almagest
