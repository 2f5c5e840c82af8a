#include "engine/collection/segment.h"

#include <algorithm>

namespace almagest {
namespace {

size_t BytesOf(const RowFactors& factors) {
  return (factors.scale.size() + factors.offset.size()) * sizeof(float);
}

}  // namespace

std::shared_ptr<const RowFactors> Segment::row_factors(FieldId field, VersionId target) const {
  const std::lock_guard lock(factors_mutex_);
  const auto found = factors_.find({field, target});
  if (found == factors_.end()) return nullptr;
  found->second.asked_at = ++factors_clock_;
  return found->second.factors;
}

void Segment::SetRowFactors(FieldId field, VersionId target,
                            std::shared_ptr<const RowFactors> factors, bool keep) const {
  const std::lock_guard lock(factors_mutex_);
  HeldFactors& held = factors_[{field, target}];
  held.kept = held.kept || keep;
  held.asked_at = ++factors_clock_;
  // Two threads may prepare a growing segment at once: the longer result is the later one.
  if (!held.factors || held.factors->scale.size() < factors->scale.size()) {
    held.factors = std::move(factors);
  }
  DropSpareFactors();
}

size_t Segment::SpareFactorBytes() const {
  size_t bytes = 0;
  for (const auto& [target, held] : factors_) bytes += held.kept ? 0 : BytesOf(*held.factors);
  return bytes;
}

size_t Segment::spare_factor_bytes() const {
  const std::lock_guard lock(factors_mutex_);
  return SpareFactorBytes();
}

void Segment::DropSpareFactors() const {
  size_t bytes = SpareFactorBytes();
  while (bytes > spare_factor_bytes_max_) {
    auto oldest = factors_.end();
    for (auto at = factors_.begin(); at != factors_.end(); ++at) {
      // What was asked for last is in use.
      if (at->second.kept || at->second.asked_at == factors_clock_) continue;
      if (oldest == factors_.end() || at->second.asked_at < oldest->second.asked_at) oldest = at;
    }
    if (oldest == factors_.end()) return;
    bytes -= BytesOf(*oldest->second.factors);
    factors_.erase(oldest);
  }
}

void Segment::KeepRowFactors(FieldId field, std::span<const VersionId> kept) const {
  const std::lock_guard lock(factors_mutex_);
  std::erase_if(factors_, [&](const auto& entry) {
    return entry.second.kept && entry.first.first == field &&
           std::ranges::find(kept, entry.first.second) == kept.end();
  });
}

std::vector<std::pair<FieldId, VersionId>> Segment::kept_factor_targets() const {
  const std::lock_guard lock(factors_mutex_);
  std::vector<std::pair<FieldId, VersionId>> targets;
  for (const auto& [target, held] : factors_) {
    if (held.kept) targets.push_back(target);
  }
  return targets;
}

}  // namespace almagest
