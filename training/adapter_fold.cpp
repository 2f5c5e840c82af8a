#include "training/adapter_fold.h"

#include "training/vector_space_tensors.h"

namespace almagest::training {
namespace {

torch::Tensor Double(const std::vector<float>& values, torch::IntArrayRef shape) {
  return ToTensor(values, shape, torch::kCPU).to(torch::kFloat64);
}

// With z = (W x + b) / length what the learned part sees, length * U h(V z + c) is
// (length U) h(V W / length x + V b / length + c), and so for the routes.
ResidualTensors FoldResidual(const LinearAdapter& start, const HiddenLayer& layer, double length) {
  const int64_t d = start.dimension;
  const torch::Tensor weight = Double(start.query_weight, {d, d});
  const torch::Tensor bias = Double(start.query_bias, {d});
  ResidualTensors folded;
  folded.hidden = layer.weight.size(0);
  folded.hidden_weight = ToVector(layer.weight.mm(weight) / length);
  folded.hidden_bias = ToVector(layer.weight.mv(bias) / length + layer.bias);
  folded.output_weight = ToVector(layer.output * length);
  if (!layer.route_weight.defined()) return folded;
  folded.experts = layer.route_weight.size(0);
  folded.route_weight = ToVector(layer.route_weight.mm(weight) / length);
  folded.route_bias = ToVector(layer.route_weight.mv(bias) / length + layer.route_bias);
  return folded;
}

}  // namespace

LinearAdapter FoldAdapter(const Candidate& candidate, const ResidualMap& residual,
                          double query_length) {
  LinearAdapter adapter = candidate.start;
  const int64_t d = adapter.dimension;
  if (HasHiddenLayer(candidate.shape)) {
    adapter.query_residual = FoldResidual(candidate.start, residual.Hidden(), query_length);
    adapter.kind = QueryKind(candidate.shape);
  } else {
    const torch::Tensor learned = residual.Matrix();
    const auto fold = [&](std::vector<float>* weight, std::vector<float>* bias) {
      const torch::Tensor matrix = Double(*weight, {d, d});
      const torch::Tensor vector = Double(*bias, {d});
      *weight = ToVector(learned.mm(matrix));
      *bias = ToVector(learned.mv(vector));
    };
    fold(&adapter.query_weight, &adapter.query_bias);
    if (candidate.maps_documents) {
      fold(&adapter.document_weight, &adapter.document_bias);
      adapter.maps_documents = true;
    }
    adapter.kind = adapter.maps_documents ? "two_sided_linear" : QueryKind(candidate.shape);
  }
  const std::vector<float> shift = ToVector(residual.Shift() * query_length);
  for (size_t i = 0; i < shift.size(); ++i) adapter.query_bias[i] += shift[i];
  return adapter;
}

}  // namespace almagest::training
