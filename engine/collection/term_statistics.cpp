#include "engine/collection/term_statistics.h"

#include <algorithm>

#include "storage/base/check.h"

namespace almagest {

uint64_t TermStatistics::Frequency(uint32_t term) const {
  int64_t count = 0;
  const auto counted = std::ranges::lower_bound(counted_, term, {}, &TermCount::term);
  if (counted != counted_.end() && counted->term == term) count = counted->points;
  if (const auto found = changes_.find(term); found != changes_.end()) count += found->second;
  ALMAGEST_CHECK(count >= 0);
  return static_cast<uint64_t>(count);
}

void TermStatistics::Change(uint32_t term, int64_t by) {
  const auto place = changes_.try_emplace(term, 0).first;
  if ((place->second += by) == 0) changes_.erase(place);
}

void TermStatistics::Add(std::span<const uint32_t> terms) {
  ++points_;
  for (const uint32_t term : terms) Change(term, 1);
}

void TermStatistics::Remove(std::span<const uint32_t> terms) {
  ALMAGEST_CHECK(points_ > 0);
  --points_;
  for (const uint32_t term : terms) Change(term, -1);
}

void TermStatistics::Apply(const TermChanges& changes) {
  points_ += changes.points;
  for (const TermChange& change : changes.terms) Change(change.term, change.by);
}

std::vector<TermCount> TermStatistics::Counts() const {
  std::vector<TermCount> counts;
  counts.reserve(counted_.size() + changes_.size());
  for (const TermCount& counted : counted_) {
    counts.push_back({counted.term, static_cast<uint32_t>(Frequency(counted.term))});
  }
  for (const auto& [term, by] : changes_) {
    const auto counted = std::ranges::lower_bound(counted_, term, {}, &TermCount::term);
    if (counted != counted_.end() && counted->term == term) continue;
    counts.push_back({term, static_cast<uint32_t>(by)});
  }
  std::erase_if(counts, [](const TermCount& count) { return count.points == 0; });
  std::ranges::sort(counts, {}, &TermCount::term);
  return counts;
}

Result<> TermStatistics::Adopt(const std::shared_ptr<const PointsFile>& file, FieldId field) {
  ALMAGEST_TRY(counted_, file->terms(field));
  ALMAGEST_TRY(const uint64_t points, file->term_points(field));
  points_ = static_cast<int64_t>(points);
  file_ = file;
  return {};
}

}  // namespace almagest
