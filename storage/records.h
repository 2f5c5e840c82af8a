// The records that Almagest keeps, as plain structs. record_codec.h turns them into bytes,
// key_layout.h says under which keys they lie.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "storage/base/ids.h"

namespace almagest {

// kPoints: what is known of a point besides its vectors and payload.
struct PointRecord {
  Slot slot = kNoSlot;
  SequenceNumber sequence = 0;         // The last operation that changed the point.
  SequenceNumber vector_sequence = 0;  // The last one that changed its vectors: a segment row
                                       // written earlier is stale.
  std::vector<FieldId> dense_fields;   // Fields of which the point has a vector, ascending.
  std::vector<FieldId> sparse_fields;
  bool operator==(const PointRecord&) const = default;
};

// kSparse: indices strictly ascending, one value each.
struct SparseRecord {
  std::vector<uint32_t> indices;
  std::vector<float> values;
  bool operator==(const SparseRecord&) const = default;
};

// A sealed segment: an immutable file in the collection's folder.
struct SegmentRecord {
  uint64_t id = 0;
  std::string file_name;
  uint64_t row_count = 0;
  // The last operation that the rows reflect: a point whose vector_sequence is larger has a newer
  // vector elsewhere.
  SequenceNumber sequence = 0;
  std::map<FieldId, VersionId> versions;  // Adapter version of the rows, per dense field.
  bool operator==(const SegmentRecord&) const = default;
};

struct FieldVersions {
  VersionId active = 0;    // Queries use this one.
  VersionId previous = 0;  // What a rollback returns to.
  VersionId next = 1;      // The number that the next version gets.
  bool operator==(const FieldVersions&) const = default;
};

// The searchable state of a collection. Replaced as a whole in one batch, so that a step of the
// optimizer, an activation or a rollback happens or does not.
struct ManifestRecord {
  uint64_t next_segment_id = 1;
  FieldId next_field_id = 0;
  std::vector<SegmentRecord> segments;
  std::map<FieldId, FieldVersions> fields;  // Dense fields only.
  bool operator==(const ManifestRecord&) const = default;
};

// What a collection is, as its owner asked for it.
struct CatalogRecord {
  CollectionId id = 0;
  std::string name;
  std::string config;             // JSON; the engine's own format.
  int64_t created_at_micros = 0;  // Since 1970-01-01T00:00:00Z.
  bool operator==(const CatalogRecord&) const = default;
};

// Counters of a collection, part of every batch that advances one of them.
struct SequenceRecord {
  SequenceNumber last_sequence = 0;  // The last operation applied.
  Slot next_slot = 0;
  EventId next_event = 1;
  bool operator==(const SequenceRecord&) const = default;
};

// The file that holds the point table as of operation `sequence` (engine/collection). Only a file
// with this nonce inside is the one meant.
struct CheckpointRecord {
  std::string file_name;
  SequenceNumber sequence = 0;
  uint64_t nonce = 0;
  bool operator==(const CheckpointRecord&) const = default;
};

// An alias of a collection (the alias itself is the key).
struct AliasRecord {
  CollectionId collection = 0;
  bool operator==(const AliasRecord&) const = default;
};

// One counter of the whole server: the next collection id.
struct CounterRecord {
  uint64_t next = 1;
  bool operator==(const CounterRecord&) const = default;
};

// Records whose inside belongs to the engine: a kind that it numbers, a JSON body and named blobs
// (matrices, query vectors).
struct OpaqueRecord {
  uint32_t kind = 0;
  std::string body;
  std::map<std::string, std::string> blobs;
  bool operator==(const OpaqueRecord&) const = default;
};
struct FeedbackRecord : OpaqueRecord {};
struct VersionRecord : OpaqueRecord {};
struct JobRecord : OpaqueRecord {};

}  // namespace almagest
