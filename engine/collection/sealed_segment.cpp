#include "engine/collection/sealed_segment.h"

#include <algorithm>

namespace almagest {
namespace {

Result<> CheckCount(const char* section, size_t found, size_t expected) {
  if (found == expected) return {};
  return Fail(ErrorCode::kCorruption, std::string("section ") + section + " holds " +
                                          std::to_string(found) + " values instead of " +
                                          std::to_string(expected));
}

}  // namespace

std::string SegmentFileName(uint64_t id) { return "segment-" + std::to_string(id) + ".alm"; }
std::string DenseSection(FieldId field, std::string_view part) {
  return "dense" + std::to_string(field) + "." + std::string(part);
}
std::string SparseSection(FieldId field) { return "sparse" + std::to_string(field); }

Result<std::shared_ptr<SealedSegment>> SealedSegment::Open(const std::filesystem::path& path,
                                                           uint64_t id,
                                                           std::span<const FieldSpec> fields) {
  ALMAGEST_TRY(SectionFile file, SectionFile::Open(path, SectionFile::Verify::kAll));
  std::shared_ptr<SealedSegment> segment(new SealedSegment(id, std::move(file)));
  ALMAGEST_TRY_VOID(segment->Load(fields));
  return segment;
}

Result<> SealedSegment::Load(std::span<const FieldSpec> fields) {
  ALMAGEST_TRY(const auto info, file_.Value<SegmentFileInfo>("info"));
  if (info.id != id()) {
    return Fail(ErrorCode::kCorruption,
                "the file is segment " + std::to_string(info.id) + ", not " + std::to_string(id()));
  }
  ALMAGEST_TRY(slots_, file_.Array<Slot>("slots"));
  ALMAGEST_TRY_VOID(CheckCount("slots", slots_.size(), info.rows));
  if (std::ranges::adjacent_find(slots_, std::greater_equal<Slot>()) != slots_.end() ||
      (!slots_.empty() && slots_.back() == kNoSlot)) {
    return Fail(ErrorCode::kCorruption, "section slots is not strictly ascending");
  }
  ALMAGEST_TRY(vector_sequences_, file_.Array<SequenceNumber>("vector_sequences"));
  ALMAGEST_TRY_VOID(CheckCount("vector_sequences", vector_sequences_.size(), info.rows));
  deleted_ = std::make_unique<AtomicBitmap>(info.rows);
  for (const FieldSpec& spec : fields) {
    if (spec.is_sparse) {
      if (!file_.Has(SparseSection(spec.id) + ".meta")) continue;
      ALMAGEST_TRY(SparseIndex index, SparseIndex::Open(file_, SparseSection(spec.id)));
      ALMAGEST_TRY_VOID(CheckCount("sparse rows", index.row_count(), info.rows));
      sparse_.emplace(spec.id, index);
    } else if (file_.Has(DenseSection(spec.id, "info"))) {
      ALMAGEST_TRY_VOID(LoadDense(spec));
    }
  }
  return {};
}

Result<> SealedSegment::LoadDense(const FieldSpec& spec) {
  ALMAGEST_TRY(const auto info, file_.Value<DenseFieldInfo>(DenseSection(spec.id, "info")));
  ALMAGEST_TRY_VOID(CheckCount("dense dimension", info.dimension, spec.dimension));
  ALMAGEST_TRY(const auto rows, file_.Section(DenseSection(spec.id, "rows")));
  std::span<const std::byte> present;
  if (file_.Has(DenseSection(spec.id, "present"))) {
    ALMAGEST_TRY(present, file_.Section(DenseSection(spec.id, "present")));
  }
  Dense& dense = dense_[spec.id];
  dense.field.version = info.version;
  ALMAGEST_TRY(dense.field.rows,
               DenseRowsView::FromBytes(rows, row_count(), info.dimension, present));
  if (file_.Has(DenseSection(spec.id, "norms"))) {
    ALMAGEST_TRY(const auto norms, file_.Array<float>(DenseSection(spec.id, "norms")));
    ALMAGEST_TRY_VOID(CheckCount("norms", norms.size(), row_count()));
    dense.field.norms = norms.data();
  }
  if (info.has_graph != 0) {
    ALMAGEST_TRY(dense.graph, HnswGraph::Open(file_, DenseSection(spec.id, "graph")));
    ALMAGEST_TRY_VOID(CheckCount("graph rows", dense.graph.row_count(), row_count()));
    dense.has_graph = true;
    dense.field.graph = &dense.graph;  // A map node: its address does not change.
  }
  return {};
}

bool SealedSegment::MarkDeleted(uint32_t row) {
  if (!deleted_->Set(row)) return false;
  deleted_count_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

std::map<FieldId, VersionId> SealedSegment::versions() const {
  std::map<FieldId, VersionId> versions;
  for (const auto& [id, dense] : dense_) versions[id] = dense.field.version;
  return versions;
}

uint64_t SealedSegment::indexed_rows() const {
  uint64_t rows = 0;
  for (const auto& [id, dense] : dense_) {
    if (dense.has_graph) rows = std::max<uint64_t>(rows, row_count() - deleted_count());
  }
  return rows;
}

std::optional<Segment::DenseField> SealedSegment::dense(FieldId field) const {
  const auto found = dense_.find(field);
  if (found == dense_.end()) return std::nullopt;
  return found->second.field;
}

const SparseIndex* SealedSegment::sparse(FieldId field) const {
  const auto found = sparse_.find(field);
  return found == sparse_.end() ? nullptr : &found->second;
}

}  // namespace almagest
