// What a bridge job leaves: bridge.safetensors and report.json (docs/job-folder.md, "Bridge jobs").
#pragma once

#include <filesystem>

#include "storage/base/monotone_curve.h"
#include "training/bridge_job.h"
#include "training/bridge_space.h"

namespace almagest::training {

// Both write atomically.
Result<> WriteBridgeMap(const std::filesystem::path& path, const BridgeFolder& folder,
                        const BridgeMap& map, const MonotoneCurve& curve);
Result<> WriteBridgeReport(const std::filesystem::path& path, const BridgeReport& report,
                           Progress* progress);

}  // namespace almagest::training
