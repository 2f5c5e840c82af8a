// The steps of opening a collection (collection_open.cpp puts them in order) and of repairing it
// while it serves. What the state holds of points comes from the last checkpoint and the changes
// logged since, or, where there is none or it is damaged, from a scan of all points.
#pragma once

#include <memory>
#include <vector>

#include "engine/collection/collection_state.h"

namespace almagest {

struct RecoveredPoints {
  // nullptr: all points were scanned.
  std::shared_ptr<const PointsFile> file;
  // With a file: slots whose rows may have changed, or were in no sealed segment, since. Ascending.
  std::vector<Slot> touched;
};
// Fills points, terms and the checkpoint of `state`. Errors: kCorruption of storage itself.
Result<RecoveredPoints> RecoverPoints(CollectionState& state);

// Marks the rows of a segment that are not their points' current ones, all by comparison.
// `covered`: slots that have a row in an earlier segment; those of this one are added.
void ClaimRows(const CollectionState& state, SealedSegment& segment, SlotSet* covered);
// The same by what the checkpoint says; only slots touched since still have to be looked at.
// False if the file says nothing usable.
bool TakeDeletedRows(const PointsFile& file, SealedSegment& segment);
// Marks stale rows of the touched slots, and returns the slots whose points have no row.
std::vector<Slot> SettleTouched(CollectionState& state, const std::vector<Slot>& touched);
// Live points with vectors that have no row anywhere: reads all rows of all segments.
std::vector<Slot> UncoveredSlots(const CollectionState& state);
// Appends the points' rows, read from storage, to growing segments.
Result<> AppendPoints(CollectionState& state, const std::vector<Slot>& slots);

// No checkpoint any more, on disk either: the next opening reads all points, unless there is a new
// one by then. Before rows come to be where the checkpoint does not look for them, and where it is
// damaged itself. Under writer_mutex.
Result<> DropCheckpoint(CollectionState& state);

// A segment whose file turned out to be damaged goes; its rows come from storage again. Takes
// optimizer_mutex and writer_mutex.
Result<> ReplaceDamagedSegment(CollectionState& state, uint64_t segment, const std::string& reason);

}  // namespace almagest
