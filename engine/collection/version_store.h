// Adapter versions as they are stored, two VersionRecords each in kLearning: under kVersion what is
// known of it, under kAdapter the adapter file (docs/job-folder.md, "adapter.safetensors") as a
// blob, so that a start reads no matrices. (Earlier programs stored the blob beside what is known.)
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/collection/version_set.h"
#include "storage/key_value_store.h"

namespace almagest {

// Fills the maps, their document key (and the kind, where `version` has none) from an adapter file.
//   metadata  format_version "1" or "2", kind, document_side "identity" or "linear", dimension
//   tensors   query_weight [D, D], query_bias [D], document_weight [D, D], document_bias [D]; the
//             document's only where its side is linear. y = W x + b, weights outputs x inputs.
//             With format_version "2" those of residual_tensors.h, too.
// kInvalidArgument: malformed, misshapen or not finite.
Result<> ParseAdapter(const std::string& safetensors, uint32_t dimension, AdapterVersion* version);

// The `fusion` of a trainer's report; nullopt where it has none, or one that cannot be used (k and
// weights must be finite, k from 1, weights from 0 and not both 0).
std::optional<LearnedFusion> LearnedFusionOf(const std::string& report_json);

void PutVersion(CollectionId collection, FieldId field, const AdapterVersion& version,
                const std::string& adapter_safetensors, WriteBatch* batch);

// Adds to `batch` the change of a stored version's status. Does nothing for the built-in version 0.
Result<> PutVersionStatus(const KeyValueStore& store, CollectionId collection, FieldId field,
                          VersionId version, VersionStatus status, WriteBatch* batch);

// The maps of a stored version. kNotFound if it is not stored, kCorruption if they cannot be read.
// Cost: reading and copying the adapter file.
Result<AdapterMaps> ReadAdapter(const KeyValueStore& store, CollectionId collection, FieldId field,
                                VersionId version, uint32_t dimension);

// ReadAdapter of any version of a field. The store outlives the reader.
VersionSet::ReadMaps AdapterReader(const KeyValueStore& store, CollectionId collection,
                                   FieldId field, uint32_t dimension);

// All versions of a collection without their maps, by field, ascending. `dimensions` by dense
// field. A version that an earlier program stored as one record is rewritten as two, in one synced
// write each, so that no later start parses its adapter; where that cannot be written (the disk is
// full) it stays as it is, with a warning, and can be used. kCorruption for what cannot be read.
Result<std::map<FieldId, std::vector<AdapterVersion>>> LoadVersions(
    KeyValueStore& store, CollectionId collection, const std::map<FieldId, uint32_t>& dimensions);

}  // namespace almagest
