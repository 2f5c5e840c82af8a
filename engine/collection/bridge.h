// A bridge between two embedding models: searches with a query vector of the new model (the field
// `from`) also reach the points that have only a vector of the old one (the field `to`), of
// whatever dimension (docs/decisions/0007-bridges.md).
//
//   mapped query   y = W q + b, of length 1 where `to` is a cosine field
//   score          curve(score of y in `to`), which reads like a score in `from`
//
// Its direction is part of what it is: it maps queries from `from` to `to`. The other direction has
// the same shapes where the dimensions are equal, and would find nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/types.h"
#include "storage/base/monotone_curve.h"
#include "storage/base/result.h"
#include "storage/key_value_store.h"

namespace almagest {

enum class BridgeStatus : uint8_t { kCandidate, kActive, kRefused };
std::string_view BridgeStatusName(BridgeStatus status);  // "candidate", ...

// What is known of a bridge beside its map.
struct BridgeRecord {
  uint64_t id = 0;  // From 1, unique in its collection while it exists.
  BridgeStatus status = BridgeStatus::kCandidate;
  FieldId from = 0, to = 0;
  std::string from_name, to_name;
  VersionId from_version = 0, to_version = 0;  // Active when its scores were calibrated.
  int64_t created_at_ms = 0;
  std::string job_id;
  std::string report_json = "{}";  // The trainer's report; opaque here.
};

// Immutable, thread-safe.
class Bridge {
 public:
  struct Shape {
    uint32_t from_dimension = 0, to_dimension = 0;
    bool from_normalised = true, to_normalised = true;
  };
  // Reads bridge.safetensors (docs/job-folder.md, "Bridge jobs"). kInvalidArgument: malformed, of
  // another direction, between other fields or dimensions than `record` and `shape` say, not
  // finite.
  static Result<std::shared_ptr<const Bridge>> Parse(BridgeRecord record, const Shape& shape,
                                                     std::string safetensors);
  // The same bridge with another status.
  std::shared_ptr<const Bridge> WithStatus(BridgeStatus status) const;

  const BridgeRecord& record() const { return record_; }
  const MonotoneCurve& curve() const { return curve_; }
  const std::string& kind() const { return kind_; }
  // A base query of `from` as a base query of `to`. D_from * D_to multiplications.
  std::vector<float> MapQuery(std::span<const float> query) const;

  // Its record in kLearning.
  void Put(CollectionId collection, WriteBatch* batch) const;

 private:
  explicit Bridge(MonotoneCurve curve) : curve_(std::move(curve)) {}

  BridgeRecord record_;
  Shape shape_;
  MonotoneCurve curve_;
  std::string kind_;
  std::shared_ptr<const std::string> file_;
  std::shared_ptr<const std::vector<float>> weight_;  // [to, from], outputs x inputs.
  std::shared_ptr<const std::vector<float>> bias_;
};

using BridgeTable = std::map<uint64_t, std::shared_ptr<const Bridge>>;  // By id.

std::string BridgeKey(CollectionId collection, uint64_t id);

// All bridges of a collection. `shape_of` knows the fields; bridges of a field that is gone are
// left out.
Result<BridgeTable> LoadBridges(
    const KeyValueStore& store, CollectionId collection,
    const std::function<std::optional<Bridge::Shape>(FieldId from, FieldId to)>& shape_of);

}  // namespace almagest
