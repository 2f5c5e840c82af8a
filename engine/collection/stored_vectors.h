// Reads base vectors of many points from storage, in batches of bounded memory.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "engine/types.h"
#include "storage/key_value_store.h"
#include "storage/records.h"

namespace almagest {

// Points read at once by those who go through a collection: 2 MiB of 512-dimensional vectors.
inline constexpr size_t kStoredVectorsBatch = 1024;

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

// Payload texts, in order; empty where there is none.
Result<std::vector<std::string>> ReadPayloads(const KeyValueStore& store, CollectionId collection,
                                              std::span<const Slot> slots);

}  // namespace almagest
