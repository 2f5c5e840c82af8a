#include "training/measure_device.h"

#include <torch/torch.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "storage/base/file.h"
#include "training/adapter_training.h"
#include "training/mine_negatives.h"
#include "training/vector_space_tensors.h"

namespace almagest::training {
namespace {

constexpr int64_t kClusters = 64;
constexpr uint64_t kSeed = 42;
constexpr int64_t kAgreementSteps = 25;

// What a device runs is done when it has been waited for.
class Stopwatch {
 public:
  explicit Stopwatch(const torch::Device& device) : device_(device), since_(Synchronised()) {}
  double Seconds() const { return std::chrono::duration<double>(Synchronised() - since_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point Synchronised() const {
    if (device_.is_cuda()) torch::cuda::synchronize();
    return Clock::now();
  }
  torch::Device device_;
  Clock::time_point since_;
};

// How often `work` runs in a second: the best of three rounds of a third of `seconds` each, after
// one run that is not counted.
double RunsPerSecond(const torch::Device& device, double seconds,
                     const std::function<void()>& work) {
  const torch::NoGradGuard no_grad;
  work();
  double best = 0;
  int64_t runs = 1;
  for (int round = 0; round < 3;) {
    const Stopwatch watch(device);
    for (int64_t i = 0; i < runs; ++i) work();
    const double spent = watch.Seconds();
    best = std::max(best, static_cast<double>(runs) / spent);
    // Waiting for a GPU costs as much as a short run of it: longer until that does not count.
    if (spent < seconds / 6) {
      runs *= 2;
    } else {
      ++round;
    }
  }
  return best;
}

double MatmulFlops(const torch::Device& device, torch::Dtype type, double seconds) {
  const int64_t n = device.is_cuda() ? 8192 : 1024;
  const torch::Tensor a = torch::ones({n, n}, torch::dtype(type).device(device));
  const torch::Tensor b = torch::ones({n, n}, torch::dtype(type).device(device));
  torch::Tensor product = torch::empty({n, n}, torch::dtype(type).device(device));
  const auto size = static_cast<double>(n);
  return 2 * size * size * size *
         RunsPerSecond(device, seconds, [&] { torch::mm_out(product, a, b); });
}

double CopyBytes(const torch::Device& device, double seconds) {
  const int64_t floats = int64_t{1} << (device.is_cuda() ? 28 : 25);
  const torch::Tensor from = torch::ones({floats}, torch::dtype(torch::kFloat32).device(device));
  torch::Tensor to = torch::zeros_like(from);
  return 8 * static_cast<double>(floats) * RunsPerSecond(device, seconds, [&] { to.copy_(from); });
}

struct SyntheticVectors {
  std::vector<float> documents;
  std::vector<float> queries;
  TrainingData data;
};

SyntheticVectors MakeVectors(int64_t documents, int64_t queries, int64_t dimension) {
  torch::manual_seed(kSeed);
  const torch::NoGradGuard no_grad;
  const torch::Tensor centres = torch::randn({kClusters, dimension});
  const torch::Tensor rows =
      Normalised(centres.index_select(0, torch::randint(kClusters, {documents}, torch::kInt64)) +
                     torch::randn({documents, dimension}),
                 Distance::kCosine);
  const torch::Tensor answers = torch::randint(documents, {queries}, torch::kInt64);
  const double noise = 0.7 / std::sqrt(static_cast<double>(dimension));
  SyntheticVectors made;
  made.documents = ToVector(rows);
  made.queries =
      ToVector(rows.index_select(0, answers) + noise * torch::randn({queries, dimension}));
  made.data.corpus.resize(static_cast<size_t>(documents));
  std::iota(made.data.corpus.begin(), made.data.corpus.end(), 0);
  for (int64_t i = 0; i < queries; ++i) {
    const auto answer = static_cast<int32_t>(answers.data_ptr<int64_t>()[i]);
    made.data.train.push_back(
        MakeTrainingQuery({static_cast<int32_t>(i), {{answer, 1.0F, 1.0F}}}, made.data.corpus));
  }
  return made;
}

Result<TrainedCandidate> Train(const VectorSpace& space, const TrainingData& data, int64_t steps,
                               int64_t batch_size) {
  // Nothing is reported to anybody here.
  ALMAGEST_TRY(const auto progress, Progress::Open("/dev/null"));
  Candidate candidate;
  candidate.name = "measured";
  candidate.start = LinearAdapter::Identity(space.dimension());
  candidate.steps = steps;
  TrainingOptions options;
  options.batch_size = batch_size;
  // As many columns as a step has by default, none of them mined: mining has a rate of its own.
  options.random_negatives += batch_size * options.hard_negatives;
  options.hard_negatives = 0;
  options.evaluate_every = steps;
  return TrainCandidate(space, data, candidate, options, kSeed,
                        std::numeric_limits<double>::infinity(), progress.get());
}

// Two trainings of different lengths, so that what comes before the first step drops out.
Result<double> StepsPerSecond(const VectorSpace& space, const TrainingData& data,
                              const MeasureOptions& options) {
  const torch::Device device = space.tensors().device;
  const auto seconds_of = [&](int64_t steps) -> Result<double> {
    const Stopwatch watch(device);
    ALMAGEST_TRY_VOID(Train(space, data, steps, options.batch_size));
    return watch.Seconds();
  };
  ALMAGEST_TRY_VOID(seconds_of(2));
  for (int64_t steps = 10;; steps *= 2) {
    ALMAGEST_TRY(const double few, seconds_of(2));
    ALMAGEST_TRY(const double many, seconds_of(2 + steps));
    if (many - few > options.seconds / 2) return static_cast<double>(steps) / (many - few);
  }
}

Result<double> DifferenceToCpu(const MeasureOptions& options, const torch::Device& device) {
  const int64_t documents = std::min<int64_t>(options.documents, 2'000);
  const int64_t queries = std::min<int64_t>(options.queries, 256);
  const SyntheticVectors made = MakeVectors(documents, queries, options.dimension);
  const auto learn = [&](DeviceChoice choice) -> Result<std::vector<float>> {
    ALMAGEST_TRY(const auto space, VectorSpace::Create(made.documents, made.queries,
                                                       {options.dimension, Distance::kCosine,
                                                        choice, options.threads}));
    ALMAGEST_TRY(const TrainedCandidate trained,
                 Train(*space, made.data, kAgreementSteps, options.batch_size));
    return trained.adapter.document_weight;
  };
  ALMAGEST_TRY(const std::vector<float> there,
               learn(device.is_cuda() ? DeviceChoice::kCuda : DeviceChoice::kCpu));
  ALMAGEST_TRY(const std::vector<float> here, learn(DeviceChoice::kCpu));
  double difference = 0;
  double change = 1e-12;
  const auto width = static_cast<size_t>(options.dimension);
  for (size_t i = 0; i < here.size(); ++i) {
    const double identity = i / width == i % width ? 1 : 0;
    change = std::max(change, std::abs(here[i] - identity));
    difference = std::max(difference, std::abs(static_cast<double>(here[i]) - there[i]));
  }
  return difference / change;
}

Result<int64_t> ParseWhole(const std::string& flag, const std::string& value, int64_t least,
                           int64_t most) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || *end != '\0' || number < least || number > most) {
    return Fail(ErrorCode::kInvalidArgument,
                flag + " is '" + value + "', it must be a whole number from " +
                    std::to_string(least) + " to " + std::to_string(most));
  }
  return number;
}

}  // namespace

Result<MeasureOptions> ParseMeasureArguments(const std::vector<std::string>& arguments) {
  MeasureOptions options;
  for (size_t i = 0; i < arguments.size(); i += 2) {
    const std::string& flag = arguments[i];
    if (i + 1 == arguments.size()) {
      return Fail(ErrorCode::kInvalidArgument, flag + " needs a value");
    }
    const std::string& value = arguments[i + 1];
    if (flag == "--device") {
      ALMAGEST_TRY(options.device, ParseDevice(value));
    } else if (flag == "--json") {
      options.json_path = value;
    } else if (flag == "--threads") {
      ALMAGEST_TRY(options.threads, ParseWhole(flag, value, 1, 1024));
    } else if (flag == "--documents") {
      ALMAGEST_TRY(options.documents, ParseWhole(flag, value, 100, 10'000'000));
    } else if (flag == "--queries") {
      ALMAGEST_TRY(options.queries, ParseWhole(flag, value, 32, 1'000'000));
    } else if (flag == "--dimension") {
      ALMAGEST_TRY(options.dimension, ParseWhole(flag, value, 2, 8192));
    } else if (flag == "--batch-size") {
      ALMAGEST_TRY(options.batch_size, ParseWhole(flag, value, 2, 16'384));
    } else if (flag == "--milliseconds") {
      ALMAGEST_TRY(const int64_t milliseconds, ParseWhole(flag, value, 1, 60'000));
      options.seconds = static_cast<double>(milliseconds) / 1000;
    } else {
      return Fail(ErrorCode::kInvalidArgument, "unknown argument '" + flag + "'");
    }
  }
  return options;
}

Result<DeviceMeasurement> MeasureDevice(const MeasureOptions& options) {
  const SyntheticVectors made = MakeVectors(options.documents, options.queries, options.dimension);
  ALMAGEST_TRY(const auto space, VectorSpace::Create(made.documents, made.queries,
                                                     {options.dimension, Distance::kCosine,
                                                      options.device, options.threads}));
  const torch::Device device = space->tensors().device;
  DeviceMeasurement measured;
  measured.device = space->device_name();
  measured.float32_flops = MatmulFlops(device, torch::kFloat32, options.seconds);
  if (device.is_cuda()) {
    measured.bfloat16_flops = MatmulFlops(device, torch::kBFloat16, options.seconds);
  }
  measured.copy_bytes = CopyBytes(device, options.seconds);

  const auto d = static_cast<double>(options.dimension);
  const auto documents = static_cast<double>(options.documents);
  const TrainingOptions defaults;
  const auto rows = static_cast<double>(std::min(options.batch_size, options.queries));
  const double columns = rows * static_cast<double>(1 + defaults.hard_negatives) +
                         static_cast<double>(defaults.random_negatives);
  ALMAGEST_TRY(const double steps, StepsPerSecond(*space, made.data, options));
  // Forwards and backwards: both sides mapped, all scores; adapter_training.h.
  const double step_flops = 6 * (rows + columns) * d * d + 6 * rows * columns * d;
  measured.rates.push_back({"training", "steps/s", steps, measured.float32_flops / step_flops});

  const double queries_mined =
      static_cast<double>(options.queries) * RunsPerSecond(device, options.seconds, [&] {
        MineNegatives(space->tensors().queries, space->tensors().documents, made.data.train,
                      defaults.mining_depth, defaults.positive_ratio, {});
      });
  measured.rates.push_back(
      {"mining", "queries/s", queries_mined, measured.float32_flops / (2 * documents * d)});

  const LinearAdapter map = LinearAdapter::Identity(options.dimension);
  const double mapped = documents * RunsPerSecond(device, options.seconds, [&] {
                          MapRows(space->tensors().documents, map.document_weight,
                                  map.document_bias, Distance::kCosine);
                        });
  // One multiplication, and one read and one write of every row.
  const double seconds_a_row = 2 * d * d / measured.float32_flops + 8 * d / measured.copy_bytes;
  measured.rates.push_back({"re-embedding", "vectors/s", mapped, 1 / seconds_a_row});
  ALMAGEST_TRY(measured.difference_to_cpu, DifferenceToCpu(options, device));
  return measured;
}

std::string MeasurementJson(const MeasureOptions& options, const DeviceMeasurement& measured) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const DeviceRate& rate : measured.rates) {
    rows.push_back({{"what", rate.what},
                    {"unit", rate.unit},
                    {"rate", rate.rate},
                    {"limit", rate.limit},
                    {"share", rate.rate / rate.limit}});
  }
  const nlohmann::ordered_json all{{"device", measured.device},
                                   {"torch", TORCH_VERSION},
                                   {"float32_gflops", measured.float32_flops / 1e9},
                                   {"bfloat16_gflops", measured.bfloat16_flops / 1e9},
                                   {"copy_gb_per_second", measured.copy_bytes / 1e9},
                                   {"shape",
                                    {{"documents", options.documents},
                                     {"queries", options.queries},
                                     {"dimension", options.dimension},
                                     {"batch_size", options.batch_size}}},
                                   {"rows", rows},
                                   {"difference_to_cpu", measured.difference_to_cpu}};
  return all.dump(2) + "\n";
}

Result<> RunMeasurement(const MeasureOptions& options) {
  ALMAGEST_TRY(const DeviceMeasurement measured, MeasureDevice(options));
  std::printf("device %s, LibTorch %s: float32 %.0f, bfloat16 %.0f GFLOP/s, copies %.1f GB/s\n",
              measured.device.c_str(), TORCH_VERSION, measured.float32_flops / 1e9,
              measured.bfloat16_flops / 1e9, measured.copy_bytes / 1e9);
  std::printf("%lld documents, %lld queries, %lld dimensions, batches of %lld\n",
              static_cast<long long>(options.documents), static_cast<long long>(options.queries),
              static_cast<long long>(options.dimension),
              static_cast<long long>(options.batch_size));
  for (const DeviceRate& rate : measured.rates) {
    std::printf("%-14s %12.1f %-10s of %12.1f allowed (%.0f %%)\n", rate.what.c_str(), rate.rate,
                rate.unit.c_str(), rate.limit, 100 * rate.rate / rate.limit);
  }
  std::printf("learned weights beside the CPU's: %.2g apart\n", measured.difference_to_cpu);
  if (!options.json_path.empty()) {
    ALMAGEST_TRY_VOID(WriteFileAtomically(options.json_path, MeasurementJson(options, measured)));
  }
  const double most = measured.device == "cpu" ? 0 : kDeviceDifferenceMax;
  if (measured.difference_to_cpu > most) {
    return Fail(ErrorCode::kInternal,
                "this device learns other weights than the CPU from the same seed: " +
                    std::to_string(measured.difference_to_cpu) + " apart, at most " +
                    std::to_string(most) + " is allowed");
  }
  return {};
}

}  // namespace almagest::training
