#include "training/vector_space.h"

#include <algorithm>

#include "training/disjoint_sets.h"
#include "training/query_residual.h"
#include "training/vector_space_tensors.h"

namespace almagest::training {
namespace {

constexpr int64_t kScoreBlockFloats = int64_t{16} << 20;

bool SameDocumentSide(const LinearAdapter& a, const LinearAdapter& b) {
  return a.document_weight == b.document_weight && a.document_bias == b.document_bias;
}

// W x + b by row, not normalised.
torch::Tensor Affine(const torch::Tensor& rows, std::span<const float> weight,
                     std::span<const float> bias) {
  const int64_t d = rows.size(1);
  return torch::addmm(ToTensor(bias, {d}, rows.device()), rows,
                      ToTensor(weight, {d, d}, rows.device()).t());
}

}  // namespace

torch::Tensor ToTensor(std::span<const float> values, torch::IntArrayRef shape,
                       const torch::Device& device) {
  return torch::from_blob(const_cast<float*>(values.data()), shape, torch::kFloat32)
      .to(device, torch::kFloat32, /*non_blocking=*/false, /*copy=*/true);
}

torch::Tensor ToIndex(std::span<const int32_t> rows, const torch::Device& device) {
  return torch::from_blob(const_cast<int32_t*>(rows.data()), {static_cast<int64_t>(rows.size())},
                          torch::kInt32)
      .to(device, torch::kInt64, /*non_blocking=*/false, /*copy=*/true);
}

std::vector<float> ToVector(const torch::Tensor& tensor) {
  const torch::Tensor flat = tensor.to(torch::kCPU, torch::kFloat32).contiguous();
  const float* data = flat.data_ptr<float>();
  return {data, data + flat.numel()};
}

torch::Tensor Normalised(const torch::Tensor& rows, Distance distance) {
  if (distance == Distance::kDot) return rows;
  return rows / rows.norm(2, 1, true).clamp_min(1e-12);
}

torch::Tensor MapRows(const torch::Tensor& rows, std::span<const float> weight,
                      std::span<const float> bias, Distance distance) {
  return Normalised(Affine(rows, weight, bias), distance);
}

int64_t ScoreBlock(int64_t columns) {
  return std::clamp<int64_t>(kScoreBlockFloats / std::max<int64_t>(columns, 1), 1, 256);
}

torch::Tensor TopRows(const torch::Tensor& queries, const torch::Tensor& documents, int64_t k,
                      const Tick& tick) {
  const int64_t n = queries.size(0);
  k = std::min(k, documents.size(0));
  torch::Tensor top = torch::empty({n, k}, torch::kInt64);
  const int64_t block = ScoreBlock(documents.size(0));
  const torch::Tensor columns = documents.t();
  for (int64_t first = 0; first < n; first += block) {
    const int64_t rows = std::min(block, n - first);
    const torch::Tensor scores = queries.narrow(0, first, rows).mm(columns);
    top.narrow(0, first, rows).copy_(std::get<1>(scores.topk(k, 1)));
    if (tick) tick(static_cast<double>(first + rows) / static_cast<double>(n));
  }
  return top;
}

VectorSpace::VectorSpace(std::unique_ptr<Tensors> tensors) : tensors_(std::move(tensors)) {}
VectorSpace::~VectorSpace() = default;

Result<std::unique_ptr<VectorSpace>> VectorSpace::Create(std::span<const float> documents,
                                                         std::span<const float> queries,
                                                         const Options& options) {
  const bool cuda = torch::cuda::is_available();
  if (options.device == DeviceChoice::kCuda && !cuda) {
    return Fail(ErrorCode::kFailedPrecondition,
                "device is 'cuda', but LibTorch finds no CUDA device on this machine");
  }
  at::set_num_threads(static_cast<int>(options.threads));
  auto tensors = std::make_unique<Tensors>();
  tensors->distance = options.distance;
  if (cuda && options.device != DeviceChoice::kCpu) tensors->device = torch::Device(torch::kCUDA);
  const auto load = [&](std::span<const float> values) {
    const int64_t d = options.dimension;
    const auto rows = static_cast<int64_t>(values.size()) / d;
    // A no-op on the CPU: the mapped file is the tensor.
    return torch::from_blob(const_cast<float*>(values.data()), {rows, d}, torch::kFloat32)
        .to(tensors->device);
  };
  tensors->documents = load(documents);
  tensors->queries = load(queries);
  return std::unique_ptr<VectorSpace>(new VectorSpace(std::move(tensors)));
}

int64_t VectorSpace::dimension() const { return tensors_->documents.size(1); }
int64_t VectorSpace::document_count() const { return tensors_->documents.size(0); }
Distance VectorSpace::distance() const { return tensors_->distance; }
std::string VectorSpace::device_name() const { return tensors_->device.is_cuda() ? "cuda" : "cpu"; }

Ranking VectorSpace::Search(const LinearAdapter& query_version,
                            const LinearAdapter& document_version,
                            std::span<const int32_t> query_rows, int64_t k, bool with_lengths,
                            const Tick& tick) const {
  const torch::NoGradGuard no_grad;
  const Distance distance = tensors_->distance;
  const torch::Device& device = tensors_->device;
  const int64_t d = dimension();
  torch::Tensor queries = MapQueries(tensors_->queries.index_select(0, ToIndex(query_rows, device)),
                                     query_version, distance);
  torch::Tensor documents = tensors_->documents;
  torch::Tensor unscaled = documents;
  if (document_version.maps_documents) {
    unscaled = Affine(documents, document_version.document_weight, document_version.document_bias);
    documents = Normalised(unscaled, distance);
  }
  if (!SameDocumentSide(query_version, document_version)) {
    // Double precision for the inverse; the maps are well conditioned (geometry in the report).
    const torch::Tensor own =
        ToTensor(query_version.document_weight, {d, d}, device).to(torch::kFloat64);
    const torch::Tensor stored =
        ToTensor(document_version.document_weight, {d, d}, device).to(torch::kFloat64);
    const torch::Tensor carry = own.mm(at::linalg_inv(stored));
    const torch::Tensor shift =
        ToTensor(query_version.document_bias, {d}, device).to(torch::kFloat64) -
        carry.mv(ToTensor(document_version.document_bias, {d}, device).to(torch::kFloat64));
    const torch::Tensor carried = queries.mm(carry.to(torch::kFloat32));
    if (with_lengths && distance == Distance::kCosine) {
      // The shift and the lengths ride along as one more component of queries and documents:
      // [n_k d_k, 1] / n_q . [M^T q, q.shift]. Exact, and still one inner product.
      const torch::Tensor constant = queries.mv(shift.to(torch::kFloat32)).unsqueeze(1);
      const torch::Tensor length =
          Affine(tensors_->documents, query_version.document_weight, query_version.document_bias)
              .norm(2, 1, true)
              .clamp_min(1e-12);
      documents = torch::cat({unscaled, torch::ones_like(length)}, 1) / length;
      queries = torch::cat({carried, constant}, 1);
    } else {
      queries = carried;
    }
  }
  const torch::Tensor top = TopRows(queries, documents, k, tick);
  Ranking ranking;
  ranking.depth = top.size(1);
  const int64_t* data = top.data_ptr<int64_t>();
  ranking.documents.assign(data, data + top.numel());
  return ranking;
}

std::vector<std::pair<int32_t, int32_t>> VectorSpace::SimilarQueries(
    std::span<const int32_t> query_rows, double threshold, const Tick& tick) const {
  const torch::NoGradGuard no_grad;
  const torch::Tensor queries = Normalised(
      tensors_->queries.index_select(0, ToIndex(query_rows, tensors_->device)), Distance::kCosine);
  const int64_t n = queries.size(0);
  const int64_t block = ScoreBlock(n);
  DisjointSets sets(query_rows.size());
  std::vector<std::pair<int32_t, int32_t>> pairs;
  for (int64_t first = 0; first < n; first += block) {
    const int64_t rows = std::min(block, n - first);
    // Each pair once: only columns at or after the block's first row.
    const torch::Tensor scores =
        queries.narrow(0, first, rows).mm(queries.narrow(0, first, n - first).t());
    const torch::Tensor found = (scores >= threshold).nonzero().to(torch::kCPU).contiguous();
    const int64_t* data = found.data_ptr<int64_t>();
    for (int64_t i = 0; i < found.size(0); ++i) {
      const int64_t a = data[2 * i];
      const int64_t b = data[2 * i + 1];
      const auto left = static_cast<int32_t>(first + a);
      const auto right = static_cast<int32_t>(first + b);
      if (a < b && sets.Join(left, right)) pairs.emplace_back(left, right);
    }
    if (tick) tick(static_cast<double>(first + rows) / static_cast<double>(n));
  }
  return pairs;
}

}  // namespace almagest::training
