// Writes the file of a sealed segment from storage: reads base vectors, maps them by the document
// side of the version wanted, builds graphs and inverted indexes (sealed_segment.h has the form).
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "engine/collection/segment.h"
#include "engine/collection/step_throttle.h"
#include "engine/config.h"
#include "engine/index/distance.h"
#include "engine/linalg/linear_map.h"
#include "storage/key_value_store.h"

namespace almagest {

// The similarity that the indexes compute for a distance (cosine rows have length 1).
Metric MetricOf(Distance distance);

// A number that stands for everything in `config` that decides which index a segment of so many
// rows gets and how it is built. Segments built by other settings are rewritten.
uint32_t IndexSettings(const DenseVectorConfig& config, uint32_t rows);

struct SegmentPlan {
  struct Dense {
    FieldId id = 0;
    DenseVectorConfig config;
    VersionId version = 0;
    std::shared_ptr<const LinearMap> document;  // nullptr: identity.
    bool reused = false;  // Whether the graph of `reused` below is where this one begins.
  };
  struct Multi {
    FieldId id = 0;
    uint32_t dimension = 0;
  };
  uint64_t id = 0;
  std::filesystem::path path;
  CollectionId collection = 0;
  std::vector<Dense> dense;
  std::vector<FieldId> sparse;
  std::vector<Multi> multi;
  std::vector<Slot> slots;                       // Strictly ascending.
  std::vector<SequenceNumber> vector_sequences;  // One per slot.
  // A segment of which most rows are, and its rows as rows of the plan (KnownLinks::row_now).
  std::shared_ptr<const Segment> reused;
  std::vector<uint32_t> reused_rows_now;
};

// All or nothing: the file appears at plan.path complete and synced, or not at all.
// Errors: kTimeout (the throttle stopped it), kStorageFull, kCorruption (a stored vector).
// Memory: the rows of one dense field at a time, and what the graph's build takes (multi-vectors
// stream through). Cost: dominated
// by the graph (code_graph_build.h).
Result<> BuildSegmentFile(const SegmentPlan& plan, const KeyValueStore& store,
                          StepThrottle& throttle);

}  // namespace almagest
