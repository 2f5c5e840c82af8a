#include "engine/collection/write_stage.h"

#include <algorithm>

#include "engine/payload/filter_evaluator.h"
#include "engine/payload/payload.h"
#include "storage/key_layout.h"
#include "storage/record_codec.h"

namespace almagest {
namespace {

uint64_t MaskOf(const std::map<FieldId, VectorData>& vectors) {
  uint64_t fields = 0;
  for (const auto& [field, vector] : vectors) fields |= uint64_t{1} << field;
  return fields;
}

bool HasField(uint64_t fields, FieldId field) { return (fields >> field & 1) != 0; }

}  // namespace

WriteStage::WriteStage(const CollectionState& state)
    : state_(state), next_slot_(state.counters.next_slot) {}

Result<> WriteStage::Apply(const WriteOperation& operation, SequenceNumber sequence) {
  sequence_ = sequence;
  ALMAGEST_TRY_VOID(std::visit([this](const auto& kind) { return Do(kind); }, operation));
  if (next_slot_ >= kNoSlot - 1) {
    return Fail(ErrorCode::kResourceExhausted,
                "the collection has given out all " + std::to_string(kNoSlot) + " slots");
  }
  return {};
}

StagedPoint& WriteStage::Touch(const PointId& id) {
  const auto [found, added] = by_id_.try_emplace(id, nullptr);
  if (!added) return *found->second;
  StagedPoint& point = *points_.emplace_back(std::make_unique<StagedPoint>());
  found->second = &point;
  point.id = id;
  point.slot = state_.points.Find(id);
  if (point.slot == kNoSlot) {
    // Nothing to load.
    point.vectors_loaded = point.payload_loaded = true;
    point.old_payload_loaded = point.old_terms_loaded = true;
    return point;
  }
  point.stored = true;
  point.before = *state_.points.Get(point.slot);
  point.row = state_.Locate(point.slot);
  point.exists = true;
  point.sequence = point.before.version;
  point.vector_sequence = point.before.vector_sequence;
  point.fields = point.before.fields;
  return point;
}

Result<std::vector<StagedPoint*>> WriteStage::Select(const PointSelector& selector,
                                                     bool all_must_exist) {
  if (const auto* filter = std::get_if<Filter>(&selector)) return SelectMatching(*filter);
  std::vector<StagedPoint*> selected;
  for (const PointId& id : std::get<std::vector<PointId>>(selector)) {
    const auto staged = by_id_.find(id);
    const bool exists =
        staged != by_id_.end() ? staged->second->exists : state_.points.Find(id) != kNoSlot;
    if (exists) {
      selected.push_back(&Touch(id));
    } else if (all_must_exist) {
      return Fail(ErrorCode::kNotFound, "No point with id " + PointIdToString(id) + " found");
    }
  }
  return selected;
}

Result<std::vector<StagedPoint*>> WriteStage::SelectMatching(const Filter& filter) {
  ALMAGEST_TRY_VOID(CheckFilter(filter));
  // Points that this request has touched are judged as they are now, the others by the indexes.
  std::vector<StagedPoint*> touched;
  for (const auto& point : points_) {
    if (point->exists) touched.push_back(point.get());
  }
  SlotSet untouched = state_.points.live();
  for (const auto& point : points_) {
    if (point->stored) untouched.Remove(point->slot);
  }
  ALMAGEST_TRY(const SlotSet matching,
               EvaluateFilter(filter, state_.MakeFilterContext(&untouched, Deadline())));
  ALMAGEST_TRY_VOID(LoadPayloads(touched));
  std::vector<StagedPoint*> selected;
  for (StagedPoint* point : touched) {
    ALMAGEST_TRY(const bool matches, Matches(filter, *point));
    if (matches) selected.push_back(point);
  }
  for (const Slot slot : matching.ToVector()) {
    selected.push_back(&Touch(state_.points.Get(slot)->id));
  }
  return selected;
}

Result<bool> WriteStage::Matches(const Filter& filter, StagedPoint& point) {
  StagedPoint* const one[] = {&point};
  ALMAGEST_TRY_VOID(LoadPayloads(one));
  return MatchesFilter(
      filter, point.payload, point.id,
      [&](const std::string& name) {
        const CollectionField* field = state_.FindField(name);
        return field != nullptr && HasField(point.fields, field->id);
      },
      &state_.indexes);
}

void WriteStage::SetVectors(StagedPoint& point, std::map<FieldId, VectorData> vectors) {
  point.vectors = std::move(vectors);
  point.vectors_loaded = true;
  point.fields = MaskOf(point.vectors);
  point.vectors_changed = true;
  point.vector_sequence = sequence_;
  point.sequence = sequence_;
}

void WriteStage::SetPayload(StagedPoint& point, std::string payload) {
  point.payload = payload == "{}" ? std::string() : std::move(payload);
  point.payload_loaded = true;
  point.payload_changed = true;
  point.sequence = sequence_;
}

Result<> WriteStage::Do(const UpsertOperation& operation) {
  std::vector<std::map<FieldId, VectorData>> vectors;
  vectors.reserve(operation.points.size());
  for (const PointInput& point : operation.points) {
    ALMAGEST_TRY(vectors.emplace_back(), ValidateVectors(state_, point));
  }
  if (operation.update_filter) ALMAGEST_TRY_VOID(CheckFilter(*operation.update_filter));
  for (size_t i = 0; i < operation.points.size(); ++i) {
    const PointInput& given = operation.points[i];
    StagedPoint& point = Touch(given.id);
    if (point.exists && operation.mode == UpdateMode::kInsertOnly) continue;
    if (!point.exists && operation.mode == UpdateMode::kUpdateOnly) continue;
    if (point.exists && operation.update_filter) {
      ALMAGEST_TRY(const bool matches, Matches(*operation.update_filter, point));
      if (!matches) continue;
    }
    if (point.slot == kNoSlot) point.slot = next_slot_++;
    point.exists = true;
    SetVectors(point, std::move(vectors[i]));
    point.changed_fields = point.fields;
    SetPayload(point, given.payload.value_or(""));
  }
  return {};
}

Result<> WriteStage::Do(const DeletePointsOperation& operation) {
  ALMAGEST_TRY(const auto selected, Select(operation.points, false));
  for (StagedPoint* point : selected) {
    point->exists = false;
    SetVectors(*point, {});
    point->changed_fields = 0;
    SetPayload(*point, "");
  }
  return {};
}

Result<> WriteStage::Do(const UpdateVectorsOperation& operation) {
  std::vector<PointId> ids;
  std::vector<std::map<FieldId, VectorData>> vectors;
  for (const PointInput& point : operation.points) {
    ids.push_back(point.id);
    ALMAGEST_TRY(vectors.emplace_back(), ValidateVectors(state_, point));
  }
  if (operation.update_filter) ALMAGEST_TRY_VOID(CheckFilter(*operation.update_filter));
  ALMAGEST_TRY(const auto selected, Select(ids, true));
  ALMAGEST_TRY_VOID(LoadVectors(selected));
  for (size_t i = 0; i < selected.size(); ++i) {
    StagedPoint& point = *selected[i];
    if (operation.update_filter) {
      ALMAGEST_TRY(const bool matches, Matches(*operation.update_filter, point));
      if (!matches) continue;
    }
    point.sequence = sequence_;
    if (vectors[i].empty()) continue;
    std::map<FieldId, VectorData> merged = std::move(point.vectors);
    for (auto& [field, vector] : vectors[i]) {
      merged[field] = std::move(vector);
      point.changed_fields |= uint64_t{1} << field;
    }
    SetVectors(point, std::move(merged));
  }
  return {};
}

Result<> WriteStage::Do(const DeleteVectorsOperation& operation) {
  std::vector<FieldId> fields;
  for (const std::string& name : operation.names) {
    const CollectionField* field = state_.FindField(name);
    if (field == nullptr) {
      return Fail(ErrorCode::kInvalidArgument, "Not existing vector name error: " + name);
    }
    fields.push_back(field->id);
  }
  ALMAGEST_TRY(auto selected, Select(operation.points, false));
  std::erase_if(selected, [&](const StagedPoint* point) {
    return std::ranges::none_of(fields,
                                [&](FieldId field) { return HasField(point->fields, field); });
  });
  ALMAGEST_TRY_VOID(LoadVectors(selected));
  for (StagedPoint* point : selected) {
    std::map<FieldId, VectorData> rest = std::move(point->vectors);
    for (const FieldId field : fields) {
      rest.erase(field);
      point->changed_fields &= ~(uint64_t{1} << field);
    }
    SetVectors(*point, std::move(rest));
  }
  return {};
}

template <class Change>
Result<> WriteStage::ChangePayloads(const PointSelector& selector, const Change& change) {
  ALMAGEST_TRY(const auto selected, Select(selector, true));
  ALMAGEST_TRY_VOID(LoadPayloads(selected));
  for (StagedPoint* point : selected) {
    ALMAGEST_TRY(std::string payload, change(point->payload));
    SetPayload(*point, std::move(payload));
  }
  return {};
}

Result<> WriteStage::Do(const SetPayloadOperation& operation) {
  return ChangePayloads(operation.points, [&](const std::string& payload) {
    return MergePayload(payload, operation.payload, operation.key);
  });
}

Result<> WriteStage::Do(const OverwritePayloadOperation& operation) {
  return ChangePayloads(operation.points, [&](const std::string&) -> Result<std::string> {
    return operation.payload;
  });
}

Result<> WriteStage::Do(const DeletePayloadKeysOperation& operation) {
  return ChangePayloads(operation.points, [&](const std::string& payload) {
    return DeletePayloadKeys(payload, operation.keys);
  });
}

Result<> WriteStage::Do(const ClearPayloadOperation& operation) {
  return ChangePayloads(operation.points,
                        [](const std::string&) -> Result<std::string> { return std::string(); });
}

Result<> WriteStage::Finish() {
  std::vector<StagedPoint*> payloads;
  std::vector<StagedPoint*> terms;
  for (const auto& point : points_) {
    if (!point->stored) continue;
    if (point->payload_changed) payloads.push_back(point.get());
    if (point->vectors_changed) terms.push_back(point.get());
  }
  if (!state_.indexes.empty()) ALMAGEST_TRY_VOID(LoadOldPayloads(payloads));
  return LoadOldTerms(terms);
}

void WriteStage::AddTo(WriteBatch* batch) const {
  for (const auto& owned : points_) {
    const StagedPoint& point = *owned;
    if (!point.Differs()) continue;
    PointRecord record;
    for (const CollectionField& field : state_.fields.All()) {
      const bool had = point.stored && HasField(point.before.fields, field.id);
      const bool has = point.exists && HasField(point.fields, field.id);
      const auto family = field.is_sparse ? ColumnFamily::kSparse : ColumnFamily::kVectors;
      if (has) (field.is_sparse ? record.sparse_fields : record.dense_fields).push_back(field.id);
      if (had && !has) batch->Delete(family, VectorKey(state_.id, field.id, point.slot));
      if (!has || !HasField(point.changed_fields, field.id)) continue;
      const VectorData& vector = point.vectors.at(field.id);
      std::string key = VectorKey(state_.id, field.id, point.slot);
      if (const auto* sparse = std::get_if<SparseVector>(&vector)) {
        batch->Put(family, std::move(key), EncodeSparseVector(sparse->indices, sparse->values));
      } else if (const auto* multi = std::get_if<MultiVector>(&vector)) {
        batch->Put(family, std::move(key), EncodeDenseVector(multi->values));
      } else {
        batch->Put(family, std::move(key), EncodeDenseVector(std::get<DenseVector>(vector)));
      }
    }
    if (point.payload_changed) {
      std::string key = PayloadKey(state_.id, point.slot);
      if (!point.payload.empty()) {
        batch->Put(ColumnFamily::kPayload, std::move(key), EncodePayload(point.payload));
      } else if (point.stored) {
        batch->Delete(ColumnFamily::kPayload, std::move(key));
      }
    }
    if (!point.exists) {
      batch->Delete(ColumnFamily::kPoints, PointKey(state_.id, point.id));
      continue;
    }
    record.slot = point.slot;
    record.sequence = point.sequence;
    record.vector_sequence = point.vector_sequence;
    batch->Put(ColumnFamily::kPoints, PointKey(state_.id, point.id), EncodeRecord(record));
  }
}

}  // namespace almagest
