#include "engine/collection/collection_state.h"

#include <algorithm>

#include "engine/collection/segment_builder.h"
#include "engine/collection/stored_vectors.h"
#include "storage/base/check.h"
#include "storage/key_layout.h"
#include "storage/record_codec.h"

namespace almagest {
namespace {

// A growing segment goes on taking rows while the optimizer is busy, up to this many times
// seal_rows; then another one is started.
constexpr uint32_t kGrowingCapacityFactor = 2;
constexpr uint32_t kGrowingCapacityMin = 64;
// Multi-vectors fill a growing segment by their size too: it then goes to be sealed early.
constexpr uint64_t kGrowingMultiBytesMax = uint64_t{256} << 20;

}  // namespace

std::vector<CollectionField> FieldsOf(const CollectionConfig& config) {
  std::vector<CollectionField> fields;
  for (const auto& [name, dense] : config.dense) {
    fields.push_back({static_cast<FieldId>(fields.size()), name, false, dense.dimension,
                      dense.distance, dense.datatype, dense.multi});
  }
  for (const auto& [name, sparse] : config.sparse) {
    fields.push_back({static_cast<FieldId>(fields.size()), name, true, 0, Distance::kDot,
                      Datatype::kFloat32, false});
  }
  if (!config.field_ids.empty()) {
    for (CollectionField& field : fields) field.id = config.field_ids.at(field.name);
    std::ranges::sort(fields, {}, &CollectionField::id);
  }
  return fields;
}

CollectionState::CollectionState(uint32_t collection_id, std::string collection_name,
                                 CollectionConfig initial, KeyValueStore& key_value_store,
                                 std::filesystem::path segment_directory)
    : id(collection_id),
      name(std::move(collection_name)),
      store(key_value_store),
      directory(std::move(segment_directory)),
      fields(FieldsOf(initial)),
      last_write(std::chrono::steady_clock::now()),
      config(std::move(initial)),
      view(std::make_shared<const CollectionView>()) {
  for (const CollectionField& field : fields.All()) {
    if (field.is_sparse) terms[field.id];
  }
}

CollectionConfig CollectionState::Config() const {
  const std::shared_lock lock(config_mutex);
  return config;
}

std::shared_ptr<const CollectionView> CollectionState::View() const {
  const std::lock_guard lock(view_mutex);
  return view;
}

const CollectionField* CollectionState::FindField(const std::string& field_name) const {
  return fields.Find(field_name);
}

FilterContext CollectionState::MakeFilterContext(const SlotSet* live,
                                                 const Deadline& deadline) const {
  FilterContext context;
  context.live = live;
  context.indexes = &indexes;
  context.slot_of = [this](const PointId& point) {
    const std::shared_lock lock(points_mutex);
    return points.Find(point);
  };
  context.id_of = [this](Slot slot) {
    const std::shared_lock lock(points_mutex);
    const auto& entry = points.Get(slot);
    return entry ? entry->id : PointId();
  };
  context.slots_with_vector = [this](const std::string& field_name) {
    const CollectionField* field = FindField(field_name);
    if (field == nullptr) return SlotSet();
    const std::shared_lock lock(points_mutex);
    return points.with_field(field->id);
  };
  context.payloads_of = [this](std::span<const Slot> slots) {
    return ReadPayloads(store, id, slots);
  };
  context.deadline = deadline;
  return context;
}

void CollectionState::PublishView() {
  auto next = std::make_shared<CollectionView>();
  for (const SegmentHandle& handle : segments) next->segments.push_back(handle.segment());
  next->newest_growing = newest_growing;
  next->versions = versions;
  for (const auto& [bridge_id, bridge] : bridges) {
    const BridgeRecord& record = bridge->record();
    if (record.status == BridgeStatus::kActive) next->bridges[record.from] = bridge;
  }
  const std::lock_guard lock(view_mutex);
  view = std::move(next);
  published_growing.store(newest_growing, std::memory_order_release);
}

GrowingSegment& CollectionState::GrowingWithRoom() {
  if (growing && !growing->full() && growing->multi_bytes() < kGrowingMultiBytesMax) {
    return *growing;
  }
  uint32_t seal_rows = 0;
  {
    const std::shared_lock lock(config_mutex);
    seal_rows = config.optimizer.seal_rows;
  }
  std::vector<GrowingDenseField> dense;
  std::vector<FieldId> sparse;
  std::vector<GrowingMultiField> multi;
  for (const CollectionField& field : fields.All()) {
    if (field.is_sparse) {
      sparse.push_back(field.id);
      continue;
    }
    if (field.is_multi) {
      multi.push_back({field.id, field.dimension});
      continue;
    }
    const VersionSet& set = *versions.at(field.id);
    const auto& document = set.active_maps().document;
    const bool mapped = document != nullptr && !document->is_identity();
    dense.push_back({field.id, field.dimension, set.active(), mapped && field.normalised()});
  }
  growing = std::make_shared<GrowingSegment>(
      manifest.next_segment_id++, dense, sparse,
      std::max(kGrowingCapacityMin, seal_rows * kGrowingCapacityFactor), multi);
  segments.push_back({growing, nullptr});
  growing_id = growing->id();
  newest_growing = growing->id();
  return *growing;
}

void CollectionState::FreezeGrowing() {
  growing = nullptr;
  growing_id = 0;
}

void CollectionState::AddCounters(const SequenceRecord& next, const ChangeSet& changes,
                                  WriteBatch* batch) const {
  batch->Put(ColumnFamily::kMeta, SequenceKey(id), EncodeRecord(next));
  batch->Put(ColumnFamily::kChanges, ChangeKey(id, next.last_sequence), EncodeChanges(changes));
}

void CollectionState::TakeCounters(const SequenceRecord& next, const ChangeSet& changes) {
  counters = next;
  last_operation = next.last_sequence;
  logged_points += changes.points.size() + 1;  // An empty record is to be read again, too.
  for (const auto& [field, changed] : changes.terms) logged_terms += changed.terms.size();
}

Result<> CollectionState::CommitManifest(ManifestRecord next, WriteBatch batch) {
  batch.Put(ColumnFamily::kMeta, ManifestKey(id), EncodeRecord(next));
  ALMAGEST_TRY_VOID(store.Write(batch, Durability::kSync));
  manifest = std::move(next);
  return {};
}

RowLocation CollectionState::Locate(Slot slot) const {
  const RowLocation growing_row = points.growing_row(slot);
  if (growing_row != RowLocation()) return growing_row;
  for (size_t i = segments.size(); i-- > 0;) {
    const auto& sealed = segments[i].sealed;
    if (!sealed) continue;
    const auto row = sealed->FindLiveRow(slot);
    if (row) return {static_cast<uint32_t>(sealed->id()), *row};
  }
  return {};
}

const SegmentHandle* CollectionState::FindSegment(uint32_t segment_id) const {
  const auto found = std::ranges::find_if(
      segments, [&](const SegmentHandle& handle) { return handle.id() == segment_id; });
  return found == segments.end() ? nullptr : &*found;
}

std::vector<SegmentSummary> CollectionState::Summaries() const {
  const auto current = View();
  const CollectionConfig settings = Config();
  const auto wanted_index = [&](FieldId field, uint32_t rows) {
    const auto dense = settings.dense.find(fields[field].name);
    return dense == settings.dense.end() ? 0 : IndexSettings(dense->second, rows);
  };
  std::vector<SegmentSummary> summaries;
  for (const auto& segment : current->segments) {
    SegmentSummary& summary = summaries.emplace_back();
    summary.id = segment->id();
    summary.sealed = segment->sealed();
    summary.growing = segment->id() == growing_id;
    summary.deleted = segment->deleted_count();
    summary.rows = segment->row_count();
    for (const auto& [field, set] : current->versions) {
      const auto dense = segment->dense(field);
      if (!dense) continue;
      if (!set->SameDocumentMap(dense->version, set->active())) summary.outdated = true;
      if (summary.sealed && dense->settings != wanted_index(field, summary.rows)) {
        summary.outdated = true;
      }
    }
  }
  return summaries;
}

std::vector<RowLocation> AppendRows(CollectionState& state, std::span<const BaseRow> rows) {
  // Served vectors of each dense field, for those rows that have it.
  struct Served {
    std::vector<float> vectors;
    std::vector<float> norms;
    std::vector<uint32_t> place;  // Row -> its place in `vectors`.
  };
  std::map<FieldId, Served> served;
  for (const CollectionField& field : state.fields.All()) {
    if (!field.is_dense()) continue;
    Served& mine = served[field.id];
    std::vector<float> base;
    mine.place.resize(rows.size());
    uint32_t count = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto found = rows[i].vectors->find(field.id);
      if (found == rows[i].vectors->end()) continue;
      const auto& vector = std::get<DenseVector>(found->second);
      base.insert(base.end(), vector.begin(), vector.end());
      mine.place[i] = count++;
    }
    mine.norms.assign(count, 1.0f);
    const VersionSet& set = *state.versions.at(field.id);
    const auto& document = set.active_maps().document;
    if (count == 0 || document == nullptr || document->is_identity()) {
      mine.vectors = std::move(base);
      continue;
    }
    mine.vectors.resize(base.size());
    document->ApplyBatch(base, count, mine.vectors, field.normalised(), mine.norms);
  }

  std::vector<RowLocation> locations;
  locations.reserve(rows.size());
  GrowingRow row;
  for (size_t i = 0; i < rows.size(); ++i) {
    row.slot = rows[i].slot;
    row.dense.clear();
    row.sparse.clear();
    row.multi.clear();
    for (const auto& [field, vector] : *rows[i].vectors) {
      if (const auto* sparse = std::get_if<SparseVector>(&vector)) {
        row.sparse.push_back({field, {sparse->indices, sparse->values}});
        continue;
      }
      if (const auto* multi = std::get_if<MultiVector>(&vector)) {
        row.multi.push_back({field, multi->values});
        continue;
      }
      const Served& mine = served.at(field);
      const size_t dimension = state.fields[field].dimension;
      const uint32_t place = mine.place[i];
      row.dense.push_back({field, std::span(mine.vectors).subspan(place * dimension, dimension),
                           mine.norms[place]});
    }
    GrowingSegment& segment = state.GrowingWithRoom();
    const uint32_t number = segment.Append(row);
    locations.push_back({static_cast<uint32_t>(segment.id()), number});
  }
  return locations;
}

}  // namespace almagest
