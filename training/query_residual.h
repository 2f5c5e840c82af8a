// The query side of an adapter with its non-linear part (storage/base/residual_tensors.h has the
// formulas), as tensors. Uses LibTorch: include only from files that do anyway.
#pragma once

#include <torch/torch.h>

#include <cstdint>

#include "training/job_config.h"
#include "training/linear_adapter.h"

namespace almagest::training {

// Rows x [n, D] to W x + b + U h(x) (then of length 1 for cosine), with or without that part: what
// searches do with queries.
torch::Tensor MapQueries(const torch::Tensor& rows, const LinearAdapter& adapter,
                         Distance distance);

// h of an mlp, [n, H].
torch::Tensor MlpHidden(const torch::Tensor& rows, const torch::Tensor& hidden_weight,
                        const torch::Tensor& hidden_bias);
// What of each row goes to each expert: [n, E], rows sum to 1.
torch::Tensor Routes(const torch::Tensor& rows, const torch::Tensor& route_weight,
                     const torch::Tensor& route_bias);
// h of a mixture, [n, H], from V x (+ c), [n, H], and Routes.
torch::Tensor MixtureHidden(const torch::Tensor& inner, const torch::Tensor& routes);

// Where the routes of a mixture start.
struct StartingRoutes {
  torch::Tensor weight;  // [experts, D]
  torch::Tensor bias;    // [experts]
};
// By the distance to `experts` centres of the rows (Lloyd's iterations, the best of four seeded
// starts), of which the nearest leads by 3 on average, so that about 95 % of a row is one expert's;
// then shifted until all experts get as much. Cost: 130 products of at most 4,096 rows with the
// centres.
StartingRoutes RoutesByCentres(const torch::Tensor& rows, int64_t experts, uint64_t seed);

}  // namespace almagest::training
