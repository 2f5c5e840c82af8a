#include "training/drift_guard.h"

#include <algorithm>

#include "training/query_residual.h"
#include "training/vector_space_tensors.h"

namespace almagest::training {
namespace {

// Documents within rounding of the tenth result are as good as in it (copies of one another).
constexpr float kTie = 1e-5f;

// Rows spread evenly over `rows`, at most `most`.
torch::Tensor Spread(const torch::Tensor& rows, int64_t most, std::vector<int32_t>* picked) {
  const int64_t n = rows.size(0);
  const int64_t count = std::min(n, most);
  for (int64_t i = 0; i < count; ++i) picked->push_back(static_cast<int32_t>(i * n / count));
  return rows.index_select(0, ToIndex(*picked, rows.device()));
}

// One version at work on all documents.
class Served {
 public:
  Served(const VectorSpace& space, const LinearAdapter& version)
      : version_(version), distance_(space.distance()), documents_(space.tensors().documents) {
    if (!version.maps_documents) return;
    documents_ = MapRows(documents_, version.document_weight, version.document_bias, distance_);
  }

  torch::Tensor First(const torch::Tensor& base_queries, const Tick& tick) const {
    return TopRows(Queries(base_queries), documents_, kScoredDepth, tick);
  }

  ScoredResults Scored(const torch::Tensor& base_queries, const Tick& tick) const {
    const torch::Tensor queries = Queries(base_queries);
    const torch::Tensor top =
        TopRows(queries, documents_, kScoredDepth, tick).to(documents_.device());
    const torch::Tensor found =
        documents_.index_select(0, top.flatten()).view({top.size(0), top.size(1), -1});
    ScoredResults results;
    results.depth = top.size(1);
    results.scores = ToVector((found * queries.unsqueeze(1)).sum(2).contiguous());
    const torch::Tensor rows = top.to(torch::kCPU).contiguous();
    for (int64_t i = 0; i < rows.numel(); ++i) {
      results.documents.push_back(static_cast<int32_t>(rows.data_ptr<int64_t>()[i]));
    }
    return results;
  }

  // Of the documents `rows`, whose base vectors are `base`, the share that finds itself.
  double SelfRetrieval(const torch::Tensor& base, std::span<const int32_t> rows,
                       const torch::Tensor& top) const {
    if (rows.empty()) return 0;
    const torch::Tensor queries = Queries(base);
    const auto tenth = top.select(1, top.size(1) - 1).to(documents_.device());
    const torch::Tensor own =
        (queries * documents_.index_select(0, ToIndex(rows, documents_.device()))).sum(1);
    const torch::Tensor limit = (queries * documents_.index_select(0, tenth)).sum(1);
    return (own >= limit - kTie * limit.abs()).to(torch::kFloat32).mean().item<double>();
  }

 private:
  torch::Tensor Queries(const torch::Tensor& base) const {
    return MapQueries(base, version_, distance_);
  }

  const LinearAdapter& version_;
  Distance distance_;
  torch::Tensor documents_;
};

double Overlap(const torch::Tensor& a, const torch::Tensor& b) {
  if (a.numel() == 0) return 0;
  // [n, 10, 1] == [n, 1, 10]: every row holds a document once.
  const torch::Tensor shared = a.unsqueeze(2).eq(b.unsqueeze(1)).sum();
  return shared.item<double>() / static_cast<double>(a.numel());
}

}  // namespace

Drift MeasureDrift(const VectorSpace& space, std::span<const float> guard,
                   const LinearAdapter& trained, const LinearAdapter& before,
                   const LinearAdapter& whitened, const Tick& tick) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor& documents = space.tensors().documents;
  std::vector<int32_t> rows;
  const torch::Tensor own = Spread(documents, kDriftDocumentsMax, &rows);
  const int64_t d = space.dimension();
  const auto guard_rows = static_cast<int64_t>(guard.size()) / d;
  std::vector<int32_t> unused;
  torch::Tensor queries = own;
  if (guard_rows > 0) {
    queries =
        Spread(ToTensor(guard, {guard_rows, d}, documents.device()), kGuardQueriesUsed, &unused);
  }
  Drift drift;
  drift.queries = unused.size();
  drift.documents = rows.size();
  torch::Tensor kept[3];
  const LinearAdapter* const versions[] = {&trained, &before, &whitened};
  for (size_t i = 0; i < 3; ++i) {
    const Served served(space, *versions[i]);
    const Tick part = [&](double fraction) {
      if (tick) tick((static_cast<double>(i) + fraction) / 3);
    };
    const torch::Tensor top = served.First(own, part);
    kept[i] = guard_rows > 0 ? served.First(queries, part) : top;
    if (i == 0) drift.self_retrieval = served.SelfRetrieval(own, rows, top);
    if (i == 1) drift.self_retrieval_before = served.SelfRetrieval(own, rows, top);
  }
  drift.overlap_at_10 = std::max(Overlap(kept[0], kept[1]), Overlap(kept[0], kept[2]));
  return drift;
}

ScoreScale MeasureScores(const VectorSpace& space, std::span<const float> guard,
                         std::span<const int32_t> held_out, const LinearAdapter& active,
                         const LinearAdapter& trained, const Tick& tick) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor& documents = space.tensors().documents;
  const int64_t d = space.dimension();
  const auto guard_rows = static_cast<int64_t>(guard.size()) / d;
  ScoreScale scale;
  scale.guarded = guard_rows >= static_cast<int64_t>(kScaleQueriesMin);
  if ((!scale.guarded && held_out.empty()) || documents.size(0) == 0) return scale;
  const torch::Tensor all = scale.guarded ? ToTensor(guard, {guard_rows, d}, documents.device())
                                          : space.tensors().queries.index_select(
                                                0, ToIndex(held_out, documents.device()));
  std::vector<int32_t> unused;
  const torch::Tensor queries = Spread(all, kGuardQueriesUsed, &unused);
  scale.queries = unused.size();
  const LinearAdapter identity = LinearAdapter::Identity(d);
  const auto measure = [&](const LinearAdapter& version) {
    std::vector<float> scores = Served(space, version).Scored(queries, tick).scores;
    std::ranges::sort(scores);
    std::vector<double> quantiles;
    for (const double level : ScoreScale::kLevels) {
      quantiles.push_back(
          scores[static_cast<size_t>(level * static_cast<double>(scores.size() - 1) + 0.5)]);
    }
    return quantiles;
  };
  scale.base = measure(identity);
  scale.active = measure(active);
  scale.trained = measure(trained);
  return scale;
}

ScoredResults FindScored(const VectorSpace& space, const LinearAdapter& version,
                         std::span<const int32_t> query_rows, const Tick& tick) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor& queries = space.tensors().queries;
  return Served(space, version)
      .Scored(queries.index_select(0, ToIndex(query_rows, queries.device())), tick);
}

}  // namespace almagest::training
