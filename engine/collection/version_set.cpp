#include "engine/collection/version_set.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "engine/collection/map_cache.h"
#include "engine/collection/one_at_a_time.h"
#include "engine/collection/vector_values.h"
#include "engine/linalg/row_kernels.h"
#include "storage/base/check.h"
#include "storage/base/checksum.h"

namespace almagest {
namespace {

bool IsIdentity(const std::shared_ptr<const LinearMap>& map) {
  return map == nullptr || map->is_identity();
}

size_t BytesOf(const std::shared_ptr<const LinearMap>& map) {
  return IsIdentity(map) ? 0 : (map->weights().size() + map->bias().size()) * sizeof(float);
}

size_t BytesOf(const AdapterMaps& maps) {
  return BytesOf(maps.query) + BytesOf(maps.document) +
         (maps.query_residual ? maps.query_residual->bytes() : 0);
}

std::string HexText(uint64_t value) {
  std::string text(16, '0');
  for (size_t i = 16; i-- > 0; value >>= 4) text[i] = "0123456789abcdef"[value & 15];
  return text;
}

}  // namespace

std::string DocumentKeyOf(const AdapterMaps& maps) {
  if (IsIdentity(maps.document)) return "";
  const auto weights = maps.document->weights();
  const auto bias = maps.document->bias();
  // Without a bias it is the same map as with one of zeros.
  const std::vector<float> zeros(bias.empty() ? maps.document->dimensions() : 0, 0.0f);
  const uint64_t of_weights = Checksum(weights.data(), weights.size_bytes());
  const uint64_t of_bias = bias.empty() ? Checksum(zeros.data(), zeros.size() * sizeof(float))
                                        : Checksum(bias.data(), bias.size_bytes());
  return HexText(of_weights) + HexText(of_bias);
}

struct VersionSet::Cache {
  Cache(ReadMaps read_maps, size_t map_bytes_max)
      : read(std::move(read_maps)), maps(map_bytes_max), composed(map_bytes_max) {}
  const ReadMaps read;
  MapCache<VersionId, AdapterMaps> maps;
  MapCache<std::pair<VersionId, VersionId>, CrossVersionMap> composed;  // By document groups.
  OneAtATime<std::pair<VersionId, VersionId>> composing;
};

// What every search needs that names no version: searches by others must not drive it out.
struct VersionSet::ActiveMaps {
  std::mutex mutex;
  std::map<VersionId, std::shared_ptr<const CrossVersionMap>> by_row_group;
  std::optional<std::set<VersionId>> row_groups;  // Of which it holds maps; none: of any.
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
                       VersionId active, ReadMaps read, size_t map_bytes_max)
    : VersionSet(dimension, normalised, std::move(versions), active,
                 std::make_shared<Cache>(std::move(read), map_bytes_max),
                 std::make_shared<ActiveMaps>()) {}

VersionSet::VersionSet(uint32_t dimension, bool normalised, std::vector<AdapterVersion> versions,
                       VersionId active, std::shared_ptr<Cache> cache,
                       std::shared_ptr<ActiveMaps> active_composed)
    : dimension_(dimension),
      normalised_(normalised),
      versions_(std::move(versions)),
      active_(active),
      cache_(std::move(cache)),
      active_composed_(std::move(active_composed)) {
  std::ranges::sort(versions_, {}, &AdapterVersion::id);
  if (versions_.empty() || versions_.front().id != 0) {
    AdapterVersion identity;
    identity.kind = "identity";
    identity.status = VersionStatus::kRetired;
    versions_.insert(versions_.begin(), std::move(identity));
  }
  const auto identity = std::make_shared<const AdapterMaps>();
  versions_.front().maps = identity;
  std::map<std::string_view, VersionId> first_of_group;
  for (AdapterVersion& version : versions_) {
    if (!version.maps && !cache_->read) version.maps = identity;
    if (version.maps && version.document_key.empty()) {
      version.document_key = DocumentKeyOf(*version.maps);
    }
    document_groups_.push_back(
        first_of_group.try_emplace(version.document_key, version.id).first->second);
    if (version.id == active_) {
      version.status = VersionStatus::kActive;
    } else if (version.status == VersionStatus::kActive) {
      version.status = VersionStatus::kRetired;
    }
  }
  const AdapterVersion* found = Find(active_);
  ALMAGEST_CHECK(found != nullptr && found->maps != nullptr);
  active_maps_ = found->maps;
}

std::shared_ptr<const VersionSet> VersionSet::Successor(std::vector<AdapterVersion> versions,
                                                        VersionId active) const {
  const bool same = active == active_ || SameDocumentMap(active, active_);
  return std::shared_ptr<const VersionSet>(
      new VersionSet(dimension_, normalised_, std::move(versions), active, cache_,
                     same ? active_composed_ : std::make_shared<ActiveMaps>()));
}

const AdapterVersion* VersionSet::Find(VersionId id) const {
  const auto found = std::ranges::lower_bound(versions_, id, {}, &AdapterVersion::id);
  return found == versions_.end() || found->id != id ? nullptr : &*found;
}

VersionId VersionSet::DocumentGroup(VersionId version) const {
  const AdapterVersion* found = Find(version);
  return found == nullptr ? version : document_groups_[static_cast<size_t>(found - &versions_[0])];
}

bool VersionSet::SameDocumentMap(VersionId a, VersionId b) const {
  return DocumentGroup(a) == DocumentGroup(b);
}

Result<std::shared_ptr<const AdapterMaps>> VersionSet::Maps(VersionId version) const {
  if (version == active_) return active_maps_;
  const AdapterVersion* adapter = Find(version);
  if (adapter == nullptr) {
    return Fail(ErrorCode::kNotFound, "there is no version " + std::to_string(version));
  }
  if (adapter->maps) return adapter->maps;
  if (auto known = cache_->maps.Find(version)) return known;
  ALMAGEST_CHECK(cache_->read != nullptr);
  // Read without a lock: others must not wait for it. Two threads may do it twice.
  ALMAGEST_TRY(AdapterMaps maps, cache_->read(version));
  const size_t bytes = BytesOf(maps);
  return cache_->maps.Add(version, std::make_shared<const AdapterMaps>(std::move(maps)), bytes);
}

Result<std::span<const float>> VersionSet::MapQuery(VersionId version, std::span<const float> base,
                                                    std::vector<float>& room) const {
  ALMAGEST_CHECK(base.size() == dimension_);
  std::shared_ptr<const AdapterMaps> other;
  if (version != active_) {
    ALMAGEST_TRY(other, Maps(version));
  }
  const AdapterMaps& maps = other ? *other : active_maps();
  if (normalised_) {
    room.assign(base.begin(), base.end());
    if (room.size() < kSequentialBelow) {
      NormalizeCosine(room);
    } else {
      NormalizeInPlace(room.data(), room.size());
    }
    base = room;
  }
  if (IsIdentity(maps.query) && !maps.query_residual) return base;
  std::vector<float> mapped(base.begin(), base.end());
  if (!IsIdentity(maps.query)) {
    maps.query->Apply(base, mapped, normalised_ && !maps.query_residual);
  }
  if (maps.query_residual) {
    maps.query_residual->AddTo(base, mapped);
    if (normalised_) NormalizeInPlace(mapped.data(), mapped.size());
  }
  room = std::move(mapped);
  return std::span<const float>(room);
}

Result<std::shared_ptr<const CrossVersionMap>> VersionSet::Cross(VersionId query_version,
                                                                 VersionId row_version,
                                                                 const Deadline& deadline) const {
  for (const VersionId version : {query_version, row_version}) {
    if (Find(version) != nullptr) continue;
    return Fail(ErrorCode::kNotFound, "there is no version " + std::to_string(version));
  }
  const std::pair key{DocumentGroup(query_version), DocumentGroup(row_version)};
  if (key.first == key.second) return std::shared_ptr<const CrossVersionMap>();
  if (auto known = Composed(key)) return known;
  const auto turn = cache_->composing.Take(key, deadline);
  if (!turn) return Fail(ErrorCode::kTimeout, "the query exceeded its time limit");
  if (auto known = Composed(key)) return known;
  if (deadline.Expired()) return Fail(ErrorCode::kTimeout, "the query exceeded its time limit");
  ALMAGEST_TRY(const auto target, Maps(query_version));
  ALMAGEST_TRY(const auto stored, Maps(row_version));
  const LinearMap identity = LinearMap::Identity(dimension_);
  ALMAGEST_TRY(CrossVersionMap map,
               CrossVersionMap::Compose(target->document ? *target->document : identity,
                                        stored->document ? *stored->document : identity));
  const size_t bytes = (map.transform().size() + map.offset().size()) * sizeof(float);
  auto composed = std::make_shared<const CrossVersionMap>(std::move(map));
  const std::lock_guard lock(active_composed_->mutex);
  if (!KeptForActive(key)) return cache_->composed.Add(key, composed, bytes);
  return active_composed_->by_row_group.try_emplace(key.second, composed).first->second;
}

void VersionSet::KeepComposed(std::span<const VersionId> row_versions) const {
  std::set<VersionId> groups;
  for (const VersionId version : row_versions) groups.insert(DocumentGroup(version));
  const std::lock_guard lock(active_composed_->mutex);
  std::erase_if(active_composed_->by_row_group,
                [&](const auto& entry) { return !groups.contains(entry.first); });
  active_composed_->row_groups = std::move(groups);
}

bool VersionSet::KeptForActive(const std::pair<VersionId, VersionId>& key) const {
  const auto& groups = active_composed_->row_groups;
  return key.first == DocumentGroup(active_) && (!groups || groups->contains(key.second));
}

std::shared_ptr<const CrossVersionMap> VersionSet::Composed(
    const std::pair<VersionId, VersionId>& key) const {
  const std::lock_guard lock(active_composed_->mutex);
  if (!KeptForActive(key)) return cache_->composed.Find(key);
  auto& by_row_group = active_composed_->by_row_group;
  if (const auto found = by_row_group.find(key.second); found != by_row_group.end()) {
    return found->second;
  }
  // A search may have named the version before it was active.
  auto known = cache_->composed.Find(key);
  if (known) by_row_group.emplace(key.second, known);
  return known;
}

}  // namespace almagest
