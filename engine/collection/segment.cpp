#include "engine/collection/segment.h"

#include <algorithm>

namespace almagest {

std::shared_ptr<const RowFactors> Segment::row_factors(FieldId field, VersionId target) const {
  const std::lock_guard lock(factors_mutex_);
  const auto found = factors_.find({field, target});
  return found == factors_.end() ? nullptr : found->second;
}

void Segment::SetRowFactors(FieldId field, VersionId target,
                            std::shared_ptr<const RowFactors> factors) const {
  const std::lock_guard lock(factors_mutex_);
  auto& current = factors_[{field, target}];
  // Two threads may prepare a growing segment at once: the longer result is the later one.
  if (current && factors && current->scale.size() >= factors->scale.size()) return;
  current = std::move(factors);
}

void Segment::KeepRowFactors(FieldId field, std::span<const VersionId> kept) const {
  const std::lock_guard lock(factors_mutex_);
  std::erase_if(factors_, [&](const auto& entry) {
    return entry.first.first == field && std::ranges::find(kept, entry.first.second) == kept.end();
  });
}

std::vector<std::pair<FieldId, VersionId>> Segment::factor_targets() const {
  const std::lock_guard lock(factors_mutex_);
  std::vector<std::pair<FieldId, VersionId>> targets;
  for (const auto& [target, factors] : factors_) targets.push_back(target);
  return targets;
}

}  // namespace almagest
