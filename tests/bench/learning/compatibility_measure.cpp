#include "tests/bench/learning/compatibility_measure.h"

#include "storage/base/checksum.h"
#include "training/vector_space_tensors.h"

namespace almagest::bench {
namespace {

// The documents of `storing` as a ridge regression on all of them makes them those of `asking`. As
// served: one matrix on the query and one scalar for each document.
torch::Tensor FittedDocuments(const MappedVersion& asking, const MappedVersion& storing) {
  constexpr double kRidge = 1e-3;  // Of the mean eigenvalue.
  const torch::Tensor& x = storing.documents;
  torch::Tensor moments = x.t().mm(x).to(torch::kFloat64);
  const int64_t d = moments.size(0);
  const double mean = moments.trace().item<double>() / static_cast<double>(d);
  moments = moments + kRidge * mean * torch::eye(d, torch::kFloat64);
  const torch::Tensor products = x.t().mm(asking.documents).to(torch::kFloat64);
  const torch::Tensor fitted = at::linalg_solve(moments, products).to(torch::kFloat32);
  return training::Normalised(x.mm(fitted), training::Distance::kCosine);
}

}  // namespace

torch::Tensor ScoresAcross(Serving serving, const MappedVersion& asking,
                           const MappedVersion& storing, const torch::Tensor& query_rows) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor queries = asking.queries.index_select(0, query_rows);
  if (&asking == &storing || serving == Serving::kAsStored) {
    return queries.mm(storing.documents.t());
  }
  if (serving == Serving::kFitted) return queries.mm(FittedDocuments(asking, storing).t());
  // q . W_t x / |W_t x| = (W_t W_k^-1)^T q . d_k  times |W_k x| / |W_t x|.
  const torch::Tensor carry =
      asking.matrix.to(torch::kFloat64).mm(at::linalg_inv(storing.matrix.to(torch::kFloat64)));
  return queries.mm(carry.to(torch::kFloat32)).mm(storing.documents.t()) *
         (storing.lengths / asking.lengths);
}

VersionQuality MeasureVersions(Serving serving, std::span<const MappedVersion> versions,
                               std::span<const training::JudgedQuery> test) {
  std::vector<int32_t> rows;
  for (const training::JudgedQuery& query : test) rows.push_back(query.query);
  const torch::Tensor query_rows = training::ToIndex(rows, torch::kCPU);
  VersionQuality quality;
  quality.versions = versions.size();
  for (const MappedVersion& asking : versions) {
    for (const MappedVersion& storing : versions) {
      quality.cells.push_back(NdcgOf(ScoresAcross(serving, asking, storing, query_rows), test));
    }
  }
  const MappedVersion& last = versions.back();
  const torch::Tensor from_new = ScoresAcross(serving, last, last, query_rows);
  const torch::Tensor from_old = ScoresAcross(serving, last, versions.front(), query_rows);
  std::vector<float> draws;
  for (int64_t j = 0; j < from_new.size(1); ++j) {
    draws.push_back(
        static_cast<float>(static_cast<double>(Mix64(static_cast<uint64_t>(j)) >> 11) * 0x1.0p-53));
  }
  const torch::Tensor draw = torch::tensor(draws);
  for (const double fraction : kReembedded) {
    quality.reembedded.push_back(
        NdcgOf(torch::where(draw.lt(fraction).unsqueeze(0), from_new, from_old), test));
  }
  return quality;
}

}  // namespace almagest::bench
