#include "training/bridge_space.h"

#include "training/query_residual.h"
#include "training/vector_space_tensors.h"

namespace almagest::training {
namespace {

// One side as searches use it.
struct SideTensors {
  torch::Tensor base;       // [N, d] documents as they are stored.
  torch::Tensor documents;  // [N, d] as served.
  torch::Tensor queries;    // [Q, d] base.
  Distance distance = Distance::kCosine;
  const LinearAdapter* version = nullptr;

  torch::Tensor ServeQueries(const torch::Tensor& rows) const {
    if (version == nullptr) return Normalised(rows, distance);
    return MapQueries(rows, *version, distance);
  }
};

SideTensors Load(const BridgeSide& side, const torch::Device& device) {
  SideTensors tensors;
  const auto load = [&](std::span<const float> values) {
    return ToTensor(values, {static_cast<int64_t>(values.size()) / side.dimension, side.dimension},
                    device);
  };
  tensors.base = load(side.documents);
  tensors.queries = load(side.queries);
  tensors.distance = side.distance;
  tensors.documents = Normalised(tensors.base, side.distance);
  if (!side.version) return tensors;
  tensors.version = &*side.version;
  if (side.version->maps_documents) {
    tensors.documents = MapRows(tensors.base, side.version->document_weight,
                                side.version->document_bias, side.distance);
  }
  return tensors;
}

torch::Tensor ProbeRows(const SideTensors& side, const Probes& probes) {
  return (probes.are_documents ? side.base : side.queries)
      .index_select(0, ToIndex(probes.rows, side.base.device()));
}

ScoredLists Search(const torch::Tensor& queries, const torch::Tensor& documents,
                   const Probes& probes, std::span<const uint8_t> allowed, int64_t k) {
  const torch::Device device = documents.device();
  const int64_t n = queries.size(0);
  ScoredLists lists;
  lists.depth = std::min(k, documents.size(0));
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  torch::Tensor penalty = torch::zeros({documents.size(0)}, documents.options());
  if (!allowed.empty()) {
    std::vector<float> values(allowed.size());
    for (size_t i = 0; i < allowed.size(); ++i) values[i] = allowed[i] != 0 ? 0 : kNever;
    penalty = ToTensor(values, {documents.size(0)}, device);
  }
  const torch::Tensor columns = documents.t();
  const torch::Tensor own = ToIndex(probes.rows, device);
  const int64_t block = ScoreBlock(documents.size(0));
  for (int64_t first = 0; first < n; first += block) {
    const int64_t rows = std::min(block, n - first);
    torch::Tensor scores = queries.narrow(0, first, rows).mm(columns) + penalty;
    if (probes.are_documents) {
      scores.scatter_(1, own.narrow(0, first, rows).unsqueeze(1), kNever);
    }
    const auto [best, rank] = scores.topk(lists.depth, 1);
    const torch::Tensor found = rank.masked_fill(best == kNever, -1);
    const auto values = ToVector(best);
    const auto indexes = found.to(torch::kCPU, torch::kInt32).contiguous();
    lists.scores.insert(lists.scores.end(), values.begin(), values.end());
    lists.documents.insert(lists.documents.end(), indexes.data_ptr<int32_t>(),
                           indexes.data_ptr<int32_t>() + indexes.numel());
  }
  return lists;
}

std::vector<float> ScoreLists(const torch::Tensor& queries, const torch::Tensor& documents,
                              const ScoredLists& lists) {
  const int64_t n = queries.size(0);
  const torch::Tensor index =
      ToIndex(lists.documents, documents.device()).clamp_min(0).view({n, lists.depth});
  std::vector<float> scores;
  scores.reserve(lists.documents.size());
  const int64_t block = ScoreBlock(documents.size(0));
  for (int64_t first = 0; first < n; first += block) {
    const int64_t rows = std::min(block, n - first);
    const torch::Tensor all = queries.narrow(0, first, rows).mm(documents.t());
    const auto values = ToVector(all.gather(1, index.narrow(0, first, rows)));
    scores.insert(scores.end(), values.begin(), values.end());
  }
  return scores;
}

struct Centred {
  torch::Tensor x, y;            // Rows minus their mean, float64.
  torch::Tensor x_mean, y_mean;  // [1, d]
};

BridgeMap ToMap(const char* kind, const torch::Tensor& weight, const Centred& pairs) {
  BridgeMap map;
  map.kind = kind;
  map.weight = ToVector(weight);
  map.bias = ToVector(pairs.y_mean.squeeze(0) - weight.mv(pairs.x_mean.squeeze(0)));
  return map;
}

}  // namespace

struct BridgeSpace::Tensors {
  SideTensors from, to;
  torch::Device device{torch::kCPU};

  Centred Pairs(std::span<const int32_t> rows) const {
    const torch::Tensor index = ToIndex(rows, device);
    Centred pairs;
    pairs.x = from.base.index_select(0, index).to(torch::kFloat64);
    pairs.y = to.base.index_select(0, index).to(torch::kFloat64);
    pairs.x_mean = pairs.x.mean(0, true);
    pairs.y_mean = pairs.y.mean(0, true);
    pairs.x = pairs.x - pairs.x_mean;
    pairs.y = pairs.y - pairs.y_mean;
    return pairs;
  }
  torch::Tensor Mapped(const BridgeMap& map, const Probes& probes) const {
    const int64_t inputs = from.base.size(1);
    const int64_t outputs = to.base.size(1);
    const torch::Tensor weight = ToTensor(map.weight, {outputs, inputs}, device);
    const torch::Tensor bias = ToTensor(map.bias, {outputs}, device);
    return to.ServeQueries(
        Normalised(torch::addmm(bias, ProbeRows(from, probes), weight.t()), to.distance));
  }
};

BridgeSpace::BridgeSpace(std::unique_ptr<Tensors> tensors) : tensors_(std::move(tensors)) {}
BridgeSpace::~BridgeSpace() = default;

Result<std::unique_ptr<BridgeSpace>> BridgeSpace::Create(const BridgeFolder& folder) {
  const torch::NoGradGuard no_grad;
  const bool cuda = torch::cuda::is_available();
  if (folder.device == DeviceChoice::kCuda && !cuda) {
    return Fail(ErrorCode::kFailedPrecondition,
                "device is 'cuda', but LibTorch finds no CUDA device on this machine");
  }
  at::set_num_threads(static_cast<int>(folder.threads));
  auto tensors = std::make_unique<Tensors>();
  if (cuda && folder.device != DeviceChoice::kCpu) tensors->device = torch::Device(torch::kCUDA);
  tensors->from = Load(folder.from, tensors->device);
  tensors->to = Load(folder.to, tensors->device);
  return std::unique_ptr<BridgeSpace>(new BridgeSpace(std::move(tensors)));
}

std::string BridgeSpace::device_name() const { return tensors_->device.is_cuda() ? "cuda" : "cpu"; }

BridgeMap BridgeSpace::FitProcrustes(std::span<const int32_t> rows) const {
  const torch::NoGradGuard no_grad;
  const Centred pairs = tensors_->Pairs(rows);
  const auto [u, singular, vt] = at::linalg_svd(pairs.y.t().mm(pairs.x), /*full_matrices=*/false);
  torch::Tensor weight = u.mm(vt);
  // Of |Y - s X W^T|^2.
  const double length = pairs.x.mm(weight.t()).square().sum().item<double>();
  weight = weight * (length > 0 ? singular.sum().item<double>() / length : 1.0);
  return ToMap("procrustes", weight, pairs);
}

BridgeMap BridgeSpace::FitRidge(std::span<const int32_t> rows, double strength) const {
  const torch::NoGradGuard no_grad;
  const Centred pairs = tensors_->Pairs(rows);
  torch::Tensor moments = pairs.x.t().mm(pairs.x);
  const double mean_variance = moments.diagonal().mean().item<double>();
  // Never singular, even where a dimension is constant.
  moments.diagonal().add_(strength * mean_variance + 1e-12);
  const torch::Tensor solution = at::linalg_solve(moments, pairs.x.t().mm(pairs.y));
  return ToMap("ridge", solution.t().contiguous(), pairs);
}

ScoredLists BridgeSpace::SearchFrom(const Probes& probes, std::span<const uint8_t> allowed,
                                    int64_t k) const {
  const torch::NoGradGuard no_grad;
  const SideTensors& from = tensors_->from;
  return Search(from.ServeQueries(ProbeRows(from, probes)), from.documents, probes, allowed, k);
}

ScoredLists BridgeSpace::SearchTo(const Probes& probes, std::span<const uint8_t> allowed,
                                  int64_t k) const {
  const torch::NoGradGuard no_grad;
  const SideTensors& to = tensors_->to;
  return Search(to.ServeQueries(ProbeRows(to, probes)), to.documents, probes, allowed, k);
}

ScoredLists BridgeSpace::SearchMapped(const BridgeMap& map, const Probes& probes,
                                      std::span<const uint8_t> allowed, int64_t k) const {
  const torch::NoGradGuard no_grad;
  return Search(tensors_->Mapped(map, probes), tensors_->to.documents, probes, allowed, k);
}

std::vector<float> BridgeSpace::ScoreFrom(const Probes& probes, const ScoredLists& lists) const {
  const torch::NoGradGuard no_grad;
  const SideTensors& from = tensors_->from;
  return ScoreLists(from.ServeQueries(ProbeRows(from, probes)), from.documents, lists);
}

std::vector<float> BridgeSpace::ScoreMapped(const BridgeMap& map, const Probes& probes,
                                            const ScoredLists& lists) const {
  const torch::NoGradGuard no_grad;
  return ScoreLists(tensors_->Mapped(map, probes), tensors_->to.documents, lists);
}

}  // namespace almagest::training
