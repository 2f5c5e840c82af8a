#include "engine/learning/bridging.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "engine/collection/bridge.h"
#include "engine/learning/bridge_export.h"
#include "engine/learning/job_frame.h"
#include "engine/learning/job_progress.h"
#include "storage/base/file.h"

namespace almagest {
namespace {

using BridgeJson = nlohmann::ordered_json;

std::string Compact(const BridgeJson& object) {
  return object.dump(-1, ' ', false, BridgeJson::error_handler_t::replace);
}

BridgeJson Describe(const BridgeExport& exported) {
  return {{"points", exported.progress.points},   {"with_from", exported.progress.with_from},
          {"with_to", exported.progress.with_to}, {"with_both", exported.progress.with_both},
          {"documents", exported.documents},      {"queries", exported.queries},
          {"judgements", exported.judgements},    {"bytes", exported.bytes}};
}

class Bridging {
 public:
  Bridging(const AdaptationResources& resources, JobContext& context)
      : resources_(resources), context_(context), request_(context.job().request) {}

  JobOutcome Run() {
    const auto done = Steps();
    return EndJob(done, storing_, context_, std::move(outcome_));
  }

 private:
  Result<> Steps() {
    ALMAGEST_TRY(const auto collection, FindJobCollection(resources_, context_));
    context_.SetProgress("exporting", 0);
    ALMAGEST_TRY(exported_, ExportBridge(*collection, *resources_.feedback, context_.job().id,
                                         request_, context_.folder(), resources_.trainer_threads,
                                         context_.cancel(), [&](double fraction) {
                                           context_.SetProgress("exporting",
                                                                kExportShare * fraction);
                                         }));
    BridgeJson event = {{"event", "exported"}};
    event.update(Describe(exported_));
    context_.Emit(Compact(event));
    // Vectors as read and as served, and both sides as doubles, centred and not.
    const uint64_t bytes = (128ull << 20) + 8 * exported_.bytes;
    ALMAGEST_TRY(const TrainerExit exit, TrainJob(resources_, context_, bytes,
                                                  "raise the limit, or ask for a smaller sample"));
    if (exit.cancelled || context_.cancel()) return {};
    if (!exit.succeeded) return Fail(ErrorCode::kInternal, exit.reason);
    return Store(*collection);
  }

  Result<> Store(Collection& collection) {
    const auto unreadable = [](const std::string& what) {
      return Fail(ErrorCode::kInternal, "the trainer left no readable report: " + what);
    };
    const auto text = ReadFile(context_.folder() / "report.json");
    auto map = ReadFile(context_.folder() / "bridge.safetensors");
    if (!text || !map) return unreadable("report.json or bridge.safetensors is missing");
    BridgeJson report = BridgeJson::parse(*text, nullptr, false);
    std::string verdict;
    try {
      verdict = report.at("gate").at("verdict").get<std::string>();
      outcome_.reason = report.at("reason").get<std::string>();
    } catch (const BridgeJson::exception& error) {
      return unreadable(error.what());
    }
    if (verdict != "accept" && verdict != "unknown" && verdict != "refuse") {
      return unreadable("gate.verdict is '" + verdict + "'");
    }
    storing_ = true;
    report["export"] = Describe(exported_);
    BridgeRecord record;
    record.status = verdict == "refuse" ? BridgeStatus::kRefused : BridgeStatus::kCandidate;
    ALMAGEST_TRY(const auto from, collection.FindField(request_.vector_name));
    ALMAGEST_TRY(const auto to, collection.FindField(request_.bridge->to));
    record.from = from.id;
    record.to = to.id;
    record.from_name = request_.vector_name;
    record.to_name = request_.bridge->to;
    record.from_version = exported_.from_version;
    record.to_version = exported_.to_version;
    record.created_at_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                               std::chrono::system_clock::now().time_since_epoch())
                               .count();
    record.job_id = context_.job().id;
    record.report_json = Compact(report);
    const auto id = collection.AddBridge(record, *map);
    if (!id) {
      return Fail(id.error().code, "the bridge cannot be stored: " + id.error().message);
    }
    report["bridge"] = *id;
    outcome_.report_json = Compact(report);
    outcome_.state = verdict == "refuse" ? JobState::kRejected : JobState::kSucceeded;
    if (verdict == "refuse" || !request_.activate) return {};
    if (verdict == "unknown" && !request_.bridge->force) {
      outcome_.reason = "Kept as a candidate, since force was not given. " + outcome_.reason;
      return {};
    }
    return collection.ActivateBridge(*id);
  }

  const AdaptationResources& resources_;
  JobContext& context_;
  const AdaptationRequest& request_;
  BridgeExport exported_;
  bool storing_ = false;
  JobOutcome outcome_;
};

}  // namespace

JobOutcome RunBridge(const AdaptationResources& resources, JobContext& context) {
  return Bridging(resources, context).Run();
}

}  // namespace almagest
