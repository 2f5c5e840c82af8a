// The effect of one write request before it is written: every point that it touches, as it was
// and as it will be. Operations are applied here one after another, so that later ones see earlier
// ones; nothing outside changes until the whole request has been accepted.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/collection/collection_state.h"
#include "engine/write.h"

namespace almagest {

struct StagedPoint {
  PointId id;
  Slot slot = kNoSlot;
  bool stored = false;  // It exists in storage, as `before`.
  PointEntry before;
  RowLocation row;  // Of `before`.

  bool exists = false;
  SequenceNumber sequence = 0;
  SequenceNumber vector_sequence = 0;
  bool vectors_changed = false;
  bool payload_changed = false;
  // Whether storage has to change for it.
  bool Differs() const {
    return (stored || exists) &&
           (vectors_changed || payload_changed || sequence != before.version);
  }
  uint64_t fields = 0;          // Which vectors it has now.
  uint64_t changed_fields = 0;  // Those of `vectors` that storage does not have as they are.

  // Loaded from storage when an operation (or the indexes) needs them, or set by an operation.
  bool vectors_loaded = false;
  std::map<FieldId, VectorData> vectors;  // Base vectors.
  bool payload_loaded = false;
  std::string payload;  // Empty: none.
  // As stored before the request; loaded when it is going to be replaced.
  bool old_payload_loaded = false;
  std::string old_payload;
  bool old_terms_loaded = false;
  std::map<FieldId, std::vector<uint32_t>> old_terms;  // Of sparse vectors.
};

// Lives under the writer mutex of `state`, which it reads and does not change.
class WriteStage {
 public:
  explicit WriteStage(const CollectionState& state);

  // Applies `operation` with its sequence number. On an error the stage is unusable.
  Result<> Apply(const WriteOperation& operation, SequenceNumber sequence);
  // Loads what applying to memory will need: call once, after the last operation.
  Result<> Finish();
  void AddTo(WriteBatch* batch) const;
  // In order of first touch. Valid while the stage lives.
  const std::vector<std::unique_ptr<StagedPoint>>& points() const { return points_; }
  Slot next_slot() const { return next_slot_; }

 private:
  Result<> Do(const UpsertOperation& operation);
  Result<> Do(const DeletePointsOperation& operation);
  Result<> Do(const UpdateVectorsOperation& operation);
  Result<> Do(const DeleteVectorsOperation& operation);
  Result<> Do(const SetPayloadOperation& operation);
  Result<> Do(const OverwritePayloadOperation& operation);
  Result<> Do(const DeletePayloadKeysOperation& operation);
  Result<> Do(const ClearPayloadOperation& operation);
  template <class Change>
  Result<> ChangePayloads(const PointSelector& selector, const Change& change);

  StagedPoint& Touch(const PointId& id);
  // Points that exist now. Of ids, unknown ones are left out, or are kNotFound if `all_must_exist`.
  Result<std::vector<StagedPoint*>> Select(const PointSelector& selector, bool all_must_exist);
  Result<std::vector<StagedPoint*>> SelectMatching(const Filter& filter);
  Result<bool> Matches(const Filter& filter, StagedPoint& point);
  void SetVectors(StagedPoint& point, std::map<FieldId, VectorData> vectors);
  void SetPayload(StagedPoint& point, std::string payload);
  // Batched reads of what is not loaded yet.
  Result<> LoadPayloads(std::span<StagedPoint* const> points);
  Result<> LoadVectors(std::span<StagedPoint* const> points);
  Result<> LoadOldPayloads(std::span<StagedPoint* const> points);
  Result<> LoadOldTerms(std::span<StagedPoint* const> points);

  const CollectionState& state_;
  SequenceNumber sequence_ = 0;  // Of the operation being applied.
  Slot next_slot_ = 0;
  std::vector<std::unique_ptr<StagedPoint>> points_;
  std::unordered_map<PointId, StagedPoint*, PointIdHash> by_id_;
};

// Vectors of one point by field, validated and (cosine) normalised. Errors as Collection::Write.
Result<std::map<FieldId, VectorData>> ValidateVectors(const CollectionState& state,
                                                      const PointInput& point);

}  // namespace almagest
