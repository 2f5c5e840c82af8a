#include "engine/collection/stored_vectors.h"

#include <algorithm>

#include "storage/base/check.h"
#include "storage/key_layout.h"
#include "storage/record_codec.h"

namespace almagest {
namespace {

Result<std::vector<std::optional<std::string>>> ReadFamily(const KeyValueStore& store,
                                                           CollectionId collection,
                                                           ColumnFamily family, FieldId field,
                                                           std::span<const Slot> slots) {
  std::vector<std::string> keys;
  keys.reserve(slots.size());
  for (const Slot slot : slots) keys.push_back(VectorKey(collection, field, slot));
  return store.MultiGet(family, keys);
}

}  // namespace

Result<> ReadDenseVectors(const KeyValueStore& store, CollectionId collection, FieldId field,
                          std::span<const Slot> slots, uint32_t dimension, std::span<float> out,
                          std::vector<bool>* present) {
  ALMAGEST_CHECK(out.size() == slots.size() * dimension);
  present->assign(slots.size(), false);
  for (size_t first = 0; first < slots.size(); first += kStoredVectorsBatch) {
    const auto batch = slots.subspan(first, std::min(kStoredVectorsBatch, slots.size() - first));
    ALMAGEST_TRY(const auto records,
                 ReadFamily(store, collection, ColumnFamily::kVectors, field, batch));
    for (size_t i = 0; i < batch.size(); ++i) {
      const std::span<float> place = out.subspan((first + i) * dimension, dimension);
      if (!records[i]) {
        std::ranges::fill(place, 0.0f);
        continue;
      }
      ALMAGEST_TRY_VOID(DecodeDenseVector(*records[i], place));
      (*present)[first + i] = true;
    }
  }
  return {};
}

Result<std::vector<std::optional<SparseRecord>>> ReadSparseVectors(const KeyValueStore& store,
                                                                   CollectionId collection,
                                                                   FieldId field,
                                                                   std::span<const Slot> slots) {
  std::vector<std::optional<SparseRecord>> vectors;
  vectors.reserve(slots.size());
  for (size_t first = 0; first < slots.size(); first += kStoredVectorsBatch) {
    const auto batch = slots.subspan(first, std::min(kStoredVectorsBatch, slots.size() - first));
    ALMAGEST_TRY(const auto records,
                 ReadFamily(store, collection, ColumnFamily::kSparse, field, batch));
    for (const auto& record : records) {
      std::optional<SparseRecord>& vector = vectors.emplace_back();
      if (!record) continue;
      ALMAGEST_TRY(vector, DecodeSparseVector(*record));
    }
  }
  return vectors;
}

Result<std::vector<std::optional<MultiVector>>> ReadMultiVectors(const KeyValueStore& store,
                                                                 CollectionId collection,
                                                                 FieldId field,
                                                                 std::span<const Slot> slots,
                                                                 uint32_t dimension) {
  std::vector<std::optional<MultiVector>> vectors;
  vectors.reserve(slots.size());
  for (size_t first = 0; first < slots.size(); first += kStoredMultiVectorsBatch) {
    const auto batch =
        slots.subspan(first, std::min(kStoredMultiVectorsBatch, slots.size() - first));
    ALMAGEST_TRY(const auto records,
                 ReadFamily(store, collection, ColumnFamily::kVectors, field, batch));
    for (const auto& record : records) {
      std::optional<MultiVector>& vector = vectors.emplace_back();
      if (!record) continue;
      vector.emplace().dimension = dimension;
      ALMAGEST_TRY(vector->values, DecodeDenseVector(*record));
      if (vector->values.empty() || vector->values.size() % dimension != 0) {
        return Fail(ErrorCode::kCorruption,
                    "a multi-vector has " + std::to_string(vector->values.size()) +
                        " values, no multiple of its dimension " + std::to_string(dimension));
      }
    }
  }
  return vectors;
}

size_t StoredVectorsBatch(const FieldTable& fields) {
  for (const CollectionField& field : fields.All()) {
    if (field.is_multi) return kStoredMultiVectorsBatch;
  }
  return kStoredVectorsBatch;
}

Result<std::vector<std::map<FieldId, VectorData>>> ReadAllVectors(const KeyValueStore& store,
                                                                  CollectionId collection,
                                                                  const FieldTable& fields,
                                                                  std::span<const Slot> slots) {
  std::vector<std::map<FieldId, VectorData>> vectors(slots.size());
  for (const CollectionField& field : fields.All()) {
    if (field.is_sparse) {
      ALMAGEST_TRY(auto sparse, ReadSparseVectors(store, collection, field.id, slots));
      for (size_t i = 0; i < slots.size(); ++i) {
        if (!sparse[i]) continue;
        vectors[i][field.id] =
            SparseVector{std::move(sparse[i]->indices), std::move(sparse[i]->values)};
      }
    } else if (field.is_multi) {
      ALMAGEST_TRY(auto multi,
                   ReadMultiVectors(store, collection, field.id, slots, field.dimension));
      for (size_t i = 0; i < slots.size(); ++i) {
        if (multi[i]) vectors[i][field.id] = *std::move(multi[i]);
      }
    } else {
      std::vector<float> values(slots.size() * field.dimension);
      std::vector<bool> present;
      ALMAGEST_TRY_VOID(
          ReadDenseVectors(store, collection, field.id, slots, field.dimension, values, &present));
      for (size_t i = 0; i < slots.size(); ++i) {
        if (!present[i]) continue;
        const auto first = values.begin() + static_cast<ptrdiff_t>(i * field.dimension);
        vectors[i][field.id] = DenseVector(first, first + field.dimension);
      }
    }
  }
  return vectors;
}

Result<std::vector<std::string>> ReadPayloads(const KeyValueStore& store, CollectionId collection,
                                              std::span<const Slot> slots) {
  std::vector<std::string> keys;
  keys.reserve(slots.size());
  for (const Slot slot : slots) keys.push_back(PayloadKey(collection, slot));
  ALMAGEST_TRY(auto records, store.MultiGet(ColumnFamily::kPayload, keys));
  std::vector<std::string> payloads;
  payloads.reserve(slots.size());
  for (const auto& record : records) {
    std::string& payload = payloads.emplace_back();
    if (!record) continue;
    ALMAGEST_TRY(payload, DecodePayload(*record));
  }
  return payloads;
}

}  // namespace almagest
