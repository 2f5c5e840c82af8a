// A segment: rows of points with all their vectors, searchable. Two kinds share one face:
//   growing  append-only, in memory, scanned; rebuilt from storage after a crash.
//   sealed   immutable and memory-mapped, with a graph per dense field (a code graph; HNSW for
//            Manhattan distance) and an inverted index per sparse field. Rows are in ascending slot
//            order. Multi-vectors are rows without an index.
// A row is dead once its point was deleted or its vectors were replaced: one bit, set by the
// collection's writer, read by searches without a lock.
//
// Each dense field's rows are SERVED vectors: base vectors mapped by the document side of the
// adapter version that the segment states (normalised for cosine).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/collection/one_at_a_time.h"
#include "engine/index/code_graph.h"
#include "engine/index/dense_rows.h"
#include "engine/index/growing_sparse_index.h"
#include "engine/index/hnsw_graph.h"
#include "engine/index/multi_rows.h"
#include "engine/index/row_filter.h"
#include "engine/index/section_numbers.h"
#include "engine/index/sparse_index.h"
#include "engine/types.h"

namespace almagest {

// Per-row factors that make scores of rows written by one adapter version equal to those of
// another (docs/architecture.md, "Search across versions"):
//   score(row) = scale[row] * dot(folded query, row) + offset[row] * offset_factor.
struct RowFactors {
  std::vector<float> scale;
  std::vector<float> offset;
};

// Of one segment, of factors that nothing keeps, unless it is told another limit.
inline constexpr size_t kSpareFactorBytesMax = size_t{32} << 20;

class Segment {
 public:
  struct DenseField {
    VersionId version = 0;
    // Exactly one of the two: mapped rows (sealed) or chunked ones. rows.data is nullptr where the
    // nodes of `code_graph` are the only place of the rows, which are exact there.
    DenseRowsView rows;
    const GrowingRows* growing_rows = nullptr;
    // One of the two, or none: scan.
    const CodeGraph* code_graph = nullptr;
    const HnswGraph* graph = nullptr;
    // Of the code graph, found at seal time: what 10 results need (code_graph_tune.h).
    uint32_t beam_width = 0;
    uint32_t settings = 0;  // What the index was built by: IndexSettings (segment_builder.h).
    // Whether results of the code graph are rescored from `rows` unless the search says otherwise.
    bool rescored = false;
    bool indexed() const { return code_graph != nullptr || graph != nullptr; }
    // |W x + b| of each row before it was normalised; nullptr when the map is the identity or
    // vectors are not normalised.
    const float* norms = nullptr;
  };

  virtual ~Segment() = default;

  uint64_t id() const { return id_; }
  virtual bool sealed() const = 0;
  // Rows that a search may look at; grows while the segment is growing.
  virtual uint32_t row_count() const = 0;
  // slot_of(row) for row < row_count().
  virtual Slot slot_of(uint32_t row) const = 0;
  // Row slots of a sealed segment, ascending; nullptr for a growing one.
  virtual const SectionNumbers* sorted_slots() const = 0;
  // Bit per row: dead. Never cleared. Valid for rows < row_count().
  virtual const std::atomic<uint64_t>* deleted_words() const = 0;
  virtual uint32_t deleted_count() const = 0;
  // nullopt when the segment holds no row of this field.
  virtual std::optional<DenseField> dense(FieldId field) const = 0;
  virtual const SparseIndex* sparse(FieldId field) const = 0;                 // Sealed.
  virtual const GrowingSparseIndex* growing_sparse(FieldId field) const = 0;  // Growing.
  // Multi-vectors as given (cosine: normalised); nullptr when the segment holds none of the field.
  virtual const MultiRows* multi(FieldId field) const = 0;
  virtual uint64_t bytes_on_disk() const = 0;
  virtual uint64_t bytes_in_memory() const = 0;

  // Factors for searching this segment's rows of `field` as the versions of the document group
  // `target` (VersionSet::DocumentGroup); nullptr until they have been set. Thread-safe.
  std::shared_ptr<const RowFactors> row_factors(FieldId field, VersionId target) const;
  // 8 bytes a row and target. Those with `keep` stay until KeepRowFactors; of the others those that
  // were asked for last, up to the segment's limit (and the last one in any case): a search that
  // needs one again has it computed again. Const: factors are a cache beside the immutable rows.
  void SetRowFactors(FieldId field, VersionId target, std::shared_ptr<const RowFactors> factors,
                     bool keep) const;
  // For who makes them: one at a time, the others wait (one_at_a_time.h).
  using FactorsKey = std::pair<FieldId, VersionId>;
  std::unique_ptr<OneAtATime<FactorsKey>::Turn> TakeFactorsTurn(FieldId field, VersionId target,
                                                                const Deadline& deadline) const {
    return making_factors_.Take({field, target}, deadline);
  }
  // Of the field's factors that are kept, forgets all but `kept`.
  void KeepRowFactors(FieldId field, std::span<const VersionId> kept) const;
  // What is kept, so that a segment that replaces this one gets the same.
  std::vector<FactorsKey> kept_factor_targets() const;
  // Of what is not kept.
  size_t spare_factor_bytes() const;

 protected:
  explicit Segment(uint64_t id, size_t spare_factor_bytes_max = kSpareFactorBytesMax)
      : id_(id), spare_factor_bytes_max_(spare_factor_bytes_max) {}

 private:
  const uint64_t id_;
  const size_t spare_factor_bytes_max_;
  struct HeldFactors {
    std::shared_ptr<const RowFactors> factors;
    bool kept = false;
    uint64_t asked_at = 0;  // By factors_clock_.
  };
  // Both under factors_mutex_.
  size_t SpareFactorBytes() const;
  void DropSpareFactors() const;

  mutable std::mutex factors_mutex_;
  mutable uint64_t factors_clock_ = 0;
  mutable std::map<FactorsKey, HeldFactors> factors_;
  mutable OneAtATime<FactorsKey> making_factors_;
};

}  // namespace almagest
