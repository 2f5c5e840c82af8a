// How often the gate has judged a field's feedback.
#pragma once

#include <cstdint>

#include "engine/collection/version_set.h"
#include "engine/learning/feedback.h"

namespace almagest {

inline constexpr uint64_t kGateNumberMax = 1'000;

// The number of the next gate, from 1 to kGateNumberMax: one more than the versions that were
// promoted or rejected on at least half as many feedback events as there are now. A gate spends a
// part of its chance of a mistake by its number (training/gate.h), since each asks nearly the same
// queries again; once the feedback has doubled, the held-out queries are mostly new ones and the
// count begins anew. Uploaded versions and those that were too few to judge do not count.
// Nor do versions that learned from the events of another tag than `feedback`, the part that is
// judged by now. Other parts count like the whole, by their number of events: so gates of a part
// that is less than half of what is judged now spend nothing of its chance, only of each other's.
uint64_t GateNumber(const VersionSet& versions, uint64_t events_now,
                    const FeedbackFilter& feedback = {});

}  // namespace almagest
