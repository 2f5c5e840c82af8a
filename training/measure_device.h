// `almagest-trainer --measure`: how fast this device trains, mines and re-embeds, beside the rates
// that its matrix multiplication and its memory allow. Needs nothing but the trainer, so that it
// runs on a machine with a GPU and no server.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/base/result.h"
#include "training/job_config.h"

namespace almagest::training {

struct MeasureOptions {
  DeviceChoice device = DeviceChoice::kAuto;
  int64_t threads = 1;         // Of the CPU.
  int64_t documents = 20'000;  // Synthetic: clusters with noise, a query near one document each.
  int64_t queries = 4'096;
  int64_t dimension = 512;
  int64_t batch_size = 128;
  double seconds = 1;     // About this long for each rate, best of three rounds.
  std::string json_path;  // Empty: only printed.
};

// One line of the table. `limit` is what the device's ceiling would allow for the same work, by the
// multiplications (and copies) that cannot be avoided; `rate` / `limit` is the share reached.
struct DeviceRate {
  std::string what;
  std::string unit;
  double rate = 0;
  double limit = 0;
};

struct DeviceMeasurement {
  std::string device;         // "cpu" or "cuda".
  double float32_flops = 0;   // A second, square multiplication.
  double bfloat16_flops = 0;  // 0 on a CPU.
  double copy_bytes = 0;      // A second, read and written counted once each.
  std::vector<DeviceRate> rates;
  // A short training by the same seed on the CPU and on the device (on a CPU: twice): the largest
  // difference of a weight of the learned map, relative to the largest weight's change.
  double difference_to_cpu = 0;
};

// The largest `difference_to_cpu` that a GPU may show; a CPU must show none.
inline constexpr double kDeviceDifferenceMax = 1e-3;

// Arguments as after `--measure`; kInvalidArgument names flag, value and range.
Result<MeasureOptions> ParseMeasureArguments(const std::vector<std::string>& arguments);

// kFailedPrecondition where CUDA is asked for and absent.
Result<DeviceMeasurement> MeasureDevice(const MeasureOptions& options);

// {"device", "torch", "float32_gflops", "bfloat16_gflops", "copy_gb_per_second", "shape": {...},
//  "rows": [{"what", "unit", "rate", "limit", "share"}], "difference_to_cpu"}
std::string MeasurementJson(const MeasureOptions& options, const DeviceMeasurement& measured);

// Prints the table and writes the file. Fails as well when the device learns something else than
// the CPU.
Result<> RunMeasurement(const MeasureOptions& options);

}  // namespace almagest::training
