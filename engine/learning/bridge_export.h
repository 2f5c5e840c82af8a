// Writes the inputs of a bridge job's folder (docs/job-folder.md, "Bridge jobs").
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>

#include "engine/collection/collection.h"
#include "engine/learning/bridge_request.h"
#include "engine/learning/feedback_store.h"
#include "engine/learning/job.h"

namespace almagest {

// How far the points of a collection are on the way from one model to the other.
struct BridgeProgress {
  uint64_t points = 0;     // With either vector.
  uint64_t with_from = 0;  // With a vector of the new model,
  uint64_t with_to = 0;    // of the old one,
  uint64_t with_both = 0;  // of both.
  double share() const {
    return points == 0 ? 0 : static_cast<double>(with_from) / static_cast<double>(points);
  }
};
Result<BridgeProgress> MeasureBridgeProgress(const Collection& collection, const std::string& from,
                                             const std::string& to);

// What can be said before a job starts. kInvalidArgument for an unknown or sparse vector, a
// multi-vector, or the same one twice; kFailedPrecondition for a distance other than Cosine and
// Dot, for fewer than kBridgePairsMin points with both vectors, and where no point lacks the vector
// of the new model (nothing to bridge: or `from` and `to` are the wrong way round); kOutOfRange for
// the sample or the queries.
Result<> CheckBridgeRequest(const Collection& collection, const AdaptationRequest& request);

struct BridgeExport {
  BridgeProgress progress;
  VersionId from_version = 0, to_version = 0;
  uint64_t documents = 0, queries = 0, judgements = 0, bytes = 0;
};

// Documents are a sample, drawn by the request's seed, of the points that have both vectors; those
// that feedback or the request judge come first. Judged queries are those of feedback on the vector
// `from` and those of the request, which alone may know a query by both models. kUnavailable when
// cancelled, kStorageFull.
Result<BridgeExport> ExportBridge(const Collection& collection, const FeedbackStore& feedback,
                                  const std::string& job_id, const AdaptationRequest& request,
                                  const std::filesystem::path& folder, unsigned threads,
                                  const std::atomic<bool>& cancel,
                                  const std::function<void(double fraction)>& on_progress);

}  // namespace almagest
