#include "engine/payload/payload_indexes.h"

#include <mutex>
#include <utility>

#include "storage/base/check.h"

namespace almagest {

const PayloadIndex* PayloadIndexes::Find(const PayloadPath& path) const {
  const auto found = indexes_.find(path.ToString());
  return found == indexes_.end() ? nullptr : found->second.get();
}

void PayloadIndexes::Install(std::unique_ptr<PayloadIndex> index) {
  const std::unique_lock lock(mutex_);
  std::string path = index->path().ToString();
  indexes_[std::move(path)] = std::move(index);
}

bool PayloadIndexes::Drop(const PayloadPath& path) {
  const std::unique_lock lock(mutex_);
  return indexes_.erase(path.ToString()) > 0;
}

void PayloadIndexes::Update(Slot slot, std::string_view old_payload, std::string_view new_payload) {
  const std::unique_lock lock(mutex_);
  for (const auto& [path, index] : indexes_) index->Update(slot, old_payload, new_payload);
  for (const auto& [id, build] : builds_) {
    if (slot < build.limit) build.index->Update(slot, old_payload, new_payload);
  }
}

PayloadIndexes::BuildId PayloadIndexes::BeginBuild(std::unique_ptr<PayloadIndex> index) {
  const std::unique_lock lock(mutex_);
  builds_[++last_build_].index = std::move(index);
  return last_build_;
}

void PayloadIndexes::ContinueBuild(BuildId build, std::span<const BuildEntry> entries, Slot limit) {
  PayloadIndex* index = nullptr;
  {
    const std::unique_lock lock(mutex_);
    const auto found = builds_.find(build);
    ALMAGEST_CHECK(found != builds_.end());
    found->second.limit = limit;
    index = found->second.index.get();
  }
  // No reader knows this index, and the writer is kept out.
  for (const BuildEntry& entry : entries) index->Update(entry.slot, "", entry.payload);
}

void PayloadIndexes::FinishBuild(BuildId build) {
  const std::unique_lock lock(mutex_);
  const auto found = builds_.find(build);
  ALMAGEST_CHECK(found != builds_.end());
  std::string path = found->second.index->path().ToString();
  indexes_[std::move(path)] = std::move(found->second.index);
  builds_.erase(found);
}

void PayloadIndexes::AbandonBuild(BuildId build) {
  const std::unique_lock lock(mutex_);
  builds_.erase(build);
}

std::optional<PayloadIndexConfig> PayloadIndexes::ConfigAt(const PayloadPath& path) const {
  const std::shared_lock lock(mutex_);
  const PayloadIndex* index = Find(path);
  if (index == nullptr) return std::nullopt;
  return index->config();
}

std::map<std::string, PayloadIndexes::Description> PayloadIndexes::Describe() const {
  const std::shared_lock lock(mutex_);
  std::map<std::string, Description> descriptions;
  for (const auto& [path, index] : indexes_) {
    descriptions[path] = {index->config(), index->facts().indexed.size(), index->MemoryBytes()};
  }
  return descriptions;
}

bool PayloadIndexes::empty() const {
  const std::shared_lock lock(mutex_);
  return indexes_.empty() && builds_.empty();
}

std::optional<IndexAnswer> PayloadIndexes::Answer(const PayloadPath& path,
                                                  const FieldCondition& condition) const {
  const std::shared_lock lock(mutex_);
  const PayloadIndex* index = Find(path);
  if (index == nullptr) return std::nullopt;
  return index->Answer(condition);
}

std::optional<SlotSet> PayloadIndexes::Filled(const PayloadPath& path) const {
  const std::shared_lock lock(mutex_);
  const PayloadIndex* index = Find(path);
  if (index == nullptr) return std::nullopt;
  return index->facts().filled;
}

std::optional<SlotSet> PayloadIndexes::Nulls(const PayloadPath& path) const {
  const std::shared_lock lock(mutex_);
  const PayloadIndex* index = Find(path);
  if (index == nullptr) return std::nullopt;
  return index->facts().nulls;
}

bool PayloadIndexes::VisitOrdered(const PayloadPath& path, bool descending,
                                  std::optional<double> start,
                                  const std::function<bool(double, const SlotSet&)>& visit) const {
  const std::shared_lock lock(mutex_);
  const PayloadIndex* index = Find(path);
  return index != nullptr && index->VisitOrdered(descending, start, visit);
}

}  // namespace almagest
