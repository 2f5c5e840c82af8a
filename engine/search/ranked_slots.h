// A ranked list of slots: what one leg of a query gives and fusion takes.
#pragma once

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "engine/types.h"

namespace almagest {

// `score` is a similarity: larger is nearer, whatever the field's distance.
struct RankedSlot {
  Slot slot = kNoSlot;
  float score = 0;
};

// Best first; equal scores by slot, so that results do not depend on how segments are cut.
inline bool RanksBefore(const RankedSlot& a, const RankedSlot& b) {
  return a.score != b.score ? a.score > b.score : a.slot < b.slot;
}

// The entries of a score table, best first.
std::vector<RankedSlot> Ranked(const std::unordered_map<Slot, float>& scores);

// Merges lists of one search over several segments, newest segment last: sorts, keeps one entry
// per slot (of the newest segment: the others are a superseded row seen in passing), cuts to k.
std::vector<RankedSlot> MergeSegments(std::vector<std::vector<RankedSlot>> lists, size_t k);

}  // namespace almagest
