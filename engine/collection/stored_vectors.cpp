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
