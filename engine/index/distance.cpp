#include "engine/index/distance.h"

#include "engine/index/distance_kernels.h"

namespace almagest {

const DistanceKernels& KernelsFor(Metric metric) {
  static const DistanceKernels dot = KernelsForTargets(Metric::kDot, SupportedKernelTargets());
  static const DistanceKernels euclid =
      KernelsForTargets(Metric::kEuclid, SupportedKernelTargets());
  static const DistanceKernels manhattan =
      KernelsForTargets(Metric::kManhattan, SupportedKernelTargets());
  switch (metric) {
    case Metric::kDot:
      return dot;
    case Metric::kEuclid:
      return euclid;
    case Metric::kManhattan:
      break;
  }
  return manhattan;
}

std::vector<DistanceKernels> AllKernelsFor(Metric metric) {
  std::vector<DistanceKernels> all;
  for (int64_t targets = SupportedKernelTargets(); targets != 0; targets &= targets - 1) {
    all.push_back(KernelsForTargets(metric, targets & -targets));
  }
  return all;
}

}  // namespace almagest
