// Writes the inputs of a job folder (docs/job-folder.md) from a collection and its feedback.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/collection/collection.h"
#include "engine/learning/feedback_store.h"
#include "engine/learning/job.h"
#include "engine/learning/judgement_builder.h"
#include "engine/learning/query_log.h"
#include "storage/base/safetensors.h"

namespace almagest {

struct ExportSummary {
  VersionId active_version = 0;
  uint64_t documents = 0;
  uint64_t queries = 0;
  uint64_t guard_queries = 0;
  uint64_t trusted_queries = 0;
  uint64_t bytes = 0;
  JudgementCounts counts;
};

struct ExportRequest {
  std::filesystem::path folder;
  std::string job_id;
  AdaptationRequest adaptation;
  unsigned threads = 1;
  const StoreSnapshot* feedback_snapshot = nullptr;
  const QueryLog* query_log = nullptr;  // Its newest queries guard against drift; may be absent.
};

inline constexpr size_t kGuardQueriesMax = 1'000;

// Documents are the base vectors of the points that have the field, in slot order: those that
// live when the list is made, without those deleted before they were read. Feedback is that of the
// snapshot; mentions of points that are not among the documents are dropped and counted.
//
// Vectors are streamed, so memory is bounded by 4 bytes per point, about 100 bytes per judgement
// and a few megabytes. Searches and writes go on meanwhile. `on_progress` gets fractions 0..1.
// kResourceExhausted for more than 2^31 - 1 documents or queries; kUnavailable when cancelled;
// kStorageFull.
Result<ExportSummary> ExportJob(const Collection& collection, const FeedbackStore& feedback,
                                const ExportRequest& request, const std::atomic<bool>& cancel,
                                const std::function<void(double fraction)>& on_progress);

// The versions that rows of the field are stored by, and the active one. Ascending.
Result<std::vector<VersionId>> LiveVersions(const Collection& collection,
                                            const std::string& vector_name);

// The five tensors of judgements.safetensors; `judgements` must outlive the writing.
void AddJudgementTensors(const Judgements& judgements, SafetensorsWriter* writer);

// A version as an adapter file (docs/job-folder.md).
Result<> WriteAdapterFile(const std::filesystem::path& path, const std::string& kind,
                          const AdapterMaps& maps, uint32_t dimension);

}  // namespace almagest
