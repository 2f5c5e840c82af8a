#include "training/space_geometry.h"

#include <algorithm>
#include <cmath>

#include "training/query_residual.h"
#include "training/vector_space_tensors.h"

namespace almagest::training {
namespace {

constexpr int64_t kWhiteningSample = 100'000;
constexpr int64_t kRankSample = 10'000;
constexpr int64_t kUniformitySample = 1'000;
constexpr double kEigenvalueFloor = 0.05;
// The mean of the queries counts as much as that of the documents from this many queries on; their
// covariance needs this many queries per dimension for half of its full share.
constexpr double kQueryMeanPrior = 32;
constexpr double kQueryCovariancePrior = 4;
// Judged queries from which the spread of their pairs counts as much as that of all vectors.
constexpr double kMatchedPrior = 20;
// Of the regression onto answers: as much as this many queries in every direction.
constexpr double kAnswerPrior = 1;
constexpr size_t kMatchedPairs = 50'000;
constexpr size_t kMatchedBlock = 8192;

// Every n-th row: the same rows for the same sizes, spread over the whole collection.
torch::Tensor SampleRows(const torch::Tensor& rows, int64_t count_max) {
  const int64_t n = rows.size(0);
  if (n <= count_max) return rows;
  std::vector<int32_t> picked(static_cast<size_t>(count_max));
  for (int64_t i = 0; i < count_max; ++i) {
    picked[static_cast<size_t>(i)] = static_cast<int32_t>(i * n / count_max);
  }
  return rows.index_select(0, ToIndex(picked, rows.device()));
}

torch::Tensor Float64(std::span<const double> values, torch::IntArrayRef shape) {
  return torch::from_blob(const_cast<double*>(values.data()), shape, torch::kFloat64).clone();
}

std::vector<double> ToDoubles(const torch::Tensor& tensor) {
  const torch::Tensor flat = tensor.to(torch::kCPU, torch::kFloat64).contiguous();
  const double* data = flat.data_ptr<double>();
  return {data, data + flat.numel()};
}

struct Moments {
  torch::Tensor mean;        // [D], both double precision on the CPU.
  torch::Tensor covariance;  // [D, D]
};

Moments MeasureMoments(const torch::Tensor& rows) {
  const torch::Tensor mean = rows.mean(0);
  const torch::Tensor centred = rows - mean;
  return {mean.to(torch::kCPU, torch::kFloat64),
          (centred.t().mm(centred) / static_cast<double>(rows.size(0)))
              .to(torch::kCPU, torch::kFloat64)};
}

// Relevant pairs with the square root of what each counts for.
struct MatchedPairs {
  std::vector<int32_t> query;
  std::vector<int32_t> document;
  std::vector<float> root;
  double queries = 0;  // The sum of their weights.
};

MatchedPairs CollectPairs(std::span<const JudgedQuery> judged) {
  const size_t per_query = std::max<size_t>(kMatchedPairs / std::max<size_t>(judged.size(), 1), 1);
  MatchedPairs pairs;
  for (const JudgedQuery& query : judged) {
    std::vector<JudgedDocument> relevant;
    for (const JudgedDocument& entry : query.documents) {
      if (entry.grade > 0) relevant.push_back(entry);
    }
    const size_t stride = (relevant.size() + per_query - 1) / per_query;
    double sum = 0;
    for (size_t j = 0; j < relevant.size(); j += stride) {
      sum += relevant[j].grade * relevant[j].weight;
    }
    if (!(sum > 0)) continue;
    for (size_t j = 0; j < relevant.size(); j += stride) {
      const double share = relevant[j].grade * relevant[j].weight / sum;
      pairs.query.push_back(query.query);
      pairs.document.push_back(relevant[j].document);
      pairs.root.push_back(static_cast<float>(std::sqrt(query.Weight() * share)));
    }
    pairs.queries += query.Weight();
  }
  return pairs;
}

double EffectiveRank(const torch::Tensor& rows) {
  const torch::Tensor moments = rows.t().mm(rows).to(torch::kCPU, torch::kFloat64);
  double sum = 0;
  std::vector<double> singular = ToDoubles(at::linalg_eigvalsh(moments));
  for (double& value : singular) sum += value = std::sqrt(std::max(value, 0.0));
  double entropy = 0;
  for (const double value : singular) {
    if (value > 0) entropy -= value / sum * std::log(value / sum);
  }
  return sum > 0 ? std::exp(entropy) : 0;
}

torch::Tensor MapDocuments(const torch::Tensor& rows, const LinearAdapter& adapter,
                           Distance distance) {
  if (!adapter.maps_documents) return rows;
  return MapRows(rows, adapter.document_weight, adapter.document_bias, distance);
}

bool AllFinite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

}  // namespace

Result<WhiteningBasis> WhiteningBasis::Fit(const VectorSpace& space,
                                           std::span<const int32_t> query_rows) {
  const torch::NoGradGuard no_grad;
  const VectorSpace::Tensors& tensors = space.tensors();
  const auto d = static_cast<double>(space.dimension());
  const auto documents = MeasureMoments(SampleRows(tensors.documents, kWhiteningSample));
  const double trace = documents.covariance.trace().item<double>();
  if (!(trace > 1e-12)) {
    return Fail(ErrorCode::kInvalidArgument, "the documents have no spread (covariance trace " +
                                                 std::to_string(trace) +
                                                 "), there is nothing to learn");
  }
  torch::Tensor covariance = documents.covariance;
  torch::Tensor query_mean = documents.mean;
  if (!query_rows.empty()) {
    const auto queries =
        MeasureMoments(tensors.queries.index_select(0, ToIndex(query_rows, tensors.device)));
    const auto count = static_cast<double>(query_rows.size());
    query_mean =
        (queries.mean * count + documents.mean * kQueryMeanPrior) / (count + kQueryMeanPrior);
    const double share = 0.5 * count / (count + kQueryCovariancePrior * d);
    const double query_trace = std::max(queries.covariance.trace().item<double>(), 1e-12);
    covariance = covariance * (1 - share) + queries.covariance * (share * trace / query_trace);
  }
  WhiteningBasis basis;
  basis.dimension_ = space.dimension();
  basis.document_mean_ = ToDoubles(documents.mean);
  basis.query_mean_ = ToDoubles(query_mean);
  basis.covariance_ = ToDoubles(covariance);
  basis.total_ = basis.covariance_;
  basis.Decompose();
  return basis;
}

void WhiteningBasis::Decompose() {
  const auto parts = at::linalg_eigh(Float64(covariance_, {dimension_, dimension_}));
  eigenvalues_ = ToDoubles(std::get<0>(parts));
  axes_ = ToDoubles(std::get<1>(parts));
}

WhiteningBasis WhiteningBasis::Matched(const VectorSpace& space,
                                       std::span<const JudgedQuery> judged) const {
  const torch::NoGradGuard no_grad;
  const VectorSpace::Tensors& tensors = space.tensors();
  const MatchedPairs pairs = CollectPairs(judged);
  const auto float_mean = [&](const std::vector<double>& mean) {
    return Float64(mean, {1, dimension_}).to(tensors.device, torch::kFloat32);
  };
  // Of the difference of both centred vectors.
  const torch::Tensor offset = float_mean(query_mean_) - float_mean(document_mean_);
  torch::Tensor spread = torch::zeros({dimension_, dimension_}, torch::kFloat64);
  for (size_t first = 0; first < pairs.query.size(); first += kMatchedBlock) {
    const size_t count = std::min(kMatchedBlock, pairs.query.size() - first);
    const auto rows = [&](const torch::Tensor& matrix, const std::vector<int32_t>& index) {
      const auto part = std::span(index).subspan(first, count);
      return matrix.index_select(0, ToIndex(part, tensors.device));
    };
    const torch::Tensor root = ToTensor(std::span(pairs.root).subspan(first, count),
                                        {static_cast<int64_t>(count), 1}, tensors.device);
    const torch::Tensor difference =
        (rows(tensors.queries, pairs.query) - rows(tensors.documents, pairs.document) - offset) *
        root;
    spread += difference.t().mm(difference).to(torch::kCPU, torch::kFloat64);
  }
  const torch::Tensor all = Float64(covariance_, {dimension_, dimension_});
  const double trace = spread.trace().item<double>();
  WhiteningBasis basis = *this;
  basis.kind_ = "two_sided_linear";
  if (!(trace > 0)) return basis;  // Every query equals its answers up to the means.
  const double share = pairs.queries / (pairs.queries + kMatchedPrior);
  basis.covariance_ =
      ToDoubles(all * (1 - share) + spread * (share * all.trace().item<double>() / trace));
  basis.Decompose();
  return basis;
}

LinearAdapter WhiteningBasis::Map(double power) const { return MakeMap(power, false); }

LinearAdapter WhiteningBasis::RotatedMap(double power) const { return MakeMap(power, true); }

LinearAdapter WhiteningBasis::Blend(double power, const LinearAdapter& other) const {
  const torch::NoGradGuard no_grad;
  const int64_t d = dimension_;
  const torch::Tensor total = Float64(total_, {d, d});
  const auto share = [&](const std::vector<float>& weight) {
    const torch::Tensor matrix = ToTensor(weight, {d, d}, torch::kCPU).to(torch::kFloat64);
    const torch::Tensor square = matrix.t().mm(matrix);
    return square / (square * total).sum();  // Both symmetrical: the trace of the product.
  };
  LinearAdapter blend = MakeMap(power, false);
  const auto parts = at::linalg_eigh((share(blend.document_weight) + share(other.document_weight)) *
                                     (total.trace() / 2));
  const torch::Tensor& axes = std::get<1>(parts);
  const torch::Tensor weight =
      (axes * std::get<0>(parts).clamp_min(0).sqrt().unsqueeze(0)).mm(axes.t());
  blend.kind = "two_sided_linear";
  blend.document_weight = blend.query_weight = ToVector(weight);
  blend.document_bias = ToVector(-weight.mv(Float64(document_mean_, {d})));
  blend.query_bias = ToVector(-weight.mv(Float64(query_mean_, {d})));
  return blend;
}

LinearAdapter WhiteningBasis::AddAnswers(const LinearAdapter& blend, const LinearAdapter& other,
                                         const VectorSpace& space,
                                         std::span<const JudgedQuery> judged) const {
  const torch::NoGradGuard no_grad;
  const int64_t d = dimension_;
  const auto matrix = [&](const std::vector<float>& weight) {
    return ToTensor(weight, {d, d}, torch::kCPU).to(torch::kFloat64);
  };
  const torch::Tensor map = matrix(other.document_weight);
  const auto mapped = [&](const torch::Tensor& rows, const std::vector<int32_t>& index,
                          const std::vector<double>& mean) {
    const torch::Tensor base =
        rows.index_select(0, ToIndex(index, rows.device())).to(torch::kCPU, torch::kFloat64);
    return (base - Float64(mean, {1, d})).mm(map.t());
  };
  const auto unit = [](const torch::Tensor& rows) {
    return rows / rows.norm(2, 1, true).clamp_min(1e-12);
  };
  std::vector<torch::Tensor> asked;
  std::vector<torch::Tensor> answers;
  std::vector<double> weights;
  for (const JudgedQuery& query : judged) {
    const MatchedPairs pairs = CollectPairs(std::span(&query, 1));
    if (pairs.query.empty()) continue;
    weights.push_back(pairs.queries);
    const auto count = static_cast<int64_t>(pairs.root.size());
    const torch::Tensor roots = ToTensor(pairs.root, {1, count}, torch::kCPU).to(torch::kFloat64);
    const torch::Tensor documents =
        unit(mapped(space.tensors().documents, pairs.document, document_mean_));
    asked.push_back(mapped(space.tensors().queries, {query.query}, query_mean_));
    answers.push_back(unit(roots.square().mm(documents)));
  }
  if (asked.empty()) return blend;
  torch::Tensor queries = torch::cat(asked);
  queries = queries / queries.norm(2, 1).mean().clamp_min(1e-12);
  const torch::Tensor root = Float64(weights, {queries.size(0), 1}).sqrt();
  const torch::Tensor change = (torch::cat(answers) - queries) * root;
  queries = queries * root;
  // M = I + change^T (Q Q^T + prior I)^-1 Q: the identity where no query is.
  const torch::Tensor prior = kAnswerPrior * torch::eye(queries.size(0), torch::kFloat64);
  const torch::Tensor onto =
      torch::eye(d, torch::kFloat64) +
      change.t().mm(at::linalg_solve(queries.mm(queries.t()) + prior, queries));
  const torch::Tensor total = Float64(total_, {d, d});
  const double share =
      total.trace().item<double>() / 2 / (map.t().mm(map) * total).sum().item<double>();
  const torch::Tensor base = matrix(blend.document_weight);
  const torch::Tensor weight = base + at::linalg_solve(base, map.t().mm(onto).mm(map)) * share;
  LinearAdapter added = blend;
  added.query_weight = ToVector(weight);
  added.query_bias = ToVector(-weight.mv(Float64(query_mean_, {d})));
  return added;
}

LinearAdapter WhiteningBasis::MakeMap(double power, bool rotated) const {
  const int64_t d = dimension_;
  double mean_value = 0;
  for (const double value : eigenvalues_) mean_value += value / static_cast<double>(d);
  std::vector<double> gain;
  double before = 0;
  double after = 0;
  for (const double value : eigenvalues_) {
    const double floored = std::max(value, 0.0) + kEigenvalueFloor * mean_value;
    gain.push_back(std::pow(floored / mean_value, -power / 2));
    before += floored;
    after += floored * gain.back() * gain.back();
  }
  for (double& value : gain) value *= std::sqrt(before / after);
  const torch::Tensor axes = Float64(axes_, {d, d});
  const torch::Tensor gains = axes * Float64(gain, {1, d});
  const torch::Tensor weight = rotated ? gains.t().contiguous() : gains.mm(axes.t());
  LinearAdapter adapter;
  adapter.dimension = d;
  adapter.kind = kind_;
  adapter.maps_documents = true;
  adapter.document_weight = ToVector(weight);
  adapter.document_bias = ToVector(-weight.mv(Float64(document_mean_, {d})));
  adapter.query_weight = adapter.document_weight;
  adapter.query_bias = ToVector(-weight.mv(Float64(query_mean_, {d})));
  return adapter;
}

Geometry MeasureGeometry(const VectorSpace& space, const LinearAdapter& adapter,
                         std::span<const std::pair<int32_t, int32_t>> relevant_pairs) {
  const torch::NoGradGuard no_grad;
  const VectorSpace::Tensors& tensors = space.tensors();
  const Distance distance = tensors.distance;
  const int64_t d = space.dimension();
  Geometry geometry;
  const ResidualTensors& hidden = adapter.query_residual;
  geometry.finite = true;
  for (const auto* values :
       {&adapter.query_weight, &adapter.query_bias, &adapter.document_weight,
        &adapter.document_bias, &hidden.hidden_weight, &hidden.hidden_bias,
        &hidden.output_weight, &hidden.route_weight, &hidden.route_bias}) {
    geometry.finite = geometry.finite && AllFinite(*values);
  }
  if (!geometry.finite) return geometry;
  const torch::Tensor base = SampleRows(tensors.documents, kRankSample);
  geometry.base_effective_rank = EffectiveRank(base);
  geometry.effective_rank = geometry.base_effective_rank;
  if (adapter.maps_documents) {
    geometry.effective_rank = EffectiveRank(MapDocuments(base, adapter, distance));
  }
  const torch::Tensor weight =
      ToTensor(adapter.maps_documents ? adapter.document_weight : adapter.query_weight, {d, d},
               torch::kCPU)
          .to(torch::kFloat64);
  // Singular values by the eigenvalues of W^T W: squared condition, ample in double precision.
  const std::vector<double> squared = ToDoubles(at::linalg_eigvalsh(weight.t().mm(weight)));
  geometry.condition = std::sqrt(squared.back() / std::max(squared.front(), 1e-300));
  const torch::Tensor residual = weight - torch::eye(d, torch::kFloat64);
  geometry.operator_norm_minus_identity =
      std::sqrt(std::max(0.0, ToDoubles(at::linalg_eigvalsh(residual.t().mm(residual))).back()));

  std::vector<int32_t> query_rows;
  std::vector<int32_t> document_rows;
  const size_t stride = relevant_pairs.size() / static_cast<size_t>(kRankSample) + 1;
  for (size_t i = 0; i < relevant_pairs.size(); i += stride) {
    query_rows.push_back(relevant_pairs[i].first);
    document_rows.push_back(relevant_pairs[i].second);
  }
  if (!query_rows.empty()) {
    const auto queries = MapQueries(
        tensors.queries.index_select(0, ToIndex(query_rows, tensors.device)), adapter, distance);
    const auto documents =
        MapDocuments(tensors.documents.index_select(0, ToIndex(document_rows, tensors.device)),
                     adapter, distance);
    geometry.alignment = (queries - documents).square().sum(1).mean().item<double>();
  }
  const torch::Tensor some =
      MapDocuments(SampleRows(base, kUniformitySample), adapter, distance).to(torch::kFloat64);
  const torch::Tensor length = some.square().sum(1, true);
  const torch::Tensor squared_distance = length + length.t() - 2 * some.mm(some.t());
  const double n = static_cast<double>(some.size(0));
  // The diagonal (distance 0, exp 1) is no pair.
  const double pairs = (squared_distance * -2).exp().sum().item<double>() - n;
  geometry.uniformity = n > 1 ? std::log(std::max(pairs, 1e-300) / (n * (n - 1))) : 0;
  return geometry;
}

}  // namespace almagest::training
