// report.json: the outcome of a job (docs/job-folder.md).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/base/bootstrap.h"
#include "storage/base/result.h"
#include "training/candidate_selection.h"
#include "training/drift_guard.h"
#include "training/evaluation.h"
#include "training/fusion_tuning.h"
#include "training/gate.h"
#include "training/query_cells.h"
#include "training/query_changes.h"
#include "training/relevance_scale.h"
#include "training/space_geometry.h"

namespace almagest::training {

// Held-out metrics of one way to search: identity, active, whitened or trained.
struct MethodMetrics {
  std::string name;
  std::vector<QueryMetrics> per_query;
};

// What became of the recipe after the gate.
struct Deployment {
  bool trained_on_all = false;           // The adapter written has seen the held-out queries, too.
  double overlap_at_10 = 0;              // Of its results on them with those of the adapter judged.
  std::optional<Interval> trusted_gain;  // Of the recipe trained on everything.
};

struct JobReport {
  std::string status = "trained";  // trained or skipped.
  std::string reason;              // Why skipped, or what the gate says, in plain words.
  std::string device;
  std::string kind = "none";  // Of the adapter written.
  std::vector<std::pair<std::string, double>> seconds;
  int64_t steps = 0;  // Of all trainings of the job.
  size_t train_queries = 0;
  size_t validation_queries = 0;
  size_t held_out_queries = 0;
  std::vector<MethodMetrics> methods;
  Interval gain_over_whitened;
  std::vector<QueryCell> cells;         // Four, or none for a skipped job.
  std::optional<QueryChanges> changes;  // Absent for a skipped job.
  std::vector<int64_t> query_events;    // Of each query; or empty (job_folder.h).
  GateDecision gate;
  std::vector<std::string> versions;  // Of the compatibility matrix; the last is "new".
  CompatibilityMatrix compatibility;
  std::optional<Selection> selection;
  std::optional<FusionChoice> fusion;    // Absent without a text leg.
  std::optional<Deployment> deployment;  // Absent where there was nothing to train again.
  std::optional<Geometry> geometry;
  std::optional<Drift> drift;
  std::optional<ScoreScale> scores;
  std::optional<RelevanceScale> relevance;  // Of the adapter judged; absent with few queries.
  std::optional<TrustedValues> trusted;     // Of the adapter judged.
};

// Writes atomically.
Result<> WriteReport(const std::filesystem::path& path, const JobReport& report);

}  // namespace almagest::training
