// The rows of a segment that one search looks at.
//
// A point that is written again gets a new row before its old one dies. A search that fixed the
// number of rows before that and met the old row after it would find neither. So of a growing
// segment the dead rows are noted first and the rows counted after: whatever is dead in the note
// has its successor among the rows counted. A point may then show two rows; the older one is taken
// out and the segment searched again, which is rare.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "engine/collection/segment.h"
#include "engine/index/top_k.h"

namespace almagest {

class SeenRows {
 public:
  // The segment must outlive this. Cost: rows / 64 for a growing segment, nothing for a sealed one.
  explicit SeenRows(const Segment& segment);

  uint32_t count() const { return count_; }
  // A bit per row below count(); of a sealed segment the segment's own, which may change meanwhile.
  const std::atomic<uint64_t>* deleted_words() const {
    return noted_ ? noted_.get() : segment_->deleted_words();
  }
  // Whether `found`, rows that a search by these returned, has a point twice: of its rows only the
  // newest counts from now on, so search again. Always false for a sealed segment.
  bool DropSuperseded(std::span<const ScoredRow> found);

 private:
  const Segment* segment_;
  std::unique_ptr<std::atomic<uint64_t>[]> noted_;  // Of a growing segment.
  uint32_t count_ = 0;
};

}  // namespace almagest
