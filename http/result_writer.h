// Points and hits to JSON, in Qdrant's form: ids as plain integers or hyphenated UUIDs, optional
// fields left out, the unnamed vector as a bare array.
#pragma once

#include <span>

#include "engine/query.h"
#include "engine/write.h"
#include "http/json_writer.h"

namespace almagest {

void WritePointId(JsonWriter& json, const PointId& id);
void WriteVectors(JsonWriter& json, const NamedVectors& vectors);

// {id, version, score, payload?, vector?, order_value?}
void WriteScoredPoint(JsonWriter& json, const Hit& hit);
void WriteScoredPoints(JsonWriter& json, std::span<const Hit> hits);
// {id, payload?, vector?, order_value?}
void WriteRecord(JsonWriter& json, const Hit& hit);
void WriteRecords(JsonWriter& json, std::span<const Hit> hits);

// {operation_id, status}: "completed" when the client asked to wait, else "acknowledged". Either
// way the write is done.
void WriteUpdateResult(JsonWriter& json, const WriteResult& result, bool wait);

}  // namespace almagest
