#include "engine/collection/sealed_segment.h"

#include <algorithm>

#include "storage/base/memory_limit.h"

namespace almagest {
namespace {

// What says how to read the rest (counts, versions, beam widths, rotations) is always checked:
// wrong rows make wrong results, a wrong description could ask for any amount of memory.
constexpr size_t kDescriptionBytesMax = size_t{1} << 20;
// Memory is plenty for a copy of this share of it.
constexpr uint64_t kPlentyOfMemory = 4;

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
std::string MultiSection(FieldId field, std::string_view part) {
  return "multi" + std::to_string(field) + "." + std::string(part);
}

Result<std::shared_ptr<SealedSegment>> SealedSegment::Open(const std::filesystem::path& path,
                                                           uint64_t id,
                                                           std::span<const FieldSpec> fields,
                                                           SectionFile::Verify verify) {
  ALMAGEST_TRY(SectionFile file, SectionFile::Open(path, verify));
  if (verify == SectionFile::Verify::kStructure) {
    ALMAGEST_TRY_VOID(file.VerifySmall(kDescriptionBytesMax));
  }
  std::shared_ptr<SealedSegment> segment(new SealedSegment(id, std::move(file)));
  ALMAGEST_TRY_VOID(segment->Load(fields));
  if (verify == SectionFile::Verify::kAll) ALMAGEST_TRY_VOID(segment->CheckSlots());
  return segment;
}

Result<> SealedSegment::Verify() const {
  ALMAGEST_TRY_VOID(file_.VerifyAll());
  return CheckSlots();
}

Result<> SealedSegment::CheckSlots() const {
  uint64_t least = 0;
  for (size_t row = 0; row < slots_.size(); ++row) {
    const uint64_t slot = slots_[row];
    if (slot < least || slot >= kNoSlot) {
      return Fail(ErrorCode::kCorruption, "section slots is not strictly ascending");
    }
    least = slot + 1;
  }
  return {};
}

Result<> SealedSegment::Load(std::span<const FieldSpec> fields) {
  ALMAGEST_TRY(const auto info, file_.Value<SegmentFileInfo>("info"));
  if (info.id != id()) {
    return Fail(ErrorCode::kCorruption,
                "the file is segment " + std::to_string(info.id) + ", not " + std::to_string(id()));
  }
  if (info.format != kSegmentFormat) {
    return Fail(ErrorCode::kCorruption, "the file has format " + std::to_string(info.format) +
                                            "; this is " + std::to_string(kSegmentFormat));
  }
  ALMAGEST_TRY(const auto slots, file_.Section("slots"));
  ALMAGEST_TRY(slots_, SectionNumbers::FromBytes(slots));
  ALMAGEST_TRY_VOID(CheckCount("slots", slots_.size(), info.rows));
  ALMAGEST_TRY(const auto sequences, file_.Section("vector_sequences"));
  ALMAGEST_TRY(vector_sequences_, SectionNumbers::FromBytes(sequences));
  ALMAGEST_TRY_VOID(CheckCount("vector_sequences", vector_sequences_.size(), info.rows));
  deleted_ = std::make_unique<AtomicBitmap>(info.rows);
  for (const FieldSpec& spec : fields) {
    if (spec.is_sparse) {
      if (!file_.Has(SparseSection(spec.id) + ".meta")) continue;
      ALMAGEST_TRY(SparseIndex index, SparseIndex::Open(file_, SparseSection(spec.id)));
      ALMAGEST_TRY_VOID(CheckCount("sparse rows", index.row_count(), info.rows));
      sparse_.emplace(spec.id, index);
    } else if (spec.is_multi) {
      if (file_.Has(MultiSection(spec.id, "info"))) ALMAGEST_TRY_VOID(LoadMulti(spec));
    } else if (file_.Has(DenseSection(spec.id, "info"))) {
      ALMAGEST_TRY_VOID(LoadDense(spec));
    }
  }
  return {};
}

Result<> SealedSegment::LoadDense(const FieldSpec& spec) {
  ALMAGEST_TRY(const auto info, file_.Value<DenseFieldInfo>(DenseSection(spec.id, "info")));
  ALMAGEST_TRY_VOID(CheckCount("dense dimension", info.dimension, spec.dimension));
  Dense& dense = dense_[spec.id];
  dense.field.version = info.version;
  dense.field.settings = info.settings;
  if (info.index == DenseIndexKind::kCodeGraph) {
    ALMAGEST_TRY_VOID(LoadCodeGraph(spec, info, dense));
  }
  if (dense.field.rows.data == nullptr &&
      (dense.field.code_graph == nullptr || file_.Has(DenseSection(spec.id, "rows")))) {
    ALMAGEST_TRY(const auto rows, file_.Section(DenseSection(spec.id, "rows")));
    std::span<const std::byte> present;
    if (file_.Has(DenseSection(spec.id, "present"))) {
      ALMAGEST_TRY(present, file_.Section(DenseSection(spec.id, "present")));
    }
    ALMAGEST_TRY(dense.field.rows,
                 DenseRowsView::FromBytes(rows, row_count(), info.dimension, present));
  }
  if (file_.Has(DenseSection(spec.id, "norms"))) {
    ALMAGEST_TRY(const auto norms, file_.Array<float>(DenseSection(spec.id, "norms")));
    ALMAGEST_TRY_VOID(CheckCount("norms", norms.size(), row_count()));
    dense.field.norms = norms.data();
  }
  if (info.index == DenseIndexKind::kHnsw) {
    ALMAGEST_TRY(dense.graph, HnswGraph::Open(file_, DenseSection(spec.id, "graph")));
    ALMAGEST_TRY_VOID(CheckCount("graph rows", dense.graph.row_count(), row_count()));
    dense.field.graph = &dense.graph;  // A map node: its address does not change.
  }
  return {};
}

Result<> SealedSegment::LoadCodeGraph(const FieldSpec& spec, const DenseFieldInfo& info,
                                      Dense& dense) {
  ALMAGEST_TRY(dense.code_graph, CodeGraph::Open(file_, DenseSection(spec.id, "graph")));
  ALMAGEST_TRY_VOID(CheckCount("graph rows", dense.code_graph.row_count(), row_count()));
  ALMAGEST_TRY_VOID(
      CheckCount("graph dimension", dense.code_graph.meta().dimension, spec.dimension));
  if (!dense.code_graph.rows_exact() && !file_.Has(DenseSection(spec.id, "rows"))) {
    return Fail(ErrorCode::kCorruption, "a graph of rounded rows comes without the rows");
  }
  dense.placement = static_cast<GraphPlacement>(info.placement);
  if (dense.placement == GraphPlacement::kPinned) dense.Copy();
  dense.field.code_graph = &dense.code_graph;
  dense.field.beam_width = info.beam_width;
  dense.field.rescored = info.rescored != 0 && !dense.code_graph.rows_exact();
  if (dense.code_graph.meta().row_format == CodeRowFormat::kFloat) {
    dense.field.rows = dense.code_graph.FloatRows();
  }
  return {};
}

void SealedSegment::Dense::Copy() {
  copy = CopyToMemory(code_graph);
  copied_graph = copy.View();
  copied.store(true, std::memory_order_release);
}

void SealedSegment::MoveGraphsToMemory() {
  for (auto& [id, dense] : dense_) {
    if (dense.field.code_graph == nullptr || dense.copied ||
        dense.placement != GraphPlacement::kAutomatic) {
      continue;
    }
    const uint64_t bytes = dense.code_graph.node_bytes().size();
    if (MemoryAvailable() / kPlentyOfMemory < bytes || !AdmitMemory(bytes)) continue;
    dense.Copy();
    DropMappedPages(dense.code_graph.node_bytes());
  }
}

Result<> SealedSegment::LoadMulti(const FieldSpec& spec) {
  ALMAGEST_TRY(const auto info, file_.Value<MultiFieldInfo>(MultiSection(spec.id, "info")));
  ALMAGEST_TRY_VOID(CheckCount("multi-vector dimension", info.dimension, spec.dimension));
  ALMAGEST_TRY(const auto offsets, file_.Array<uint64_t>(MultiSection(spec.id, "offsets")));
  ALMAGEST_TRY(const auto values, file_.Array<float>(MultiSection(spec.id, "vectors")));
  ALMAGEST_TRY_VOID(CheckCount("multi-vectors", values.size(), info.vectors * info.dimension));
  ALMAGEST_TRY(auto rows, MappedMultiRows::Make(info.dimension, row_count(), offsets, values));
  multi_.emplace(spec.id, std::move(rows));
  return {};
}

bool SealedSegment::MarkDeleted(uint32_t row) {
  if (!deleted_->Set(row)) return false;
  deleted_count_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

std::optional<uint32_t> SealedSegment::FindRow(Slot slot) const {
  const size_t row = slots_.LowerBound(0, slots_.size(), slot);
  if (row == slots_.size() || slots_[row] != slot) return std::nullopt;
  return static_cast<uint32_t>(row);
}

std::optional<uint32_t> SealedSegment::FindLiveRow(Slot slot) const {
  const auto row = FindRow(slot);
  return row && !deleted_->Test(*row) ? row : std::nullopt;
}

std::map<FieldId, VersionId> SealedSegment::versions() const {
  std::map<FieldId, VersionId> versions;
  for (const auto& [id, dense] : dense_) versions[id] = dense.field.version;
  return versions;
}

uint64_t SealedSegment::indexed_rows() const {
  uint64_t rows = 0;
  for (const auto& [id, dense] : dense_) {
    if (dense.field.indexed()) rows = std::max<uint64_t>(rows, row_count() - deleted_count());
  }
  return rows;
}

uint64_t SealedSegment::bytes_in_memory() const {
  uint64_t bytes = deleted_->word_count() * 8;
  for (const auto& [id, dense] : dense_) {
    if (dense.copied.load(std::memory_order_acquire)) {
      bytes += dense.copy.nodes.size() + dense.copy.seeds.size() + dense.copy.present.size() * 8;
    }
    if (dense.field.code_graph != nullptr) bytes += dense.code_graph.rotation().bytes();
  }
  return bytes;
}

std::optional<Segment::DenseField> SealedSegment::dense(FieldId field) const {
  const auto found = dense_.find(field);
  if (found == dense_.end()) return std::nullopt;
  DenseField served = found->second.field;
  if (served.code_graph != nullptr) served.code_graph = &found->second.served();
  return served;
}

const MultiRows* SealedSegment::multi(FieldId field) const {
  const auto found = multi_.find(field);
  return found == multi_.end() ? nullptr : &found->second;
}

const SparseIndex* SealedSegment::sparse(FieldId field) const {
  const auto found = sparse_.find(field);
  return found == sparse_.end() ? nullptr : &found->second;
}

}  // namespace almagest
