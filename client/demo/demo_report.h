// What the demo measured: as a table for a person and as JSON for scripts.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "client/client.h"
#include "client/demo/demo_evaluation.h"
#include "client/demo/load_generator.h"

namespace almagest::client {

struct DemoReport {
  DemoScores before;      // Untrained.
  DemoScores whitened;    // Label-free whitening, evaluated as a candidate version.
  DemoScores activated;   // The trained version, with 0 % of the documents re-embedded.
  DemoScores reembedded;  // With 100 %.
  LoadCounts migration;   // Searches from the start of the job to the end of re-embedding.
  std::vector<std::pair<std::string, double>> seconds;  // Per phase, in order.
};

// The keys that ./dev demo promises: ndcg_at_10 and recall_at_10 of dense search, the same again
// under "hybrid", gain_interval_95 (nDCG@10 of dense search, re-embedded minus before),
// queries_during_migration, seconds.
Json ReportJson(const DemoReport& report);
// Throws ClientError when the file cannot be written.
void WriteReport(const std::filesystem::path& path, const DemoReport& report);

// Rows before, whitened, activated (0 %), re-embedded (100 %); columns nDCG@10 and Recall@10, dense
// and hybrid.
std::string ScoreTable(const DemoReport& report);

// One honest sentence: how much of the gain needed no judgement, how much feedback added to that
// and whether it can be told from nothing.
std::string FeedbackSentence(const DemoReport& report);

}  // namespace almagest::client
