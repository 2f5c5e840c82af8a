// A collection's bridges between embedding models. Every change is one atomic write.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/collection/bridge.h"
#include "engine/collection/collection_state.h"
#include "storage/record_codec.h"

namespace almagest {
namespace {

// nullopt where one of the fields is gone or cannot be bridged.
std::optional<Bridge::Shape> ShapeOf(const CollectionState& state, FieldId from, FieldId to) {
  std::optional<Bridge::Shape> shape(std::in_place);
  bool has_from = false;
  bool has_to = false;
  for (const CollectionField& field : state.fields.All()) {
    if (!field.is_dense()) continue;
    if (field.id == from) {
      has_from = true;
      shape->from_dimension = field.dimension;
      shape->from_normalised = field.normalised();
    } else if (field.id == to) {
      has_to = true;
      shape->to_dimension = field.dimension;
      shape->to_normalised = field.normalised();
    }
  }
  if (!has_from || !has_to) return std::nullopt;
  return shape;
}

// What a bridge is while it is not active: one that was refused and forced stays a refused one.
BridgeStatus InactiveStatus(const BridgeRecord& record) {
  if (record.status == BridgeStatus::kRefused) return BridgeStatus::kRefused;
  const auto report = nlohmann::json::parse(record.report_json, nullptr, false);
  const auto verdict = nlohmann::json::json_pointer("/gate/verdict");
  const bool refused =
      report.is_object() && report.contains(verdict) && report[verdict] == "refuse";
  return refused ? BridgeStatus::kRefused : BridgeStatus::kCandidate;
}

Error NoSuchBridge(uint64_t id) {
  return Error{ErrorCode::kNotFound, "there is no bridge " + std::to_string(id)};
}

// What the next bridge's id is kept under: number 0, which is no bridge's.
std::string CounterKey(const CollectionState& state) { return BridgeKey(state.id, 0); }

// Above every id that was ever given, those of removed bridges included.
Result<uint64_t> NextId(const CollectionState& state) {
  uint64_t next = state.bridges.empty() ? 1 : state.bridges.rbegin()->first + 1;
  ALMAGEST_TRY(const auto stored, state.store.Get(ColumnFamily::kLearning, CounterKey(state)));
  if (stored) {
    ALMAGEST_TRY(const auto counter, DecodeRecord<CounterRecord>(*stored));
    next = std::max(next, counter.next);
  }
  return next;
}

// Under writer_mutex: writes the changed bridges and what else is in `batch`, then shows them.
Result<> Commit(CollectionState& state, BridgeTable next, WriteBatch batch) {
  ALMAGEST_TRY_VOID(state.store.Write(batch, Durability::kSync));
  state.bridges = std::move(next);
  state.PublishView();
  return {};
}

}  // namespace

Result<> RecoverBridges(CollectionState& state) {
  ALMAGEST_TRY(state.bridges, LoadBridges(state.store, state.id, [&](FieldId from, FieldId to) {
                 return ShapeOf(state, from, to);
               }));
  return {};
}

void DropBridges(CollectionState& state, FieldId field, WriteBatch* batch, BridgeTable* next) {
  *next = state.bridges;
  std::erase_if(*next, [&](const auto& entry) {
    const BridgeRecord& record = entry.second->record();
    if (record.from != field && record.to != field) return false;
    batch->Delete(ColumnFamily::kLearning, BridgeKey(state.id, entry.first));
    return true;
  });
}

std::vector<std::shared_ptr<const Bridge>> Collection::Bridges() const {
  std::vector<std::shared_ptr<const Bridge>> bridges;
  const std::lock_guard lock(state_->writer_mutex);
  for (const auto& [id, bridge] : state_->bridges) bridges.push_back(bridge);
  return bridges;
}

Result<uint64_t> Collection::AddBridge(const BridgeRecord& given, const std::string& safetensors) {
  State& state = *state_;
  const std::lock_guard lock(state.writer_mutex);
  if (state.bridges.size() >= kBridgesMax) {
    return Fail(ErrorCode::kResourceExhausted,
                "the collection has " + std::to_string(state.bridges.size()) +
                    " bridges, the limit is " + std::to_string(kBridgesMax) + "; delete one");
  }
  const auto shape = ShapeOf(state, given.from, given.to);
  if (!shape) {
    return Fail(ErrorCode::kNotFound, "the vector '" + given.from_name + "' or '" + given.to_name +
                                          "' was removed meanwhile");
  }
  BridgeRecord record = given;
  ALMAGEST_TRY(record.id, NextId(state));
  if (record.status == BridgeStatus::kActive) record.status = BridgeStatus::kCandidate;
  ALMAGEST_TRY(auto bridge, Bridge::Parse(std::move(record), *shape, safetensors));
  WriteBatch batch;
  bridge->Put(state.id, &batch);
  BridgeTable next = state.bridges;
  const uint64_t id = bridge->record().id;
  batch.Put(ColumnFamily::kLearning, CounterKey(state), EncodeRecord(CounterRecord{id + 1}));
  next[id] = std::move(bridge);
  ALMAGEST_TRY_VOID(Commit(state, std::move(next), std::move(batch)));
  return id;
}

Result<> Collection::ActivateBridge(uint64_t id, bool force) {
  State& state = *state_;
  const std::lock_guard lock(state.writer_mutex);
  const auto found = state.bridges.find(id);
  if (found == state.bridges.end()) return Fail(NoSuchBridge(id));
  const BridgeRecord& record = found->second->record();
  if (record.status == BridgeStatus::kActive) return {};
  if (record.status == BridgeStatus::kRefused && !force) {
    return Fail(
        ErrorCode::kFailedPrecondition,
        "bridge " + std::to_string(id) + " was refused; activate it with force if you mean it");
  }
  WriteBatch batch;
  BridgeTable next = state.bridges;
  for (auto& [other_id, other] : next) {
    const bool is_active = other->record().status == BridgeStatus::kActive;
    if (other->record().from != record.from || (!is_active && other_id != id)) continue;
    other =
        other->WithStatus(other_id == id ? BridgeStatus::kActive : InactiveStatus(other->record()));
    other->Put(state.id, &batch);
  }
  return Commit(state, std::move(next), std::move(batch));
}

Result<> Collection::DeactivateBridge(uint64_t id) {
  State& state = *state_;
  const std::lock_guard lock(state.writer_mutex);
  const auto found = state.bridges.find(id);
  if (found == state.bridges.end()) return Fail(NoSuchBridge(id));
  if (found->second->record().status != BridgeStatus::kActive) return {};
  WriteBatch batch;
  BridgeTable next = state.bridges;
  next[id] = found->second->WithStatus(InactiveStatus(found->second->record()));
  next[id]->Put(state.id, &batch);
  return Commit(state, std::move(next), std::move(batch));
}

Result<> Collection::RemoveBridge(uint64_t id) {
  State& state = *state_;
  const std::lock_guard lock(state.writer_mutex);
  if (!state.bridges.contains(id)) return Fail(NoSuchBridge(id));
  WriteBatch batch;
  batch.Delete(ColumnFamily::kLearning, BridgeKey(state.id, id));
  BridgeTable next = state.bridges;
  next.erase(id);
  return Commit(state, std::move(next), std::move(batch));
}

}  // namespace almagest
