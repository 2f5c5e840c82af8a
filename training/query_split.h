// Splits judged queries into train, validation and held-out sets without leakage.
//
// Queries that mean the same are one group and stay together (TRAINING notes 5.1: a cluster of
// near-identical queries). The held-out set decides the gate: nothing is mined from it, nothing is
// stopped by it.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace almagest::training {

struct QuerySplit {
  // Indexes into the judged queries, each ascending.
  std::vector<size_t> train;
  std::vector<size_t> validation;
  std::vector<size_t> held_out;
  std::vector<int32_t> group;  // Of each judged query; equal means near-identical.
};

// `near_identical` holds index pairs into 0..query_count-1; groups are the connected components.
// Groups are dealt in a seeded random order: held-out first, then validation, up to their fraction
// of the queries; a group too large for what is left of a set's quota goes to train.
QuerySplit SplitQueries(size_t query_count,
                        std::span<const std::pair<int32_t, int32_t>> near_identical,
                        double validation_fraction, double held_out_fraction, uint64_t seed);

}  // namespace almagest::training
