// Vectors that come and go while the collection serves. Segments are never touched: those that
// exist have no such vector, or go on carrying one that nobody asks for until they are rewritten.
#include "engine/collection/collection_state.h"
#include "engine/collection/version_store.h"
#include "storage/key_layout.h"
#include "storage/record_codec.h"

namespace almagest {
namespace {

// A config that names every field's id.
CollectionConfig WithFieldIds(const CollectionState& state) {
  CollectionConfig config = state.Config();
  config.field_ids.clear();
  for (const CollectionField& field : state.fields.All()) config.field_ids[field.name] = field.id;
  return config;
}

bool SameKind(const CollectionConfig& config, const std::string& name,
              const Collection::NewVector& added) {
  if (const auto* dense = std::get_if<DenseVectorConfig>(&added)) {
    const auto found = config.dense.find(name);
    return found != config.dense.end() && found->second.dimension == dense->dimension &&
           found->second.distance == dense->distance && found->second.datatype == dense->datatype &&
           found->second.multi == dense->multi;
  }
  const auto found = config.sparse.find(name);
  return found != config.sparse.end() &&
         found->second.idf == std::get<SparseVectorConfig>(added).idf;
}

// One atomic write: the manifest (it knows which ids were ever used), the counters, the config and
// what `batch` has.
Result<WriteResult> CommitFields(CollectionState& state, const CollectionConfig& changed,
                                 FieldId next_field_id, WriteBatch batch,
                                 const Collection::PersistConfig& persist) {
  SequenceRecord counters = state.counters;
  ChangeSet changes;
  changes.previous = counters.last_sequence++;
  state.AddCounters(counters, changes, &batch);
  persist(changed, &batch);
  ManifestRecord next = state.manifest;
  next.next_field_id = next_field_id;
  ALMAGEST_TRY_VOID(state.CommitManifest(std::move(next), std::move(batch)));
  state.TakeCounters(counters, changes);
  const std::unique_lock config_lock(state.config_mutex);
  state.config = changed;
  return WriteResult{counters.last_sequence};
}

}  // namespace

Result<WriteResult> Collection::AddVector(const std::string& name, const NewVector& added,
                                          const PersistConfig& persist) {
  State& state = *state_;
  const std::lock_guard lock(state.writer_mutex);
  CollectionConfig config = WithFieldIds(state);
  if (config.field_ids.contains(name)) {
    if (SameKind(config, name, added)) return WriteResult{state.counters.last_sequence};
    return Fail(ErrorCode::kAlreadyExists,
                "vector `" + name + "` already exists with other parameters");
  }
  const size_t id = state.manifest.next_field_id;
  if (id >= kVectorFieldsMax) {
    return Fail(ErrorCode::kResourceExhausted,
                "the collection has used all " + std::to_string(kVectorFieldsMax) +
                    " vector names that it can have over its life, removed ones included");
  }
  CollectionField field;
  field.id = static_cast<FieldId>(id);
  field.name = name;
  if (const auto* dense = std::get_if<DenseVectorConfig>(&added)) {
    config.dense[name] = *dense;
    field.dimension = dense->dimension;
    field.distance = dense->distance;
    field.datatype = dense->datatype;
    field.is_multi = dense->multi;
  } else {
    config.sparse[name] = std::get<SparseVectorConfig>(added);
    field.is_sparse = true;
    field.distance = Distance::kDot;
  }
  config.field_ids[name] = field.id;
  ALMAGEST_TRY_VOID(ValidateConfig(config));
  ALMAGEST_TRY(const WriteResult result,
               CommitFields(state, config, static_cast<FieldId>(id + 1), {}, persist));
  // In memory: all that a reader of the field needs, then the field.
  if (field.is_sparse) {
    const std::unique_lock points_lock(state.points_mutex);
    state.terms[field.id];
  } else if (field.is_dense()) {
    state.versions[field.id] = std::make_shared<const VersionSet>(
        field.dimension, field.normalised(), std::vector<AdapterVersion>(), VersionId{0},
        AdapterReader(state.store, state.id, field.id, field.dimension));
  }
  state.FreezeGrowing();  // It has no place for the field.
  state.PublishView();
  state.fields.Add(field);
  return result;
}

Result<WriteResult> Collection::RemoveVector(const std::string& name,
                                             const PersistConfig& persist) {
  State& state = *state_;
  const std::lock_guard versions_lock(state.versions_mutex);
  const std::lock_guard lock(state.writer_mutex);
  CollectionConfig config = WithFieldIds(state);
  const auto found = config.field_ids.find(name);
  if (found == config.field_ids.end()) {
    return Fail(ErrorCode::kInvalidArgument, "Not existing vector name error: " + name);
  }
  const FieldId id = found->second;
  config.dense.erase(name);
  config.sparse.erase(name);
  config.field_ids.erase(found);
  WriteBatch batch;
  const KeyRange vectors = VectorRange(state.id, id);
  batch.DeleteRange(ColumnFamily::kVectors, vectors.first, vectors.limit);
  batch.DeleteRange(ColumnFamily::kSparse, vectors.first, vectors.limit);
  for (const LearningKind kind : {LearningKind::kVersion, LearningKind::kAdapter}) {
    batch.DeleteRange(ColumnFamily::kLearning, LearningKey(state.id, kind, VersionNumber(id, 0)),
                      LearningKey(state.id, kind, VersionNumber(static_cast<FieldId>(id + 1), 0)));
  }
  batch.Delete(ColumnFamily::kLearning, LearningKey(state.id, LearningKind::kPolicy, id));
  BridgeTable bridges;
  DropBridges(state, id, &batch, &bridges);
  ALMAGEST_TRY(const WriteResult result, CommitFields(state, config, state.manifest.next_field_id,
                                                      std::move(batch), persist));
  state.bridges = std::move(bridges);
  if (const auto versions = state.versions.find(id); versions != state.versions.end()) {
    // Their maps go. The segments' rows stay outdated, so that rewrites leave the vector out.
    versions->second = std::make_shared<const VersionSet>(
        versions->second->dimension(), versions->second->normalised(),
        std::vector<AdapterVersion>(), VersionId{0});
  }
  // Who finds the field still, and takes a view, has it from before.
  state.fields.Drop(id);
  state.PublishView();
  const std::unique_lock points_lock(state.points_mutex);
  state.points.DropField(id);
  state.terms.erase(id);
  return result;
}

}  // namespace almagest
