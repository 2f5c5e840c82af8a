// The collection as a plain map: every write operation in the simplest possible way.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "engine/collection/collection.h"

namespace almagest {

struct NaivePoint {
  NamedVectors vectors;  // Cosine ones normalised.
  nlohmann::json payload = nlohmann::json::object();
  SequenceNumber version = 0;
};

// Knows one kind of filter: `color` equals a string.
Filter ColorIs(const std::string& color);

class NaiveModel {
 public:
  // Applies a whole request, or nothing and returns false where it names a point that must exist
  // and does not.
  bool Apply(const std::vector<WriteOperation>& operations);

  std::map<PointId, NaivePoint> points;
  SequenceNumber last_operation = 0;

 private:
  std::vector<PointId> Select(const PointSelector& selector) const;
  bool Do(const UpsertOperation& operation);
  bool Do(const DeletePointsOperation& operation);
  bool Do(const UpdateVectorsOperation& operation);
  bool Do(const DeleteVectorsOperation& operation);
  bool Do(const SetPayloadOperation& operation);
  bool Do(const OverwritePayloadOperation& operation);
  bool Do(const DeletePayloadKeysOperation& operation);
  bool Do(const ClearPayloadOperation& operation);
};

// Everything that can be read of the collection agrees with the model, and every live row of the
// segments is what the adapter versions say. Dense vector "" is searched by its active version.
void ExpectSame(const Collection& collection, const NaiveModel& model, std::mt19937& random);

}  // namespace almagest
