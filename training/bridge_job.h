// A bridge job: folder in, map and report out (docs/job-folder.md, "Bridge jobs"). It says
// beforehand what searching old vectors with queries of a new model loses, and refuses where
// keeping the old model would be better.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "storage/base/bootstrap.h"
#include "storage/base/result.h"
#include "training/progress.h"
#include "training/run_job.h"

namespace almagest::training {

inline constexpr int64_t kBridgePairsMin = 1'000;  // Documents with both vectors.
inline constexpr size_t kBridgeQueriesMin = 50;  // Judged, with both vectors: fewer prove nothing.
// Of the new model's ten nearest documents, what a search through the bridge must find at least:
// below this the two models do not agree on what is near.
inline constexpr double kBridgeRetentionMin = 0.2;

enum class BridgeVerdict {
  kAccept,
  kUnknown,  // It maps, but nothing is known of whether it beats the old model.
  kRefuse,
};

// A line of the table by share of documents that have vectors of the new model.
struct BridgeMixture {
  double share = 0;
  Interval retention;      // Of the new model's ten nearest, on held-out documents.
  Interval ndcg_at_10;     // On judged queries, and
  Interval gain_over_old;  // minus the old model's, paired: on those with both vectors.
};

struct BridgeReport {
  std::string device;
  size_t pairs = 0, fitted = 0, held_out = 0;
  struct Candidate {
    std::string name;
    double retention = 0;  // On validation documents.
  };
  std::vector<Candidate> candidates;
  std::string chosen;
  std::string calibration;    // quantiles or isotonic.
  std::string calibrated_on;  // documents or queries.
  double score_distance = 0;  // Kolmogorov-Smirnov, of scores as they are.
  Interval old_retention;     // What the old model's own search finds of the new one's ten nearest.
  Interval agreement_with_old;  // Of the old model's own ten nearest, found through the bridge.
  std::vector<BridgeMixture> mixtures;  // At 0, 25, 50, 75 and 100 %, and where the collection is.
  size_t present = 0;                   // The last's place in `mixtures`.
  size_t judged = 0, judged_with_both = 0;
  // nDCG@10 on the judged queries with both vectors; all zero where there are none.
  Interval ndcg_new, ndcg_old, ndcg_bridge;
  struct Condition {
    std::string name;
    double value = 0, limit = 0;
    bool passed = false;
    std::string explanation;
  };
  std::vector<Condition> conditions;
  BridgeVerdict verdict = BridgeVerdict::kUnknown;
  std::string reason;
};

// Reads the folder, fits on seven tenths of the documents, chooses the map and the calibration on
// 15 %, measures on the rest, decides, fits the same again on all, and writes bridge.safetensors
// and then report.json (bridge_report.h). Errors as those of RunJob; kFailedPrecondition for fewer
// than kBridgePairsMin documents.
Result<BridgeReport> RunBridgeJob(const std::filesystem::path& path, const JobOverrides& overrides,
                                  Progress* progress);

}  // namespace almagest::training
