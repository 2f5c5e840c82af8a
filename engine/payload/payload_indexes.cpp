#include "engine/payload/payload_indexes.h"

#include <mutex>
#include <utility>

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
}

std::map<std::string, PayloadIndexes::Description> PayloadIndexes::Describe() const {
  const std::shared_lock lock(mutex_);
  std::map<std::string, Description> descriptions;
  for (const auto& [path, index] : indexes_) {
    descriptions[path] = {index->type(), index->present().size(), index->MemoryBytes()};
  }
  return descriptions;
}

bool PayloadIndexes::empty() const {
  const std::shared_lock lock(mutex_);
  return indexes_.empty();
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
  return index->filled();
}

std::optional<SlotSet> PayloadIndexes::Nulls(const PayloadPath& path) const {
  const std::shared_lock lock(mutex_);
  const PayloadIndex* index = Find(path);
  if (index == nullptr) return std::nullopt;
  return index->nulls();
}

bool PayloadIndexes::VisitOrdered(const PayloadPath& path, bool descending,
                                  std::optional<double> start,
                                  const std::function<bool(double, const SlotSet&)>& visit) const {
  const std::shared_lock lock(mutex_);
  const PayloadIndex* index = Find(path);
  return index != nullptr && index->VisitOrdered(descending, start, visit);
}

}  // namespace almagest
