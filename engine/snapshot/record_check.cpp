#include "engine/snapshot/record_check.h"

#include <algorithm>
#include <cmath>

#include "engine/collection/collection_state.h"
#include "engine/payload/payload.h"
#include "storage/key_layout.h"
#include "storage/record_codec.h"

namespace almagest {
namespace {

// Any number will do: keys are parsed with it in front, as they will be stored.
constexpr CollectionId kStandIn = 1;

// A slot takes 64 bytes of memory when the collection opens, so a few points with huge slots would
// be a bomb. A collection that has deleted this many points per point it has is not restored.
constexpr uint64_t kSlotsFree = 10'000'000;
constexpr uint64_t kSlotsPerPoint = 100;
constexpr uint64_t kSegmentIdMax = uint64_t{1} << 31;

tl::unexpected<Error> Fault(const char* what) { return Fail(ErrorCode::kInvalidArgument, what); }

}  // namespace

RecordCheck::RecordCheck(const CollectionConfig& config) {
  for (const CollectionField& field : FieldsOf(config)) {
    if (!field.is_sparse) dimensions_[field.id] = {field.dimension, field.is_multi};
  }
}

Result<> RecordCheck::Add(ColumnFamily family, std::string_view own_key, std::string_view value) {
  if (family < last_family_ || (family == last_family_ && own_key <= last_key_)) {
    return Fault("its records are not in order");
  }
  last_family_ = family;
  last_key_ = own_key;
  const std::string key = CollectionRange(kStandIn).first + last_key_;
  switch (family) {
    case ColumnFamily::kMeta:
      return CheckMeta(key, value);
    case ColumnFamily::kPoints:
      if (!ParsePointKey(key)) return Fault("a point has a damaged key");
      return CheckPoint(value);
    case ColumnFamily::kVectors:
    case ColumnFamily::kSparse:
      return CheckVector(key, value, family == ColumnFamily::kSparse);
    case ColumnFamily::kPayload: {
      if (!ParsePayloadKey(key)) return Fault("a payload has a damaged key");
      const auto payload = DecodePayload(value);
      if (!payload || !CanonicalPayload(*payload)) return Fault("a payload is damaged");
      return {};
    }
    case ColumnFamily::kFeedback:
      if (!ParseFeedbackKey(key)) return Fault("a feedback event has a damaged key");
      return {};
    case ColumnFamily::kLearning: {
      const auto parts = ParseLearningKey(key);
      if (!parts || parts->kind == LearningKind::kJob) {
        return Fault("a version has a damaged key");
      }
      return {};
    }
    default:
      return Fault("it has a record of an unknown kind");
  }
}

Result<> RecordCheck::CheckMeta(const std::string& key, std::string_view value) {
  if (key == ManifestKey(kStandIn)) {
    const auto manifest = DecodeRecord<ManifestRecord>(value);
    if (!manifest || manifest->next_segment_id == 0 || manifest->next_segment_id > kSegmentIdMax ||
        manifest->next_field_id > kVectorFieldsMax) {
      return Fault("the manifest is damaged");
    }
    return {};
  }
  if (key != SequenceKey(kStandIn)) return Fault("it has a record of an unknown kind");
  const auto counters = DecodeRecord<SequenceRecord>(value);
  if (!counters || counters->next_slot >= kNoSlot) return Fault("the counters are damaged");
  has_counters_ = true;
  next_slot_ = counters->next_slot;
  return {};
}

Result<> RecordCheck::CheckPoint(std::string_view value) {
  const auto point = DecodeRecord<PointRecord>(value);
  if (!point) return Fault("a point is damaged");
  if (!has_counters_ || point->slot >= next_slot_) return Fault("a point has an impossible slot");
  if (slots_.Contains(point->slot)) return Fault("two points have the same slot");
  slots_.Add(point->slot);
  ++points_;
  largest_slot_ = std::max(largest_slot_, point->slot);
  return {};
}

Result<> RecordCheck::CheckVector(const std::string& key, std::string_view value, bool is_sparse) {
  const auto parts = ParseVectorKey(key);
  if (!parts) return Fault("a vector has a damaged key");
  if (is_sparse) {
    const auto sparse = DecodeSparseVector(value);
    if (!sparse || !std::ranges::all_of(sparse->values, [](float x) { return std::isfinite(x); })) {
      return Fault("a sparse vector is damaged");
    }
    return {};
  }
  const auto dense = DecodeDenseVector(value);
  if (!dense || !std::ranges::all_of(*dense, [](float x) { return std::isfinite(x); })) {
    return Fault("a vector is damaged");
  }
  const auto found = dimensions_.find(parts->field);
  if (found == dimensions_.end()) return {};
  const auto& [dimension, is_multi] = found->second;
  if (dense->empty() || dense->size() % dimension != 0 ||
      (!is_multi && dense->size() != dimension)) {
    return Fault("a vector has not the dimension of its collection");
  }
  return {};
}

Result<uint64_t> RecordCheck::Finish() const {
  if (largest_slot_ > kSlotsFree + kSlotsPerPoint * points_) {
    return Fault("its slots are out of proportion to its points");
  }
  return points_;
}

}  // namespace almagest
