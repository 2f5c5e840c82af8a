#include "engine/collection/row_factors.h"

#include <algorithm>
#include <cmath>

namespace almagest {
namespace {

constexpr uint32_t kBatchRows = 512;

// Into `values`; zeros where the row has no vector, which no search reads.
void CopyRow(const Segment::DenseField& field, uint32_t row, size_t dimension, float* values) {
  const float* found = nullptr;
  if (field.growing_rows != nullptr) {
    found = field.growing_rows->Row(row);
  } else if (field.rows.data != nullptr) {
    found = field.rows.Present(row) ? field.rows.Row(row) : nullptr;
  } else if (field.code_graph->Present(row)) {
    field.code_graph->DecodeRow(row, values);
    return;
  }
  if (found != nullptr) {
    std::copy_n(found, dimension, values);
  } else {
    std::fill_n(values, dimension, 0.0f);
  }
}

// |scale * mapped + offset|; 0 where the two cancel out up to rounding (a zero base vector): what
// is left would be noise, and its inverse a huge score.
float NormOf(const float* mapped, float scale, std::span<const float> offset) {
  double sum = 0;
  double mapped_sum = 0;
  double offset_sum = 0;
  for (size_t i = 0; i < offset.size(); ++i) {
    const double scaled = double{scale} * mapped[i];
    const double value = scaled + offset[i];
    sum += value * value;
    mapped_sum += scaled * scaled;
    offset_sum += double{offset[i]} * offset[i];
  }
  constexpr double kRounding = 1e-5;
  if (sum <= kRounding * kRounding * (mapped_sum + offset_sum)) return 0;
  return static_cast<float>(std::sqrt(sum));
}

}  // namespace

Result<std::shared_ptr<const RowFactors>> PrepareRowFactors(const VersionSet& versions,
                                                            const Segment& segment, FieldId field,
                                                            VersionId target, bool keep,
                                                            const Deadline& deadline) {
  using Factors = std::shared_ptr<const RowFactors>;
  const uint32_t rows = segment.row_count();
  const auto dense = segment.dense(field);
  if (!dense || !versions.normalised() || versions.SameDocumentMap(target, dense->version)) {
    return Factors();
  }
  const VersionId group = versions.DocumentGroup(target);
  const auto complete = [&](const Factors& known) {
    if (!known || known->scale.size() < rows) return false;
    if (keep) segment.SetRowFactors(field, group, known, keep);
    return true;
  };
  Factors known = segment.row_factors(field, group);
  if (complete(known)) return known;
  const auto turn = segment.TakeFactorsTurn(field, group, deadline);
  if (!turn) return Fail(ErrorCode::kTimeout, "the query exceeded its time limit");
  known = segment.row_factors(field, group);
  if (complete(known)) return known;

  ALMAGEST_TRY(const auto cross, versions.Cross(target, dense->version, deadline));
  const auto known_rows = known ? static_cast<uint32_t>(known->scale.size()) : 0;
  auto factors = std::make_shared<RowFactors>();
  if (known) *factors = *known;
  factors->scale.resize(rows, 1.0f);
  factors->offset.resize(rows, 0.0f);
  const size_t dimension = versions.dimension();
  ALMAGEST_TRY(
      const LinearMap transform,
      LinearMap::Create(dimension, {cross->transform().begin(), cross->transform().end()}, {}));
  std::vector<float> gathered(kBatchRows * dimension);
  std::vector<float> mapped(kBatchRows * dimension);
  for (uint32_t first = known_rows; first < rows; first += kBatchRows) {
    if (deadline.Expired()) {
      factors->scale.resize(first);
      factors->offset.resize(first);
      segment.SetRowFactors(field, group, std::move(factors), keep);
      return Fail(ErrorCode::kTimeout, "the query exceeded its time limit");
    }
    const uint32_t count = std::min(kBatchRows, rows - first);
    for (uint32_t i = 0; i < count; ++i) {
      CopyRow(*dense, first + i, dimension, gathered.data() + i * dimension);
    }
    transform.ApplyBatch({gathered.data(), count * dimension}, count,
                         {mapped.data(), count * dimension}, false);
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t row = first + i;
      const float stored_norm = dense->norms != nullptr ? dense->norms[row] : 1.0f;
      const float norm = NormOf(mapped.data() + i * dimension, stored_norm, cross->offset());
      const bool usable = norm > 0 && std::isfinite(norm) && std::isfinite(1 / norm);
      factors->scale[row] = usable ? stored_norm / norm : 0.0f;
      factors->offset[row] = usable ? 1.0f / norm : 0.0f;
    }
  }
  segment.SetRowFactors(field, group, factors, keep);
  return Factors(std::move(factors));
}

Result<> PrepareActive(const VersionSet& versions, const Segment& segment, FieldId field) {
  const auto dense = segment.dense(field);
  if (!dense || versions.Find(dense->version) == nullptr) return {};
  ALMAGEST_TRY_VOID(versions.Cross(versions.active(), dense->version));
  ALMAGEST_TRY_VOID(PrepareRowFactors(versions, segment, field, versions.active(), /*keep=*/true));
  return {};
}

}  // namespace almagest
