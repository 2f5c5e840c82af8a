#include "engine/index/code_graph_nodes.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "storage/base/check.h"

namespace almagest {
namespace {

constexpr size_t kTasksAtOnce = 16;
constexpr size_t kTasksBetweenCheckpoints = 96;
// Of the share of o - c that the rotation left out, as much is taken to point along the rest. 1
// would be all; measured best on pictures at about this.
constexpr float kLeftOutShare = 0.8f;

// The largest power of two that keeps `largest` at or below `limit`; 1 for 0 or not finite.
float PowerOfTwoWithin(double limit, double largest) {
  if (!(largest > 0.0) || !std::isfinite(largest)) return 1.0f;
  const double exponent = std::clamp(std::floor(std::log2(limit / largest)), -120.0, 120.0);
  return static_cast<float>(std::exp2(exponent));
}

// Between which values the middle `share` of the coordinates lies, by a sample of the rows.
std::pair<float, float> CoordinateRange(const DenseRowsView& rows, double share) {
  constexpr size_t kSampleCoordinates = 1 << 20;
  const size_t step = std::max<size_t>(1, size_t{rows.count} * rows.dimension / kSampleCoordinates);
  std::vector<float> sample;
  for (size_t row = 0; row < rows.count; row += step) {
    const auto number = static_cast<uint32_t>(row);
    if (!rows.Present(number)) continue;
    sample.insert(sample.end(), rows.Row(number), rows.Row(number) + rows.dimension);
  }
  if (sample.empty()) return {0.0f, 1.0f};
  const auto cut = static_cast<ptrdiff_t>(static_cast<double>(sample.size() - 1) *
                                          (1.0 - std::clamp(share, 0.0, 1.0)) / 2.0);
  const auto low = sample.begin() + cut;
  const auto high = sample.end() - 1 - cut;
  std::nth_element(sample.begin(), low, sample.end());
  const float least = *low;
  std::nth_element(sample.begin(), high, sample.end());
  return {least, *high};
}

}  // namespace

std::optional<float> ByteOffset(const DenseRowsView& rows) {
  constexpr float kLargest = 1 << 20;
  float low = kLargest;
  float high = -kLargest;
  for (uint32_t row = 0; row < rows.count; ++row) {
    if (!rows.Present(row)) continue;
    const float* values = rows.Row(row);
    for (uint32_t i = 0; i < rows.dimension; ++i) {
      if (!(std::fabs(values[i]) < kLargest) || std::trunc(values[i]) != values[i]) return {};
      low = std::min(low, values[i]);
      high = std::max(high, values[i]);
    }
    if (high - low > 255.0f) return {};
  }
  if (low > high) return {};
  return low;
}

bool ForEachInParallel(size_t count, uint32_t thread_count,
                       const std::function<void(size_t i, size_t thread)>& task,
                       const std::function<bool(size_t begun)>& checkpoint) {
  std::atomic<size_t> next{0};
  std::atomic<bool> paused{false};
  std::atomic<bool> stopped{false};
  std::mutex pause;
  const auto work = [&](size_t thread) {
    size_t own_tasks = 0;
    while (!stopped) {
      if (thread != 0 && paused) const std::lock_guard wait(pause);
      const size_t first = next.fetch_add(kTasksAtOnce);
      if (first >= count) return;
      for (size_t i = first; i < std::min(count, first + kTasksAtOnce); ++i) task(i, thread);
      own_tasks += kTasksAtOnce;
      if (thread != 0 || !checkpoint || own_tasks < kTasksBetweenCheckpoints) continue;
      own_tasks = 0;
      paused = true;
      const std::lock_guard hold(pause);
      if (!checkpoint(std::min(count, next.load()))) stopped = true;
      paused = false;
    }
  };
  std::vector<std::thread> threads;
  try {
    for (size_t t = 1; t < thread_count && t * kTasksAtOnce < count; ++t) {
      threads.emplace_back(work, t);
    }
  } catch (const std::system_error&) {  // The threads there are do the work of all.
  }
  work(0);
  for (std::thread& thread : threads) thread.join();
  return !stopped;
}

CodeNodeWriter::CodeNodeWriter(const DenseRowsView& rows, Metric metric, CodeRowFormat format,
                               double byte_quantile, std::shared_ptr<const CodeRotation> rotation,
                               uint32_t thread_count, CodeGraphArrays& arrays)
    : rows_(rows),
      arrays_(arrays),
      layout_(rows.dimension, rotation->code_bits(), format),
      code_bits_(rotation->code_bits()),
      rotated_(size_t{rows.count} * rotation->code_bits(), 0.0f) {
  arrays_.meta = {};
  arrays_.meta.row_count = rows.count;
  arrays_.meta.dimension = rows.dimension;
  arrays_.meta.code_bits = rotation->code_bits();
  arrays_.meta.metric = static_cast<uint32_t>(metric);
  arrays_.meta.row_format = format;
  arrays_.rotation = std::move(rotation);
  arrays_.nodes = CodeMemory(size_t{rows.count} * layout_.node_bytes);
  if (rows.present_words != nullptr) {
    arrays_.present.assign(rows.present_words, rows.present_words + (size_t{rows.count} + 63) / 64);
  }
  ChooseScales(byte_quantile);
  const std::vector<float> matrix = arrays_.rotation->FloatMatrix();
  std::vector<std::vector<float>> centred(thread_count, std::vector<float>(rows.dimension));
  ForEachInParallel(rows.count, thread_count, [&](size_t row, size_t thread) {
    const auto number = static_cast<uint32_t>(row);
    if (!rows_.Present(number)) return;
    arrays_.rotation->RotateRow(matrix, rows_.Row(number), centred[thread].data(),
                                rotated_.data() + row * code_bits_);
    WriteRow(number);
    WriteLinks(number, {});
  });
  if (format == CodeRowFormat::kHalf && halves_exact_) {
    arrays_.meta.row_format = CodeRowFormat::kExactHalf;
  }
}

// Factors are of the order of the largest squared length, of rows or of rows less their mean.
void CodeNodeWriter::ChooseScales(double byte_quantile) {
  const std::vector<float>& mean = arrays_.rotation->mean();
  const DistanceKernels& euclid = KernelsFor(Metric::kEuclid);
  const DistanceKernels& dot = KernelsFor(Metric::kDot);
  double spread = 0.0;   // Largest squared distance from the mean,
  double longest = 0.0;  // squared length
  double largest = 0.0;  // and coordinate.
  for (uint32_t row = 0; row < rows_.count; ++row) {
    if (!rows_.Present(row)) continue;
    const float* values = rows_.Row(row);
    const double from_mean = -euclid.pair(values, mean.data(), rows_.dimension);
    spread = std::max(spread, from_mean);
    longest = std::max<double>(longest, dot.pair(values, values, rows_.dimension));
    for (uint32_t i = 0; i < rows_.dimension; ++i) {
      largest = std::max<double>(largest, std::fabs(values[i]));
    }
  }
  const bool euclidean = arrays_.meta.metric == static_cast<uint32_t>(Metric::kEuclid);
  arrays_.meta.factor_scale =
      PowerOfTwoWithin(4000.0, euclidean ? spread : std::max(spread, longest));
  if (arrays_.meta.row_format == CodeRowFormat::kHalf) {
    arrays_.meta.row_scale = PowerOfTwoWithin(32768.0, largest);
  } else if (arrays_.meta.row_format == CodeRowFormat::kByte) {
    if (const std::optional<float> offset = ByteOffset(rows_)) {
      arrays_.meta.row_offset = *offset;
    } else {
      const auto [low, high] = CoordinateRange(rows_, byte_quantile);
      arrays_.meta.row_offset = low;
      arrays_.meta.row_scale = std::clamp(255.0f / std::max(high - low, 1e-30f), 1e-30f, 1e30f);
      // 1 stands for exact bytes.
      if (arrays_.meta.row_scale == 1.0f) arrays_.meta.row_scale = std::nextafter(1.0f, 0.0f);
    }
  }
}

void CodeNodeWriter::WriteRow(uint32_t row) {
  std::byte* to = arrays_.nodes.data() + size_t{row} * layout_.node_bytes + layout_.row;
  const float* values = rows_.Row(row);
  if (arrays_.meta.row_format == CodeRowFormat::kFloat) {
    std::memcpy(to, values, size_t{rows_.dimension} * sizeof(float));
    return;
  }
  if (arrays_.meta.row_format == CodeRowFormat::kByte) {
    for (uint32_t i = 0; i < rows_.dimension; ++i) {
      const float steps = (values[i] - arrays_.meta.row_offset) * arrays_.meta.row_scale;
      to[i] =
          static_cast<std::byte>(static_cast<uint8_t>(std::lrint(std::clamp(steps, 0.0f, 255.0f))));
    }
    return;
  }
  for (uint32_t i = 0; i < rows_.dimension; ++i) {
    const float scaled = values[i] * arrays_.meta.row_scale;
    const uint16_t half = FloatToBoundedHalf(scaled);
    if (HalfToFloat(half) != scaled) halves_exact_.store(false, std::memory_order_relaxed);
    std::memcpy(to + 2 * size_t{i}, &half, 2);
  }
}

void CodeNodeWriter::WriteLinks(uint32_t row, std::span<const uint32_t> neighbours) {
  WriteBlock(arrays_.nodes.data() + size_t{row} * layout_.node_bytes, rows_.Row(row), Rotated(row),
             neighbours);
}

void CodeNodeWriter::WriteSeeds(std::span<const uint32_t> seeds) {
  arrays_.meta.seed_count = static_cast<uint32_t>(seeds.size());
  const size_t blocks = (seeds.size() + kCodeGraphDegree - 1) / kCodeGraphDegree;
  arrays_.seeds = CodeMemory(blocks * layout_.row);
  const std::vector<float> origin(code_bits_, 0.0f);  // The rotated mean.
  for (size_t block = 0; block < blocks; ++block) {
    const size_t first = block * kCodeGraphDegree;
    WriteBlock(arrays_.seeds.data() + block * layout_.row, arrays_.rotation->mean().data(),
               origin.data(),
               seeds.subspan(first, std::min<size_t>(kCodeGraphDegree, seeds.size() - first)));
  }
}

void CodeNodeWriter::WriteBlock(std::byte* block, const float* centre, const float* rotated_centre,
                                std::span<const uint32_t> neighbours) {
  ALMAGEST_CHECK(neighbours.size() <= kCodeGraphDegree);
  auto* codes = reinterpret_cast<uint8_t*>(block);
  auto* added = reinterpret_cast<uint16_t*>(block + layout_.added);
  auto* slope = reinterpret_cast<uint16_t*>(block + layout_.slope);
  auto* links = reinterpret_cast<uint32_t*>(block + layout_.neighbours);
  std::memset(codes, 0, layout_.added);
  const bool euclidean = arrays_.meta.metric == static_cast<uint32_t>(Metric::kEuclid);
  const auto dot = KernelsFor(Metric::kDot).pair;
  const auto euclid = KernelsFor(Metric::kEuclid).pair;
  const FastscanKernels& kernels = BestFastscanKernels();
  uint8_t nibbles[kCodeGroupsMax];
  const float scale = arrays_.meta.factor_scale;
  const size_t dimension = rows_.dimension;
  const float centre_length = euclidean ? 0.0f : dot(centre, centre, dimension);
  for (size_t j = 0; j < kCodeGraphDegree; ++j) {
    if (j >= neighbours.size()) {
      links[j] = neighbours.empty() ? 0 : neighbours[0];
      added[j] = FloatToHalf(std::numeric_limits<float>::infinity());
      slope[j] = 0;
      continue;
    }
    const uint32_t neighbour = neighbours[j];
    links[j] = neighbour;
    const float* rotated = Rotated(neighbour);
    const unsigned shift = j < 16 ? 0 : 4;
    const CodeSums sums = kernels.encode(rotated, rotated_centre, layout_.groups, nibbles);
    for (size_t g = 0; g < layout_.groups; ++g) {
      codes[g * 16 + j % 16] |= static_cast<uint8_t>(nibbles[g] << shift);
    }
    const float* values = rows_.Row(neighbour);
    const float distance = -euclid(centre, values, dimension);  // |o - c|^2
    float gain = sums.magnitudes > 0.0f ? sums.squares / sums.magnitudes : 0.0f;
    if (sums.squares > 0.0f) {
      gain *= 1.0f + kLeftOutShare * std::max(distance / sums.squares - 1.0f, 0.0f);
    }
    // Keys of o: |q-c|^2 + |o-c|^2 - 2 <q-c, o-c>, or -<q,c> - <c, o-c> - <q-c, o-c>.
    if (euclidean) {
      added[j] = FloatToBoundedHalf((distance + 2.0f * gain * sums.centre_signed) * scale);
      slope[j] = FloatToBoundedHalf(-2.0f * gain * scale);
    } else {
      const float along = dot(centre, values, dimension) - centre_length;
      added[j] = FloatToBoundedHalf((gain * sums.centre_signed - along) * scale);
      slope[j] = FloatToBoundedHalf(-gain * scale);
    }
  }
}

}  // namespace almagest
