#include "engine/collection/version_set.h"

#include <algorithm>
#include <mutex>

#include "engine/collection/vector_values.h"
#include "engine/linalg/row_kernels.h"
#include "storage/base/check.h"

namespace almagest {
namespace {

bool IsIdentity(const std::shared_ptr<const LinearMap>& map) {
  return map == nullptr || map->is_identity();
}

bool SameMap(const std::shared_ptr<const LinearMap>& a, const std::shared_ptr<const LinearMap>& b) {
  if (a == b || (IsIdentity(a) && IsIdentity(b))) return true;
  if (IsIdentity(a) || IsIdentity(b)) return false;
  return std::ranges::equal(a->weights(), b->weights()) && std::ranges::equal(a->bias(), b->bias());
}

}  // namespace

struct VersionSet::Cache {
  std::mutex mutex;
  std::map<std::pair<VersionId, VersionId>, std::shared_ptr<const CrossVersionMap>> maps;
};

std::string_view VersionStatusName(VersionStatus status) {
  switch (status) {
    case VersionStatus::kCandidate:
      return "candidate";
    case VersionStatus::kActive:
      return "active";
    case VersionStatus::kRetired:
      return "retired";
    case VersionStatus::kRejected:
      return "rejected";
  }
  return "unknown";
}

VersionSet::VersionSet(uint32_t dimension, bool normalised, std::vector<AdapterVersion> versions,
                       VersionId active)
    : dimension_(dimension),
      normalised_(normalised),
      versions_(std::move(versions)),
      active_(active),
      cache_(std::make_shared<Cache>()) {
  std::ranges::sort(versions_, {}, &AdapterVersion::id);
  if (versions_.empty() || versions_.front().id != 0) {
    AdapterVersion identity;
    identity.kind = "identity";
    identity.status = VersionStatus::kRetired;
    versions_.insert(versions_.begin(), std::move(identity));
  }
  for (size_t i = 0; i < versions_.size(); ++i) {
    VersionId group = versions_[i].id;
    for (size_t j = 0; j < i; ++j) {
      if (!SameMap(versions_[j].document, versions_[i].document)) continue;
      group = versions_[j].id;
      break;
    }
    document_groups_[versions_[i].id] = group;
    if (versions_[i].id == active_) {
      versions_[i].status = VersionStatus::kActive;
    } else if (versions_[i].status == VersionStatus::kActive) {
      versions_[i].status = VersionStatus::kRetired;
    }
  }
  ALMAGEST_CHECK(Find(active_) != nullptr);
}

std::shared_ptr<const VersionSet> VersionSet::Successor(std::vector<AdapterVersion> versions,
                                                        VersionId active) const {
  auto successor =
      std::make_shared<VersionSet>(dimension_, normalised_, std::move(versions), active);
  successor->cache_ = cache_;
  return successor;
}

const AdapterVersion* VersionSet::Find(VersionId id) const {
  const auto found = std::ranges::lower_bound(versions_, id, {}, &AdapterVersion::id);
  return found == versions_.end() || found->id != id ? nullptr : &*found;
}

VersionId VersionSet::DocumentGroup(VersionId version) const {
  const auto found = document_groups_.find(version);
  return found == document_groups_.end() ? version : found->second;
}

bool VersionSet::SameDocumentMap(VersionId a, VersionId b) const {
  return DocumentGroup(a) == DocumentGroup(b);
}

std::vector<float> VersionSet::MapQuery(VersionId version, std::span<const float> base) const {
  std::vector<float> room;
  const std::span<const float> mapped = MapQuery(version, base, room);
  if (mapped.data() == base.data()) room.assign(base.begin(), base.end());
  return room;
}

std::span<const float> VersionSet::MapQuery(VersionId version, std::span<const float> base,
                                            std::vector<float>& room) const {
  ALMAGEST_CHECK(base.size() == dimension_);
  const AdapterVersion* adapter = Find(version);
  ALMAGEST_CHECK(adapter != nullptr);
  if (normalised_) {
    room.assign(base.begin(), base.end());
    if (room.size() < kSequentialBelow) {
      NormalizeCosine(room);
    } else {
      NormalizeInPlace(room.data(), room.size());
    }
    base = room;
  }
  if (IsIdentity(adapter->query)) return base;
  std::vector<float> mapped(base.size());
  adapter->query->Apply(base, mapped, normalised_);
  room = std::move(mapped);
  return room;
}

Result<std::shared_ptr<const CrossVersionMap>> VersionSet::Cross(VersionId query_version,
                                                                 VersionId row_version) const {
  const AdapterVersion* target = Find(query_version);
  const AdapterVersion* stored = Find(row_version);
  if (target == nullptr || stored == nullptr) {
    return Fail(
        ErrorCode::kNotFound,
        "there is no version " + std::to_string(target == nullptr ? query_version : row_version));
  }
  const std::pair key{DocumentGroup(query_version), DocumentGroup(row_version)};
  if (key.first == key.second) return std::shared_ptr<const CrossVersionMap>();
  {
    const std::lock_guard lock(cache_->mutex);
    const auto found = cache_->maps.find(key);
    if (found != cache_->maps.end()) return found->second;
  }
  // Composed without the lock: other pairs must not wait for it. Two threads may do it twice.
  const LinearMap identity = LinearMap::Identity(dimension_);
  ALMAGEST_TRY(CrossVersionMap composed,
               CrossVersionMap::Compose(target->document ? *target->document : identity,
                                        stored->document ? *stored->document : identity));
  auto map = std::make_shared<const CrossVersionMap>(std::move(composed));
  const std::lock_guard lock(cache_->mutex);
  return cache_->maps.emplace(key, std::move(map)).first->second;
}

}  // namespace almagest
