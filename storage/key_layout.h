// Every key in the store is built and parsed here. Big-endian integers, so that byte order is
// numeric order; each key starts with the collection id, so that one range holds a collection.
//
//   family     key                                              value
//   kMeta      0 01                                             CounterRecord (next collection id)
//   kMeta      0 02 alias                                       AliasRecord
//   kMeta      0 03 collection                                  CatalogRecord
//   kMeta      collection 01                                    ManifestRecord
//   kMeta      collection 02                                    SequenceRecord
//   kMeta      collection 03                                    CheckpointRecord
//   kPoints    collection id                                    PointRecord
//   kVectors   collection field:u16 slot:u32                    dense vector
//   kSparse    collection field:u16 slot:u32                    SparseRecord
//   kPayload   collection slot:u32                              JSON text, as it is
//   kFeedback  collection event:u64                             FeedbackRecord
//   kLearning  collection kind:u8 number:u64                    VersionRecord, JobRecord
//   kChanges   collection sequence:u64                          change_log.h in engine/collection
//
// A point id is 00 and eight bytes, or 01 and the sixteen bytes of a UUID: byte order is scroll
// order. All functions are pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/base/ids.h"
#include "storage/key_value_store.h"

namespace almagest {

// Keys with first <= key < limit; an empty limit means no upper end (KeyValueStore::Scan).
struct KeyRange {
  std::string first;
  std::string limit;
};
// All keys that start with `prefix`.
KeyRange PrefixRange(std::string prefix);

// What kLearning holds; the number is part of the format.
enum class LearningKind : uint8_t {
  kVersion = 1,
  kJob = 2,
  kReport = 3,
  kPolicy = 4,
  kBridge = 5,
  kAdapter = 6,  // The matrices of a version, under its number.
};

std::string NextCollectionIdKey();
std::string AliasKey(std::string_view alias);
std::string CatalogKey(CollectionId collection);
std::string ManifestKey(CollectionId collection);
std::string SequenceKey(CollectionId collection);
std::string CheckpointKey(CollectionId collection);
std::string PointKey(CollectionId collection, const PointId& id);
// kVectors and kSparse alike.
std::string VectorKey(CollectionId collection, FieldId field, Slot slot);
std::string PayloadKey(CollectionId collection, Slot slot);
std::string FeedbackKey(CollectionId collection, EventId event);
// `sequence` is the last operation of the request.
std::string ChangeKey(CollectionId collection, SequenceNumber sequence);
// A version's number carries its field in the upper 32 bits (VersionNumber).
std::string LearningKey(CollectionId collection, LearningKind kind, uint64_t number);
constexpr uint64_t VersionNumber(FieldId field, VersionId version) {
  return (uint64_t{field} << 32) | version;
}

KeyRange AliasRange();    // kMeta: every alias.
KeyRange CatalogRange();  // kMeta: every collection.
// In any family: everything of one collection (except its catalog record and aliases).
KeyRange CollectionRange(CollectionId collection);
// kPoints: the points with an id >= `first`, in scroll order.
KeyRange PointRange(CollectionId collection, const PointId& first = uint64_t{0});
KeyRange VectorRange(CollectionId collection, FieldId field);  // kVectors and kSparse.
KeyRange FeedbackRange(CollectionId collection, EventId first = 0);
KeyRange LearningRange(CollectionId collection, LearningKind kind);
// kChanges: requests whose last operation is >= `first`, in order.
KeyRange ChangeRange(CollectionId collection, SequenceNumber first = 0);

// The inverse functions: nullopt if the key does not have the form.
std::optional<std::string> ParseAliasKey(std::string_view key);
std::optional<CollectionId> ParseCatalogKey(std::string_view key);
struct PointKeyParts {
  CollectionId collection;
  PointId id;
};
std::optional<PointKeyParts> ParsePointKey(std::string_view key);
struct VectorKeyParts {
  CollectionId collection;
  FieldId field;
  Slot slot;
};
std::optional<VectorKeyParts> ParseVectorKey(std::string_view key);
struct PayloadKeyParts {
  CollectionId collection;
  Slot slot;
};
std::optional<PayloadKeyParts> ParsePayloadKey(std::string_view key);
struct FeedbackKeyParts {
  CollectionId collection;
  EventId event;
};
std::optional<FeedbackKeyParts> ParseFeedbackKey(std::string_view key);
std::optional<SequenceNumber> ParseChangeKey(std::string_view key);
struct LearningKeyParts {
  CollectionId collection;
  LearningKind kind;
  uint64_t number;
};
std::optional<LearningKeyParts> ParseLearningKey(std::string_view key);

// Adds to `batch` the removal of everything that a collection holds: one range per family and its
// catalog record. Aliases are the caller's to remove. `collection` must not be 0.
void AddCollectionRemoval(CollectionId collection, WriteBatch* batch);

}  // namespace almagest
