// How a query was answered: what each leg of its tree found and where, with the plans and times.
// Filled while the query runs, when QueryRequest::trace asks for it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "engine/types.h"

namespace almagest {

// One segment that a leg searched.
struct SegmentTrace {
  uint64_t id = 0;
  bool sealed = false;
  uint32_t rows = 0;      // Of the segment, with dead ones.
  uint64_t matches = 0;   // Rows that the filter allows; `rows` where there is none.
  std::string plan;       // "scan", "scan of matches", "graph", "posting lists".
  std::string reason;     // Why that plan.
  VersionId version = 0;  // That wrote the rows; dense vectors.
  double seconds = 0;
};

// A leg: one node of the query's tree.
struct LegTrace {
  std::string path;  // "query", "prefetch[0]", "prefetch[0].prefetch[1]".
  std::string kind;  // "nearest", "fusion", ...
  std::string vector_name;
  // The adapter version that the query went through; dense vectors.
  std::optional<VersionId> version;
  std::string reason;               // Learned fusion: which weights, or why none.
  std::optional<uint64_t> matches;  // Points that the filter allows, or the prefetches gave.
  double filter_seconds = 0;
  double seconds = 0;  // With the filter, without the legs below.
  std::vector<SegmentTrace> segments;
  struct Place {
    Slot slot = kNoSlot;
    float score = 0;  // As REST shows it.
  };
  std::vector<Place> results;  // Best first.
};

// Where a leg had a point that is among the hits. Ranks from 0.
struct LegPlace {
  size_t leg = 0;
  uint64_t rank = 0;
  float score = 0;
};

struct QueryTrace {
  std::vector<LegTrace> legs;               // The root last; those below a leg before it.
  std::vector<std::vector<LegPlace>> hits;  // One per hit, in order.
  double fetch_seconds = 0;                 // Ids, payloads and vectors of the hits.
  double seconds = 0;
};

// Seconds since it was made.
class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace almagest
