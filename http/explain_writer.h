// How a query was answered, to JSON: the answer to `explain: true`.
#pragma once

#include "engine/search/query_trace.h"
#include "http/json_writer.h"

namespace almagest {

// {legs: [{path, query, using, matches, segments, ...}], hits: [[{leg, rank, score}]], time, ...}
void WriteExplanation(JsonWriter& json, const QueryTrace& trace);

}  // namespace almagest
