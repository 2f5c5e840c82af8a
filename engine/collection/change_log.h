// What a write request changed in the point table and the term statistics, as a record of its own
// (column family kChanges, in the request's batch). Opening a collection replays those since the
// last checkpoint (points_file.h); a checkpoint removes them.
//
// Every request that advances the sequence number has one, if only an empty one, and names the
// number before it: so a reader can tell that none is missing.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/collection/points_file.h"

namespace almagest {

struct ChangedPoint {
  Slot slot = kNoSlot;
  uint32_t reserved = 0;
  StoredPoint point;  // kAbsent: it was deleted.
};

// Of one sparse field.
struct TermChange {
  uint32_t term = 0;
  int32_t by = 0;
};
struct TermChanges {
  int64_t points = 0;
  std::vector<TermChange> terms;
  // A point came (`by` 1) or went (-1) with these terms.
  void Count(std::span<const uint32_t> changed, int32_t by);
  // One entry per term, ascending, none of them 0.
  void Pack();
};

struct ChangeSet {
  SequenceNumber previous = 0;  // The counter before the request.
  std::vector<ChangedPoint> points;
  std::map<FieldId, TermChanges> terms;
};

// Pure functions. Decoding accepts any bytes (kCorruption).
std::string EncodeChanges(const ChangeSet& changes);
Result<ChangeSet> DecodeChanges(std::string_view bytes);

}  // namespace almagest
