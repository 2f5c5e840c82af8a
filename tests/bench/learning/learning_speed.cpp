#include "tests/bench/learning/learning_speed.h"

#include <torch/torch.h>

#include <algorithm>
#include <chrono>

#include "engine/linalg/linear_map.h"

namespace almagest::bench {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::time_point since) {
  return std::chrono::duration<double>(Clock::now() - since).count();
}

// Flops a second of [rows, d] x [d, d], the best of a few rounds of about 50 ms.
double SgemmRate(int64_t rows, int64_t d) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor a = torch::ones({rows, d});
  const torch::Tensor b = torch::ones({d, d});
  double best = 0;
  for (int round = 0; round < 6; ++round) {
    const auto start = Clock::now();
    int64_t runs = 0;
    while (Seconds(start) < 0.05) {
      a.mm(b);
      ++runs;
    }
    best = std::max(best, static_cast<double>(2 * runs * rows * d * d) / Seconds(start));
  }
  return best;
}

}  // namespace

Result<nlohmann::ordered_json> MeasureSpeed(const training::JobReport& report,
                                            const ModelVectors& vectors,
                                            const training::LinearAdapter& adapter,
                                            int64_t threads) {
  double job_seconds = 0;
  double training_seconds = 0;
  for (const auto& [phase, spent] : report.seconds) {
    job_seconds += spent;
    if (phase == "training" || phase == "mining") training_seconds += spent;
  }
  // Batches of 128 with 4 mined negatives each and 256 random ones (the defaults).
  constexpr double kRows = 128;
  constexpr double kColumns = 128 + 4 * 128 + 256;
  const auto d = static_cast<double>(vectors.dimension);
  const double step_flops = 6 * (kRows + kColumns) * d * d + 6 * kRows * kColumns * d;
  const double rate = SgemmRate(1024, vectors.dimension);
  const auto steps = static_cast<double>(report.steps);

  at::set_num_threads(1);
  const double rate_of_one = SgemmRate(1024, vectors.dimension);
  at::set_num_threads(static_cast<int>(threads));
  ALMAGEST_TRY(const LinearMap map,
               LinearMap::Create(static_cast<size_t>(vectors.dimension), adapter.document_weight,
                                 adapter.document_bias));
  const auto rows = vectors.documents.size() / static_cast<size_t>(vectors.dimension);
  const size_t batch = std::min<size_t>(rows, 4096);
  std::vector<float> mapped(batch * static_cast<size_t>(vectors.dimension));
  std::vector<float> norms(batch);
  double per_second = 0;
  for (int round = 0; round < 10; ++round) {
    const auto start = Clock::now();
    map.ApplyBatch({vectors.documents.data(), mapped.size()}, batch, mapped, true, norms);
    per_second = std::max(per_second, static_cast<double>(batch) / Seconds(start));
  }
  return nlohmann::ordered_json{
      {"job_seconds", job_seconds},
      {"training_seconds", training_seconds},
      {"steps", report.steps},
      {"steps_per_second", steps / std::max(training_seconds, 1e-9)},
      {"steps_per_second_floor", rate / step_flops},
      {"sgemm_gflops", rate / 1e9},
      {"reembedding_vectors_per_second", per_second},
      {"reembedding_share_of_sgemm", per_second * 2 * d * d / rate_of_one}};
}

}  // namespace almagest::bench
