// The one step that changes segments: rows of some segments become one new sealed segment. Sealing,
// merging, vacuuming and re-embedding differ only in which segments are chosen.
#include <algorithm>
#include <set>

#include "engine/collection/collection_state.h"
#include "engine/collection/row_factors.h"
#include "engine/collection/segment_builder.h"
#include "engine/index/code_graph_build.h"
#include "storage/base/log.h"

namespace almagest {
namespace {

constexpr uint32_t kRowsPerLock = 16'384;

struct Sources {
  std::vector<SegmentHandle> handles;  // By age.
  std::set<uint32_t> ids;
  SequenceNumber last_sequence = 0;
  uint64_t new_id = 0;
  std::map<FieldId, std::shared_ptr<const VersionSet>> versions;
};

// Empty handles if one of the segments is gone. Freezes the growing segment if it is among them.
Sources TakeSources(CollectionState& state, const std::vector<uint64_t>& ids) {
  const std::lock_guard lock(state.writer_mutex);
  Sources sources;
  for (const SegmentHandle& handle : state.segments) {
    if (std::ranges::find(ids, handle.id()) == ids.end()) continue;
    sources.handles.push_back(handle);
    sources.ids.insert(static_cast<uint32_t>(handle.id()));
  }
  if (sources.ids.size() != ids.size()) {
    sources.handles.clear();
    return sources;
  }
  if (state.growing && sources.ids.contains(static_cast<uint32_t>(state.growing->id()))) {
    state.FreezeGrowing();
  }
  sources.last_sequence = state.counters.last_sequence;
  sources.new_id = state.manifest.next_segment_id++;
  sources.versions = state.versions;
  return sources;
}

// The live rows of the sources as (slot, vector_sequence), ascending. A slot is in one source
// only: frozen segments get no rows, so a point that moves leaves all of them.
Result<std::vector<std::pair<Slot, SequenceNumber>>> LiveRows(const CollectionState& state,
                                                              const Sources& sources,
                                                              StepThrottle& throttle) {
  std::vector<std::pair<Slot, SequenceNumber>> rows;
  for (const SegmentHandle& handle : sources.handles) {
    const auto segment = handle.segment();
    const auto id = static_cast<uint32_t>(segment->id());
    const uint32_t count = segment->row_count();
    for (uint32_t first = 0; first < count; first += kRowsPerLock) {
      const std::shared_lock lock(state.points_mutex);
      for (uint32_t row = first; row < std::min(count, first + kRowsPerLock); ++row) {
        const Slot slot = segment->slot_of(row);
        const auto entry = state.points.Get(slot);
        if (!entry) continue;
        // A sealed row is the point's if it was made from the vectors that the point has; of two
        // such rows (after a repair) one is dead.
        const bool current =
            handle.sealed ? !handle.sealed->IsDeleted(row) &&
                                handle.sealed->vector_sequences()[row] == entry->vector_sequence
                          : state.points.growing_row(slot) == RowLocation{id, row};
        if (current) rows.emplace_back(slot, entry->vector_sequence);
      }
    }
    ALMAGEST_TRY_VOID(throttle.Check());
  }
  std::ranges::sort(rows);
  return rows;
}

// Most rows of a merge or a vacuum come from one segment: its graphs are where the new ones begin,
// where they were built by the same settings of rows that served the same way.
void ReuseLargest(const Sources& sources, SegmentPlan& plan) {
  const auto live = [](const SealedSegment& segment) {
    return segment.row_count() - segment.deleted_count();
  };
  std::shared_ptr<const SealedSegment> largest;
  for (const SegmentHandle& handle : sources.handles) {
    if (!handle.sealed) continue;
    if (largest == nullptr || live(*handle.sealed) > live(*largest)) largest = handle.sealed;
  }
  if (largest == nullptr || size_t{live(*largest)} * 2 < plan.slots.size()) return;
  for (SegmentPlan::Dense& dense : plan.dense) {
    const auto field = largest->dense(dense.id);
    const auto rows = static_cast<uint32_t>(plan.slots.size());
    dense.reused = field && field->code_graph != nullptr &&
                   field->settings == IndexSettings(dense.config, rows) &&
                   sources.versions.at(dense.id)->SameDocumentMap(field->version, dense.version);
  }
  const SectionNumbers& slots = *largest->sorted_slots();
  plan.reused_rows_now.assign(slots.size(), KnownLinks::kGone);
  size_t row_now = 0;
  for (uint32_t row = 0; row < slots.size(); ++row) {
    const uint64_t slot = slots[row];
    while (row_now < plan.slots.size() && plan.slots[row_now] < slot) ++row_now;
    if (row_now == plan.slots.size()) break;
    if (plan.slots[row_now] != slot) continue;
    // Otherwise the point has got other vectors since.
    if (plan.vector_sequences[row_now] == largest->vector_sequences()[row]) {
      plan.reused_rows_now[row] = static_cast<uint32_t>(row_now);
    }
  }
  plan.reused = std::move(largest);
}

SegmentPlan MakePlan(const CollectionState& state, const Sources& sources,
                     const std::vector<std::pair<Slot, SequenceNumber>>& rows) {
  const CollectionConfig config = state.Config();
  SegmentPlan plan;
  plan.id = sources.new_id;
  plan.path = state.directory / SegmentFileName(plan.id);
  plan.collection = state.id;
  for (const CollectionField& field : state.fields.All()) {
    if (field.is_sparse) {
      plan.sparse.push_back(field.id);
      continue;
    }
    if (field.is_multi) {
      plan.multi.push_back({field.id, field.dimension});
      continue;
    }
    // Fields that came or went since the sources were taken have nothing in them that counts.
    const auto dense = config.dense.find(field.name);
    const auto versions = sources.versions.find(field.id);
    if (dense == config.dense.end() || versions == sources.versions.end()) continue;
    const VersionSet& set = *versions->second;
    plan.dense.push_back({field.id, dense->second, set.active(), set.active_maps().document});
  }
  for (const auto& [slot, sequence] : rows) {
    plan.slots.push_back(slot);
    plan.vector_sequences.push_back(sequence);
  }
  ReuseLargest(sources, plan);
  return plan;
}

// What the active versions need, and the factors that the sources kept for others. What searches
// by other versions made on their way, they make again; so they do where the adapter of one that is
// not active cannot be read.
Result<> PrepareLikeSources(const std::map<FieldId, std::shared_ptr<const VersionSet>>& versions,
                            const Sources& sources, const Segment& segment) {
  for (const auto& [field, set] : versions) {
    ALMAGEST_TRY_VOID(PrepareActive(*set, segment, field));
  }
  std::set<Segment::FactorsKey> targets;
  for (const SegmentHandle& handle : sources.handles) {
    for (const auto& target : handle.segment()->kept_factor_targets()) targets.insert(target);
  }
  for (const auto& [field, target] : targets) {
    const auto set = versions.find(field);
    if (set == versions.end() || set->second->Find(target) == nullptr) continue;
    const auto prepared = PrepareRowFactors(*set->second, segment, field, target, /*keep=*/true);
    if (!prepared) {
      LogWarning("a rewritten segment is not prepared for version " + std::to_string(target) +
                 ": " + prepared.error().message);
    }
  }
  return {};
}

ManifestRecord NextManifest(const CollectionState& state, const Sources& sources,
                            const SealedSegment* built) {
  ManifestRecord next = state.manifest;
  size_t position = next.segments.size();
  for (size_t i = next.segments.size(); i-- > 0;) {
    if (!sources.ids.contains(static_cast<uint32_t>(next.segments[i].id))) continue;
    next.segments.erase(next.segments.begin() + static_cast<ptrdiff_t>(i));
    position = i;
  }
  if (built == nullptr) return next;
  SegmentRecord record;
  record.id = built->id();
  record.file_name = SegmentFileName(built->id());
  record.row_count = built->row_count();
  record.sequence = sources.last_sequence;
  record.versions = built->versions();
  next.segments.insert(next.segments.begin() + static_cast<ptrdiff_t>(position), std::move(record));
  return next;
}

// Points that are still where they were move to the new segment; the rows of those that were
// updated or deleted meanwhile are born dead.
void MovePoints(CollectionState& state, const Sources& sources, SealedSegment& built) {
  const std::unique_lock lock(state.points_mutex);
  for (uint32_t row = 0; row < built.row_count(); ++row) {
    const Slot slot = built.slot_of(row);
    const auto entry = state.points.Get(slot);
    if (!entry || entry->vector_sequence != built.vector_sequences()[row]) {
      built.MarkDeleted(row);
    } else if (sources.ids.contains(state.points.growing_row(slot).segment)) {
      state.points.ForgetGrowingRow(slot);
    }
  }
}

// Those for rows of versions that no segment has any more go. Under writer_mutex.
void KeepComposedMaps(const CollectionState& state) {
  for (const auto& [field, set] : state.versions) {
    std::vector<VersionId> row_versions;
    for (const SegmentHandle& handle : state.segments) {
      const auto dense = handle.segment()->dense(field);
      if (dense) row_versions.push_back(dense->version);
    }
    set->KeepComposed(row_versions);
  }
}

Result<> Commit(CollectionState& state, const Sources& sources,
                const std::shared_ptr<SealedSegment>& built) {
  // The active version may have changed since the build began; then the new segment is an
  // outdated one like others, and is searched and re-embedded like them. It does not change any
  // more from here on, so that all is prepared while writes go on.
  const std::lock_guard versions_lock(state.versions_mutex);
  if (built) {
    const auto versions = state.View()->versions;
    ALMAGEST_TRY_VOID(PrepareLikeSources(versions, sources, *built));
  }
  const std::lock_guard lock(state.writer_mutex);
  ALMAGEST_TRY_VOID(state.CommitManifest(NextManifest(state, sources, built.get())));
  if (built) MovePoints(state, sources, *built);
  std::vector<SegmentHandle> segments;
  bool placed = built == nullptr;
  for (const SegmentHandle& handle : state.segments) {
    if (!sources.ids.contains(static_cast<uint32_t>(handle.id()))) {
      segments.push_back(handle);
    } else if (!placed) {
      segments.push_back({nullptr, built});
      placed = true;
    }
  }
  state.segments = std::move(segments);
  state.PublishView();
  KeepComposedMaps(state);
  return {};
}

Result<> Run(CollectionState& state, const Sources& sources, StepThrottle& throttle) {
  ALMAGEST_TRY(const auto rows, LiveRows(state, sources, throttle));
  std::shared_ptr<SealedSegment> built;
  std::filesystem::path path;
  if (!rows.empty()) {
    // A segment that cannot be committed would only fill the disk further.
    uint64_t bytes = 0;
    for (const SegmentHandle& handle : sources.handles) {
      bytes +=
          handle.sealed ? handle.segment()->bytes_on_disk() : handle.segment()->bytes_in_memory();
    }
    ALMAGEST_TRY_VOID(state.store.CheckRoom(bytes));
    const SegmentPlan plan = MakePlan(state, sources, rows);
    path = plan.path;
    ALMAGEST_TRY_VOID(BuildSegmentFile(plan, state.store, throttle));
    std::vector<SealedSegment::FieldSpec> specs;
    for (const CollectionField& field : state.fields.All()) {
      specs.push_back({field.id, field.is_sparse, field.dimension, field.is_multi});
    }
    auto opened = SealedSegment::Open(path, plan.id, specs);
    const Result<> prepared =
        opened ? PrepareLikeSources(sources.versions, sources, **opened) : Fail(opened.error());
    if (!prepared || !throttle.Continue()) {
      std::error_code error;
      std::filesystem::remove(path, error);
      if (!prepared) return prepared;
      return throttle.Check();
    }
    built = std::move(*opened);
    built->MoveGraphsToMemory();
  }
  // A failed commit keeps the file: whether the manifest reached the disk is unknown, and the next
  // start removes what is not in it.
  ALMAGEST_TRY_VOID(Commit(state, sources, built));
  for (const SegmentHandle& handle : sources.handles) {
    if (!handle.sealed) continue;
    // Views that still hold it have it mapped: the bytes stay until the last one goes.
    std::error_code error;
    std::filesystem::remove(state.directory / SegmentFileName(handle.id()), error);
    if (error) LogWarning("cannot remove a replaced segment file: " + error.message());
  }
  return {};
}

}  // namespace

Result<bool> Rewrite(CollectionState& state, const std::vector<uint64_t>& ids,
                     const std::function<bool(double cpu_seconds)>& callback) {
  StepThrottle throttle(callback);
  const Sources sources = TakeSources(state, ids);
  if (sources.handles.empty()) return false;
  const auto done = Run(state, sources, throttle);
  if (throttle.stopped()) return false;
  if (!done) return Fail(done.error());
  return true;
}

}  // namespace almagest
