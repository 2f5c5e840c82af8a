// How a query was answered, to JSON: the answer to `explain: true`.
#pragma once

#include <span>

#include "engine/learning/exploration.h"
#include "engine/query.h"
#include "engine/search/query_trace.h"
#include "http/json_writer.h"

namespace almagest {

// {legs: [{path, query, using, matches, segments, ...}], hits: [[{leg, rank, score}]], time, ...}
void WriteExplanation(JsonWriter& json, const QueryTrace& trace);

// {explored, version, rate, slots, candidates, shown_probabilities: one per hit}
void WriteExploration(JsonWriter& json, const LoggedExploration& exploration,
                      std::span<const Hit> hits);
// {versions: [first, second], picks: the version of each hit, null where both had it there}
void WriteInterleaving(JsonWriter& json, const LoggedInterleaving& interleaving);

}  // namespace almagest
