// The nearest neighbours of each of some random points among them: what maps and clusterings of a
// collection are made from.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/collection/collection.h"
#include "engine/query.h"

namespace almagest {

struct MatrixRequest {
  std::string using_vector;
  std::optional<Filter> filter;
  uint64_t sample = 10;  // Points, at most; 2 or more.
  uint64_t limit = 3;    // Neighbours of each, at most.
  Deadline deadline;
};

struct DistanceMatrix {
  struct Entry {
    size_t row = 0;  // Positions in `ids`.
    size_t column = 0;
    float score = 0;  // As REST shows it.
  };
  std::vector<PointId> ids;    // Ascending.
  std::vector<Entry> entries;  // By row; within a row the nearest first.
};

// Exact among the sample; each point's vector is the query of its row. Cost: one scan of the sample
// per point. Errors: kInvalidArgument (vector name), kTimeout.
Result<DistanceMatrix> SampleDistances(const Collection& collection, const MatrixRequest& request);

}  // namespace almagest
