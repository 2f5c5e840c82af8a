// Collection's life and its simple reads. Writes, versions and the optimizer have files of their
// own (collection_*.cpp).
#include "engine/collection/collection.h"

#include <algorithm>
#include <cmath>

#include "engine/collection/collection_state.h"
#include "engine/collection/stored_vectors.h"
#include "engine/payload/payload_path.h"
#include "storage/key_layout.h"

namespace almagest {

Collection::Collection(std::unique_ptr<State> state) : state_(std::move(state)) {}
Collection::~Collection() = default;

Result<std::unique_ptr<Collection>> Collection::Open(uint32_t collection_id, std::string name,
                                                     CollectionConfig config, KeyValueStore& store,
                                                     std::filesystem::path directory,
                                                     const OpeningLimits& limits) {
  ALMAGEST_TRY_VOID(ValidateConfig(config));
  auto state = std::make_unique<State>(collection_id, std::move(name), std::move(config), store,
                                       std::move(directory));
  state->limits = limits;
  ALMAGEST_TRY_VOID(Recover(*state));
  return std::unique_ptr<Collection>(new Collection(std::move(state)));
}

uint32_t Collection::id() const { return state_->id; }
std::string Collection::name() const { return state_->name; }
CollectionConfig Collection::config() const { return state_->Config(); }

bool Collection::has_strict_mode() const {
  const std::shared_lock lock(state_->config_mutex);
  return state_->config.strict_mode.active();
}

std::shared_ptr<const CollectionView> Collection::view() const { return state_->View(); }

CollectionInfo Collection::Info() const {
  const State& state = *state_;
  CollectionInfo info;
  info.points = point_count();
  const auto view = state.View();
  for (const auto& segment : view->segments) {
    SegmentInfo& summary = info.segments.emplace_back();
    summary.id = segment->id();
    summary.sealed = segment->sealed();
    summary.rows = segment->row_count();
    summary.deleted = segment->deleted_count();
    summary.bytes_on_disk = segment->bytes_on_disk();
    summary.bytes_in_memory = segment->bytes_in_memory();
    bool indexed = false;
    for (const CollectionField& field : state.fields.All()) {
      if (field.is_sparse) continue;
      const auto dense = segment->dense(field.id);
      if (!dense) continue;
      summary.versions[field.name] = dense->version;
      indexed = indexed || dense->indexed();
    }
    if (indexed) info.indexed_vectors += summary.rows - std::min(summary.rows, summary.deleted);
  }
  for (const auto& [key, description] : state.indexes.Describe()) {
    info.payload_index_points[key] = description.point_count;
  }
  info.last_operation = state.last_operation;
  info.optimizing =
      NextStep(state.Summaries(), state.Config().optimizer, {false, state.reembedding_paused})
          .has_value();
  return info;
}

Result<Collection::Field> Collection::FindField(const std::string& vector_name) const {
  const CollectionField* field = state_->FindField(vector_name);
  if (field == nullptr) {
    return Fail(ErrorCode::kInvalidArgument, "Not existing vector name error: " + vector_name);
  }
  Field answer;
  answer.id = field->id;
  answer.is_sparse = field->is_sparse;
  const std::shared_lock lock(state_->config_mutex);
  const auto sparse = state_->config.sparse.find(vector_name);
  const auto dense = state_->config.dense.find(vector_name);
  // It may be dropped at this very moment.
  if (field->is_sparse ? sparse == state_->config.sparse.end()
                       : dense == state_->config.dense.end()) {
    return Fail(ErrorCode::kInvalidArgument, "Not existing vector name error: " + vector_name);
  }
  if (field->is_sparse) {
    answer.sparse = sparse->second;
  } else {
    answer.dense = dense->second;
  }
  return answer;
}

const CollectionField* Collection::FindDenseField(const std::string& vector_name) const {
  const CollectionField* field = state_->FindField(vector_name);
  return field != nullptr && field->is_dense() ? field : nullptr;
}

uint64_t Collection::newest_growing() const {
  // What the caller read before (that a row is dead) comes before this.
  std::atomic_thread_fence(std::memory_order_acquire);
  return state_->published_growing.load(std::memory_order_acquire);
}

uint64_t Collection::point_count() const { return state_->points.size(); }

Slot Collection::FindSlot(const PointId& id) const {
  const std::shared_lock lock(state_->points_mutex);
  return state_->points.Find(id);
}

std::optional<Collection::PointState> Collection::FindPoint(Slot slot) const {
  const std::shared_lock lock(state_->points_mutex);
  const auto entry = state_->points.Get(slot);
  if (!entry) return std::nullopt;
  return PointState{entry->id, entry->version};
}

void Collection::FindPoints(std::span<const Slot> slots,
                            std::span<std::optional<PointState>> points) const {
  const std::shared_lock lock(state_->points_mutex);
  for (const Slot slot : slots) state_->points.Prefetch(slot);
  for (size_t i = 0; i < slots.size(); ++i) {
    PointState& point = points[i].emplace();
    if (!state_->points.Identify(slots[i], &point.id, &point.version)) points[i].reset();
  }
}

Result<SlotSet> Collection::MatchingSlots(const Filter& filter, const Deadline& deadline) const {
  SlotSet live;
  {
    const std::shared_lock lock(state_->points_mutex);
    live = state_->points.live();
  }
  return EvaluateFilter(filter, state_->MakeFilterContext(&live, deadline));
}

Result<std::vector<std::string>> Collection::Payloads(std::span<const Slot> slots) const {
  ALMAGEST_TRY(auto payloads, ReadPayloads(state_->store, state_->id, slots));
  for (std::string& payload : payloads) {
    if (payload.empty()) payload = "{}";
  }
  return payloads;
}

Result<NamedVectors> Collection::Vectors(Slot slot, const VectorSelector& selector) const {
  NamedVectors vectors;
  if (selector.kind == VectorSelector::Kind::kNone) return vectors;
  if (selector.kind == VectorSelector::Kind::kNames) {
    for (const std::string& wanted : selector.names) {
      ALMAGEST_TRY_VOID(FindField(wanted));
    }
  }
  uint64_t fields = 0;
  {
    const std::shared_lock lock(state_->points_mutex);
    const auto entry = state_->points.Get(slot);
    if (!entry) return vectors;
    fields = entry->fields;
  }
  for (const CollectionField& field : state_->fields.All()) {
    if ((fields >> field.id & 1) == 0) continue;
    if (selector.kind == VectorSelector::Kind::kNames &&
        std::ranges::find(selector.names, field.name) == selector.names.end()) {
      continue;
    }
    const Slot one[] = {slot};
    if (field.is_sparse) {
      ALMAGEST_TRY(auto found, ReadSparseVectors(state_->store, state_->id, field.id, one));
      if (!found[0]) continue;
      vectors[field.name] = SparseVector{std::move(found[0]->indices), std::move(found[0]->values)};
      continue;
    }
    if (field.is_multi) {
      ALMAGEST_TRY(auto found,
                   ReadMultiVectors(state_->store, state_->id, field.id, one, field.dimension));
      if (found[0]) vectors[field.name] = *std::move(found[0]);
      continue;
    }
    std::vector<bool> present;
    ALMAGEST_TRY(auto dense, BaseVectors(field.id, one, &present));
    if (present[0]) vectors[field.name] = std::move(dense);
  }
  return vectors;
}

Result<std::vector<float>> Collection::BaseVectors(FieldId field, std::span<const Slot> slots,
                                                   std::vector<bool>* present) const {
  if (!state_->fields.Has(field) || !state_->fields[field].is_dense()) {
    return Fail(ErrorCode::kInvalidArgument,
                "field " + std::to_string(field) + " is not a dense vector");
  }
  const uint32_t dimension = state_->fields[field].dimension;
  std::vector<float> vectors(slots.size() * dimension);
  ALMAGEST_TRY_VOID(
      ReadDenseVectors(state_->store, state_->id, field, slots, dimension, vectors, present));
  return vectors;
}

Result<> Collection::VisitPoints(const std::optional<PointId>& first,
                                 const std::function<bool(const PointId&, Slot)>& visit) const {
  const KeyRange range = PointRange(state_->id, first.value_or(PointId(uint64_t{0})));
  return state_->store.Scan(ColumnFamily::kPoints, range.first, range.limit,
                            [&](std::string_view key, std::string_view) {
                              const auto parts = ParsePointKey(key);
                              if (!parts) return true;
                              // Not yet, or no longer, among the live points: skipped.
                              const Slot slot = FindSlot(parts->id);
                              return slot == kNoSlot || visit(parts->id, slot);
                            });
}

Result<> Collection::VisitOrdered(const std::string& key, bool descending,
                                  std::optional<double> start,
                                  const std::function<bool(double value, Slot)>& visit) const {
  ALMAGEST_TRY(const PayloadPath path, PayloadPath::Parse(key));
  const auto visit_value = [&](double value, const SlotSet& slots) {
    for (const Slot slot : slots.ToVector()) {
      if (!visit(value, slot)) return false;
    }
    return true;
  };
  if (state_->indexes.VisitOrdered(path, descending, start, visit_value)) return {};
  // It may be one that is still being made after the collection was opened.
  state_->deferred->Wait();
  if (state_->indexes.VisitOrdered(path, descending, start, visit_value)) return {};
  return Fail(ErrorCode::kBadRequest,
              "No range index for `order_by` key: `" + key +
                  "`. Please create one to use `order_by`: a payload index of type integer (with "
                  "range), float or datetime");
}

std::vector<float> Collection::Idf(FieldId field, std::span<const uint32_t> terms) const {
  std::vector<float> idf;
  idf.reserve(terms.size());
  const std::shared_lock lock(state_->points_mutex);
  const auto statistics = state_->terms.find(field);
  for (const uint32_t term : terms) {
    double points = 0;
    double frequency = 0;
    if (statistics != state_->terms.end()) {
      points = static_cast<double>(statistics->second.points());
      frequency = static_cast<double>(statistics->second.Frequency(term));
    }
    idf.push_back(
        static_cast<float>(std::log((points - frequency + 0.5) / (frequency + 0.5) + 1.0)));
  }
  return idf;
}

Result<> Collection::RemoveFiles() {
  std::error_code error;
  std::filesystem::remove_all(state_->directory, error);
  if (!error) return {};
  return Fail(ErrorCode::kInternal,
              "cannot remove " + state_->directory.string() + ": " + error.message());
}

}  // namespace almagest
