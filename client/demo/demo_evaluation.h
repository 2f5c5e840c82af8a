// The demo's measurements: the server evaluates the test queries, paired intervals are made here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/client.h"
#include "client/demo/reverse_dictionary.h"

namespace almagest::client {

struct ModeScores {
  double ndcg_at_10 = 0;
  double recall_at_10 = 0;
  std::vector<double> ndcg_per_query;  // In the order of the test queries.
};
struct DemoScores {
  ModeScores dense, hybrid;
};

// Evaluates dense and hybrid search of `collection` on `test`; as `version` of the dense field if
// given, else as served now. Throws when the server's answer misses a mode or a query.
DemoScores EvaluateDemo(Client& client, const std::string& collection,
                        const std::vector<DescribedWord>& test, std::optional<uint64_t> version);

struct GainInterval {
  double mean = 0, low = 0, high = 0;
  bool ExcludesZero() const { return low > 0 || high < 0; }
};
// Mean of after - before over the queries with its central 95 % paired bootstrap interval (10,000
// resamples of queries, percentiles; Efron & Tibshirani 1993). Deterministic. The two have the same
// length, at least 1.
GainInterval PairedInterval(const std::vector<double>& after, const std::vector<double>& before);

}  // namespace almagest::client
