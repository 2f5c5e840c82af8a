// What users do with the results of each adapter version, as they go: the live side of the loop's
// safety. Memory only; a restart begins anew.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "engine/types.h"

namespace almagest {

// Searches answered by one version. The reward of a search is 1 / rank of its best click (or
// positive grade), 0 if there was none: its mean is the mean reciprocal rank of clicks.
struct LiveSample {
  double searches = 0;
  double sum = 0;      // Of rewards,
  double squares = 0;  // and of their squares.

  double mean() const { return searches > 0 ? sum / searches : 0; }
};

// The version that answers now beside the one that answered before it.
struct LiveComparison {
  VersionId active = 0;
  VersionId before = 0;
  LiveSample now;
  LiveSample then;
  double sigmas = 0;  // (mean now - mean then) / its standard error; 0 where that is 0.
};

// Thread-safe; every call is O(1) but Compare's and ForgetCollection's few map look-ups.
class LiveSignals {
 public:
  // A search that got a query id. A version other than the last one's makes that one "before".
  void AddSearch(uint32_t collection_id, const std::string& vector_name, VersionId version);

  // Feedback on the search `query_id`: its best result was at `rank`, from 1. A search is counted
  // once, by its best rank, however often feedback names it (the latest 100,000 are remembered).
  void AddReward(uint32_t collection_id, const std::string& vector_name, VersionId version,
                 const std::string& query_id, uint32_t rank);

  // nullopt while no other version was seen before `active`.
  std::optional<LiveComparison> Compare(uint32_t collection_id, const std::string& vector_name,
                                        VersionId active) const;

  void ForgetCollection(uint32_t collection_id);

 private:
  struct Field {
    VersionId current = 0;
    std::optional<VersionId> before;
    std::map<VersionId, LiveSample> samples;
  };
  using Key = std::pair<uint32_t, std::string>;

  mutable std::mutex mutex_;
  std::map<Key, Field> fields_;
  std::unordered_map<std::string, double> credited_;  // Reward by query id.
  std::deque<std::string> credit_order_;
};

}  // namespace almagest
