#include "tests/engine/collection/naive_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/engine/collection/collection_fixture.h"

namespace almagest {
namespace {

using Json = nlohmann::json;

NamedVectors Stored(const NamedVectors& given) {
  NamedVectors vectors = given;
  for (auto& [name, vector] : vectors) {
    if (name.empty()) vector = Normalised(std::get<DenseVector>(vector));
  }
  return vectors;
}

std::optional<std::string> ColorOf(const Filter& filter) {
  const auto& condition = std::get<FieldCondition>(filter.must.at(0));
  return std::get<std::string>(std::get<MatchValue>(std::get<Match>(condition.test)).value);
}

bool Matches(const Filter& filter, const NaivePoint& point) {
  return point.payload.contains("color") && point.payload["color"] == *ColorOf(filter);
}

}  // namespace

Filter ColorIs(const std::string& color) {
  Filter filter;
  filter.must.push_back(FieldCondition{"color", Match(MatchValue{color})});
  return filter;
}

bool NaiveModel::Apply(const std::vector<WriteOperation>& operations) {
  const NaiveModel before = *this;
  for (const WriteOperation& operation : operations) {
    ++last_operation;
    if (std::visit([this](const auto& kind) { return Do(kind); }, operation)) continue;
    *this = before;
    return false;
  }
  return true;
}

std::vector<PointId> NaiveModel::Select(const PointSelector& selector) const {
  if (const auto* ids = std::get_if<std::vector<PointId>>(&selector)) return *ids;
  std::vector<PointId> ids;
  for (const auto& [id, point] : points) {
    if (Matches(std::get<Filter>(selector), point)) ids.push_back(id);
  }
  return ids;
}

bool NaiveModel::Do(const UpsertOperation& operation) {
  for (const PointInput& given : operation.points) {
    const auto found = points.find(given.id);
    const bool exists = found != points.end();
    if (operation.mode == UpdateMode::kInsertOnly && exists) continue;
    if (operation.mode == UpdateMode::kUpdateOnly && !exists) continue;
    if (exists && operation.update_filter && !Matches(*operation.update_filter, found->second)) {
      continue;
    }
    points[given.id] = {Stored(given.vectors), Json::parse(given.payload.value_or("{}")),
                        last_operation};
  }
  return true;
}

bool NaiveModel::Do(const DeletePointsOperation& operation) {
  for (const PointId& id : Select(operation.points)) points.erase(id);
  return true;
}

bool NaiveModel::Do(const UpdateVectorsOperation& operation) {
  for (const PointInput& given : operation.points) {
    const auto found = points.find(given.id);
    if (found == points.end()) return false;
    for (auto& [name, vector] : Stored(given.vectors)) found->second.vectors[name] = vector;
    found->second.version = last_operation;
  }
  return true;
}

bool NaiveModel::Do(const DeleteVectorsOperation& operation) {
  for (const PointId& id : Select(operation.points)) {
    const auto found = points.find(id);
    if (found == points.end()) continue;
    size_t erased = 0;
    for (const std::string& name : operation.names) erased += found->second.vectors.erase(name);
    if (erased > 0) found->second.version = last_operation;
  }
  return true;
}

bool NaiveModel::Do(const SetPayloadOperation& operation) {
  const Json patch = Json::parse(operation.payload);
  for (const PointId& id : Select(operation.points)) {
    const auto found = points.find(id);
    if (found == points.end()) return false;
    for (const auto& [key, value] : patch.items()) {
      found->second.payload[key] = value;
    }
    found->second.version = last_operation;
  }
  return true;
}

bool NaiveModel::Do(const OverwritePayloadOperation& operation) {
  for (const PointId& id : Select(operation.points)) {
    const auto found = points.find(id);
    if (found == points.end()) return false;
    found->second.payload = Json::parse(operation.payload);
    found->second.version = last_operation;
  }
  return true;
}

bool NaiveModel::Do(const DeletePayloadKeysOperation& operation) {
  for (const PointId& id : Select(operation.points)) {
    const auto found = points.find(id);
    if (found == points.end()) return false;
    for (const std::string& key : operation.keys) found->second.payload.erase(key);
    found->second.version = last_operation;
  }
  return true;
}

bool NaiveModel::Do(const ClearPayloadOperation& operation) {
  for (const PointId& id : Select(operation.points)) {
    const auto found = points.find(id);
    if (found == points.end()) return false;
    found->second.payload = Json::object();
    found->second.version = last_operation;
  }
  return true;
}

namespace {

void ExpectSamePoints(const Collection& collection, const NaiveModel& model) {
  EXPECT_EQ(collection.point_count(), model.points.size());
  EXPECT_EQ(collection.Info().last_operation, model.last_operation);
  std::vector<PointId> ids;
  ASSERT_TRUE(collection.VisitPoints({}, [&](const PointId& id, Slot slot) {
    ids.push_back(id);
    const auto state = collection.FindPoint(slot);
    EXPECT_TRUE(state && state->id == id);
    return true;
  }));
  std::vector<PointId> expected;
  for (const auto& [id, point] : model.points) expected.push_back(id);
  ASSERT_EQ(ids, expected);
  for (const auto& [id, point] : model.points) {
    SCOPED_TRACE("point " + PointIdToString(id));
    const Slot slot = collection.FindSlot(id);
    EXPECT_EQ(collection.FindPoint(slot)->version, point.version);
    const Slot one[] = {slot};
    EXPECT_EQ(collection.Payloads(one)->at(0), point.payload.dump());
    const auto vectors = collection.Vectors(slot, {VectorSelector::Kind::kAll, {}});
    ASSERT_TRUE(vectors);
    ASSERT_EQ(vectors->size(), point.vectors.size());
    for (const auto& [name, vector] : point.vectors) {
      if (const auto* dense = std::get_if<DenseVector>(&vector)) {
        EXPECT_THAT(std::get<DenseVector>(vectors->at(name)),
                    testing::Pointwise(testing::FloatNear(1e-6f), *dense));
      } else {
        EXPECT_EQ(vectors->at(name), vector);
      }
    }
  }
}

void ExpectSameScores(const Collection& collection, const NaiveModel& model,
                      const std::string& name, std::mt19937& random) {
  SCOPED_TRACE("vector '" + name + "'");
  const auto versions = *collection.Versions(name);
  const DenseVector query = RandomVector(random, versions->dimension());
  const std::map<Slot, float> scores = ScoreAll(collection, name, query);
  size_t expected = 0;
  for (const auto& [id, point] : model.points) {
    const auto vector = point.vectors.find(name);
    if (vector == point.vectors.end()) continue;
    ++expected;
    const auto found = scores.find(collection.FindSlot(id));
    ASSERT_NE(found, scores.end()) << PointIdToString(id) << " is in no segment";
    EXPECT_NEAR(
        found->second,
        DirectScore(*versions, versions->active(), query, std::get<DenseVector>(vector->second)),
        2e-4)
        << PointIdToString(id);
  }
  EXPECT_EQ(scores.size(), expected);
}

void ExpectSameSparse(const Collection& collection, const NaiveModel& model, std::mt19937& random) {
  const FieldId field = collection.FindField("terms")->id;
  SparseVector query = RandomSparse(random, 30);
  if (query.indices.empty()) query = {{1}, {1.0f}};
  std::map<Slot, float> scores;
  const auto view = collection.view();
  for (const auto& segment : view->segments) {
    SparseQuery sparse;
    sparse.query = {query.indices, query.values};
    sparse.k = 10'000;
    sparse.filter.deleted_words = segment->deleted_words();
    sparse.filter.row_limit = segment->row_count();
    std::vector<ScoredRow> hits;
    if (const auto* sealed = segment->sparse(field)) hits = *sealed->Search(sparse);
    if (const auto* growing = segment->growing_sparse(field)) hits = *growing->Search(sparse);
    for (const ScoredRow& hit : hits) {
      EXPECT_TRUE(scores.emplace(segment->slot_of(hit.row), hit.score).second);
    }
  }
  std::map<uint32_t, double> frequency;
  double count = 0;
  size_t expected = 0;
  for (const auto& [id, point] : model.points) {
    const auto found = point.vectors.find("terms");
    if (found == point.vectors.end()) continue;
    ++count;
    const auto& vector = std::get<SparseVector>(found->second);
    double score = 0;
    bool shared = false;
    for (size_t i = 0; i < vector.indices.size(); ++i) {
      ++frequency[vector.indices[i]];
      const auto term = std::ranges::find(query.indices, vector.indices[i]);
      if (term == query.indices.end()) continue;
      shared = true;
      score += double{vector.values[i]} *
               query.values[static_cast<size_t>(term - query.indices.begin())];
    }
    if (!shared) continue;
    ++expected;
    ASSERT_TRUE(scores.contains(collection.FindSlot(id))) << PointIdToString(id);
    EXPECT_NEAR(scores[collection.FindSlot(id)], score, 1e-4);
  }
  EXPECT_EQ(scores.size(), expected);
  const std::vector<float> idf = collection.Idf(field, query.indices);
  for (size_t i = 0; i < idf.size(); ++i) {
    const double df = frequency[query.indices[i]];
    EXPECT_NEAR(idf[i], std::log((count - df + 0.5) / (df + 0.5) + 1), 1e-5);
  }
}

}  // namespace

void ExpectSame(const Collection& collection, const NaiveModel& model, std::mt19937& random) {
  ExpectSamePoints(collection, model);
  for (const std::string name : {"", "dot"}) ExpectSameScores(collection, model, name, random);
  ExpectSameSparse(collection, model, random);
  for (const std::string color : {"red", "green", "blue"}) {
    const auto slots = collection.MatchingSlots(ColorIs(color), {});
    ASSERT_TRUE(slots);
    SlotSet expected;
    for (const auto& [id, point] : model.points) {
      if (Matches(ColorIs(color), point)) expected.Add(collection.FindSlot(id));
    }
    EXPECT_EQ(*slots, expected) << color;
  }
}

}  // namespace almagest
