// In how many live points each term of a sparse field occurs: counts of a mapped file, and what
// changed since it was written.
//
// Thread safety: none of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/collection/change_log.h"
#include "engine/collection/points_file.h"

namespace almagest {

class TermStatistics {
 public:
  // Points that have a vector of the field.
  uint64_t points() const { return static_cast<uint64_t>(points_); }
  // Points whose vector has the term. O(log terms).
  uint64_t Frequency(uint32_t term) const;
  void Add(std::span<const uint32_t> terms);
  void Remove(std::span<const uint32_t> terms);
  void Apply(const TermChanges& changes);

  // Ascending by term, as it goes into a file.
  std::vector<TermCount> Counts() const;
  // Empty statistics become what the file says of the field.
  Result<> Adopt(const std::shared_ptr<const PointsFile>& file, FieldId field);

 private:
  void Change(uint32_t term, int64_t by);

  int64_t points_ = 0;
  std::shared_ptr<const PointsFile> file_;
  std::span<const TermCount> counted_;
  std::unordered_map<uint32_t, int64_t> changes_;
};

}  // namespace almagest
