// Queries that compare vectors: nearest (with MMR), recommend, discover, context, relevance
// feedback, sets. Vectors are compared in served space: examples are mapped by the query side of
// the active adapter version, points are served as its documents (dense_search.h).
#pragma once

#include <optional>
#include <vector>

#include "engine/collection/collection.h"
#include "engine/query.h"
#include "engine/search/query_trace.h"
#include "engine/search/ranked_slots.h"

namespace almagest {

// One node of a query tree at work. `candidates`: only these; nullopt: every point of the
// collection; never `excluded` ones. References live longer than the call.
struct VectorQueryContext {
  const Collection& collection;
  const CollectionView& view;
  const QueryRequest& request;
  const QueryNode& node;
  std::optional<SlotSet> candidates;
  const SlotSet& excluded;
  uint64_t limit = 0;
  bool exact = false;         // Score every candidate.
  LegTrace* trace = nullptr;  // Told where was searched, if given.
};

bool IsVectorQuery(const QueryKind& query);
// Whether results come in an order that is not that of their scores (MMR).
bool OrdersByItself(const QueryKind& query);
// How the scores of a query on this field read: like its distance where the query is one vector,
// larger first where scores are made of several similarities.
Distance ScoreDistance(const QueryKind& query, const Collection::Field& field);

// The best `limit` points that have the vector and pass the node's score threshold, as
// similarities. Errors: kInvalidArgument (vector name, kind, dimension, not finite), kNotFound (a
// point or its vector), kOutOfRange (no example), kBadRequest (average without a positive one),
// kTimeout.
//
// Cost: nearest and average as SearchDense; the others score every candidate once per example.
Result<std::vector<RankedSlot>> RunVectorQuery(const VectorQueryContext& context);

}  // namespace almagest
