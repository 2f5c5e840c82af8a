// A sealed segment: one immutable, memory-mapped section file (section_file.h) plus one bitmap of
// dead rows in memory. segment_builder.h writes the file.
//
// Sections (F is a field id):
//   info              SegmentFileInfo
//   slots             of each row, strictly ascending (section_numbers.h)
//   vector_sequences  likewise: the point's vector_sequence when the row was made
//   denseF.info       DenseFieldInfo, for every dense field that some row has
//   denseF.rows       rows * dimension float32, served vectors; zeros where absent. Not where the
//                     nodes of a code graph keep the rows exactly
//   denseF.present    bitmap; only if some row lacks the field
//   denseF.norms      rows float32; only if the map is not the identity and the field normalised
//   denseF.graph.*    code_graph.h (Manhattan distance: hnsw_graph.h); only if the field takes more
//                     than its full_scan_threshold_kb
//   sparseF.*         sparse_index.h, for every sparse field that some row has
//   multiF.info       MultiFieldInfo, for every multi-vector field that some row has
//   multiF.offsets    rows + 1 u64: row r has the vectors from offsets[r] up to the next offset;
//   none
//                     where absent
//   multiF.vectors    vectors * dimension float32, as given (cosine: normalised)
#pragma once

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "engine/collection/segment.h"
#include "engine/config.h"

namespace almagest {

// Files of another format are not read but rebuilt from storage.
inline constexpr uint32_t kSegmentFormat = 2;

// Stored as they are.
struct SegmentFileInfo {
  uint64_t id = 0;
  uint32_t rows = 0;
  uint32_t format = kSegmentFormat;
};
enum class DenseIndexKind : uint32_t { kNone = 0, kHnsw = 1, kCodeGraph = 2 };
struct DenseFieldInfo {
  uint32_t version = 0;
  uint32_t dimension = 0;
  DenseIndexKind index = DenseIndexKind::kNone;
  uint32_t beam_width = 0;  // Segment::DenseField; code graphs only.
  uint32_t settings = 0;    // Likewise.
  uint32_t rescored = 0;    // 0 or 1: likewise.
  uint32_t placement = 0;   // GraphPlacement of the code graph.
  uint32_t reserved = 0;
};

struct MultiFieldInfo {
  uint32_t dimension = 0;
  uint32_t reserved = 0;
  uint64_t vectors = 0;  // Of all rows together.
};

std::string SegmentFileName(uint64_t id);                        // "segment-7.alm"
std::string DenseSection(FieldId field, std::string_view part);  // "dense0.rows"
std::string SparseSection(FieldId field);                        // "sparse1"
std::string MultiSection(FieldId field, std::string_view part);  // "multi2.vectors"

// Thread safety: as Segment; MarkDeleted by one writer at a time.
class SealedSegment final : public Segment {
 public:
  struct FieldSpec {
    FieldId id = 0;
    bool is_sparse = false;
    uint32_t dimension = 0;
    bool is_multi = false;
  };
  // Maps the file and checks all of it, or only its structure and small sections: then Verify() is
  // for later, and until then rows may be wrong ones.
  // kNotFound, or kCorruption with the reason.
  static Result<std::shared_ptr<SealedSegment>> Open(
      const std::filesystem::path& path, uint64_t id, std::span<const FieldSpec> fields,
      SectionFile::Verify verify = SectionFile::Verify::kAll);
  // Reads the whole file. kCorruption with the reason.
  Result<> Verify() const;
  // Copies code graphs that may be anywhere into huge pages, as far as memory is plenty: searches
  // that begin later read the copy. Costs one pass over the graphs. By one thread at a time.
  void MoveGraphsToMemory();

  // False if it was already.
  bool MarkDeleted(uint32_t row);
  bool IsDeleted(uint32_t row) const { return deleted_->Test(row); }
  const SectionNumbers& vector_sequences() const { return vector_sequences_; }
  // The row of the slot, dead or not; nullopt if there is none. O(log rows).
  std::optional<uint32_t> FindRow(Slot slot) const;
  // The same unless it is dead.
  std::optional<uint32_t> FindLiveRow(Slot slot) const;
  std::map<FieldId, VersionId> versions() const;
  // Rows that have a vector of some dense field with a graph.
  uint64_t indexed_rows() const;

  bool sealed() const override { return true; }
  uint32_t row_count() const override { return static_cast<uint32_t>(slots_.size()); }
  Slot slot_of(uint32_t row) const override { return static_cast<Slot>(slots_[row]); }
  const SectionNumbers* sorted_slots() const override { return &slots_; }
  const std::atomic<uint64_t>* deleted_words() const override { return deleted_->words(); }
  uint32_t deleted_count() const override { return deleted_count_.load(std::memory_order_relaxed); }
  std::optional<DenseField> dense(FieldId field) const override;
  const SparseIndex* sparse(FieldId field) const override;
  const GrowingSparseIndex* growing_sparse(FieldId) const override { return nullptr; }
  const MultiRows* multi(FieldId field) const override;
  uint64_t bytes_on_disk() const override { return file_.file_bytes(); }
  uint64_t bytes_in_memory() const override;

 private:
  struct Dense {
    DenseField field;
    HnswGraph graph;
    GraphPlacement placement = GraphPlacement::kAutomatic;
    CodeGraph code_graph;  // In the file, for as long as the segment lives.
    // The same in memory, once it is there.
    CodeGraphArrays copy;
    CodeGraph copied_graph;
    std::atomic<bool> copied{false};
    const CodeGraph& served() const {
      return copied.load(std::memory_order_acquire) ? copied_graph : code_graph;
    }
    void Copy();
  };
  SealedSegment(uint64_t id, SectionFile file) : Segment(id), file_(std::move(file)) {}
  Result<> Load(std::span<const FieldSpec> fields);
  Result<> CheckSlots() const;
  Result<> LoadDense(const FieldSpec& spec);
  Result<> LoadMulti(const FieldSpec& spec);
  Result<> LoadCodeGraph(const FieldSpec& spec, const DenseFieldInfo& info, Dense& dense);

  SectionFile file_;
  SectionNumbers slots_;
  SectionNumbers vector_sequences_;
  std::map<FieldId, Dense> dense_;
  std::map<FieldId, SparseIndex> sparse_;
  std::map<FieldId, MappedMultiRows> multi_;
  std::unique_ptr<AtomicBitmap> deleted_;
  std::atomic<uint32_t> deleted_count_{0};
};

}  // namespace almagest
