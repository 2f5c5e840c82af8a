// The four cells of what was seen: queries by documents (as in GCL, Zhu et al. 2024,
// arXiv:2404.08535). Gains on what training saw tell memory from generalisation; only those on
// queries that it did not see are evidence.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "storage/base/bootstrap.h"
#include "training/judgements.h"
#include "training/progress.h"
#include "training/query_split.h"
#include "training/vector_space.h"

namespace almagest::training {

struct QueryCell {
  bool trained_query = false;   // Of the train and validation queries; else held out.
  bool seen_documents = false;  // A relevant document is relevant to another known query, too.
  std::vector<double> active;   // nDCG@10 of its queries.
  std::vector<double> trained;
  std::vector<int32_t> group;
};

inline constexpr size_t kCellQueriesMax = 1'000;

// Trained query and seen documents; trained, unseen; held out, seen; held out, unseen. `active` and
// `trained` of the held-out queries are given, in the order of split.held_out; of the known ones at
// most kCellQueriesMax, evenly drawn, are measured by the two maps.
std::vector<QueryCell> MeasureCells(const VectorSpace& space, std::span<const JudgedQuery> judged,
                                    const QuerySplit& split, std::span<const double> held_active,
                                    std::span<const double> held_trained,
                                    const LinearAdapter& active, const LinearAdapter& trained,
                                    const Tick& tick);

}  // namespace almagest::training
