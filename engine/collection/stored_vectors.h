// Reads base vectors of many points from storage, in batches of bounded memory.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "engine/collection/field_table.h"
#include "engine/types.h"
#include "storage/key_value_store.h"
#include "storage/records.h"

namespace almagest {

// Points read at once by those who go through a collection: 2 MiB of 512-dimensional vectors.
inline constexpr size_t kStoredVectorsBatch = 1024;
// Of multi-vectors, which take up to 4 MiB each.
inline constexpr size_t kStoredMultiVectorsBatch = 32;

// Base vectors of a dense field, [slots, dimension] into `out`; zeros and present[i] = false where
// the point has none. kCorruption if a record cannot be read or has another dimension.
Result<> ReadDenseVectors(const KeyValueStore& store, CollectionId collection, FieldId field,
                          std::span<const Slot> slots, uint32_t dimension, std::span<float> out,
                          std::vector<bool>* present);

// One per slot, in order; nullopt where the point has none.
Result<std::vector<std::optional<SparseRecord>>> ReadSparseVectors(const KeyValueStore& store,
                                                                   CollectionId collection,
                                                                   FieldId field,
                                                                   std::span<const Slot> slots);

// The same of a multi-vector field. A record is that of a dense vector: its rows one after another.
Result<std::vector<std::optional<MultiVector>>> ReadMultiVectors(const KeyValueStore& store,
                                                                 CollectionId collection,
                                                                 FieldId field,
                                                                 std::span<const Slot> slots,
                                                                 uint32_t dimension);

// Points to read at once where all their vectors are wanted.
size_t StoredVectorsBatch(const FieldTable& fields);
// Every vector of every field, by slot in order. Memory: all of them at once.
Result<std::vector<std::map<FieldId, VectorData>>> ReadAllVectors(const KeyValueStore& store,
                                                                  CollectionId collection,
                                                                  const FieldTable& fields,
                                                                  std::span<const Slot> slots);

// Payload texts, in order; empty where there is none.
Result<std::vector<std::string>> ReadPayloads(const KeyValueStore& store, CollectionId collection,
                                              std::span<const Slot> slots);

}  // namespace almagest
