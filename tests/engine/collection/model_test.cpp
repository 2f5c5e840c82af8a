// Random requests, optimizer steps, activations and restarts against a plain map.
#include <gtest/gtest.h>

#include "tests/engine/collection/collection_fixture.h"
#include "tests/engine/collection/naive_model.h"

namespace almagest {
namespace {

class ModelTest : public CollectionTest {
 protected:
  PointId RandomId() {
    const uint64_t number = random() % 60;
    if (random() % 4 != 0) return number;
    Uuid uuid;
    uuid.bytes[0] = static_cast<uint8_t>(number);
    return uuid;
  }
  std::string RandomColor() {
    static const char* const kColors[] = {"red", "green", "blue"};
    return kColors[random() % 3];
  }
  std::string RandomPayload() {
    if (random() % 4 == 0) return "{}";
    return R"({"color":")" + RandomColor() + R"(","n":)" + std::to_string(random() % 9) + "}";
  }
  NamedVectors RandomVectors() {
    NamedVectors vectors;
    if (random() % 5 != 0) vectors[""] = RandomVector(random, kTestDimension);
    if (random() % 2 == 0) vectors["dot"] = RandomVector(random, 4);
    if (random() % 4 == 0) vectors["euclid"] = RandomVector(random, 3);
    if (random() % 2 == 0) vectors["terms"] = RandomSparse(random, 30);
    return vectors;
  }
  std::vector<PointInput> RandomPoints(bool with_payload) {
    std::vector<PointInput> points;
    for (size_t i = random() % 12; i > 0; --i) {
      points.push_back({RandomId(), RandomVectors(), {}});
      if (with_payload && random() % 3 != 0) points.back().payload = RandomPayload();
    }
    return points;
  }
  // Mostly points that exist: operations on others fail as a whole.
  PointSelector RandomSelector() {
    if (random() % 3 == 0) return ColorIs(RandomColor());
    std::vector<PointId> ids;
    for (size_t i = random() % 4; i > 0; --i) {
      const auto at = model.points.empty() || random() % 20 == 0
                          ? model.points.end()
                          : std::next(model.points.begin(),
                                      static_cast<ptrdiff_t>(random() % model.points.size()));
      ids.push_back(at == model.points.end() ? RandomId() : at->first);
    }
    return ids;
  }
  WriteOperation RandomOperation() {
    switch (random() % 12) {
      case 0:
        return DeletePointsOperation{RandomSelector()};
      case 1: {
        UpdateVectorsOperation update;
        const PointSelector selector = RandomSelector();
        if (const auto* ids = std::get_if<std::vector<PointId>>(&selector)) {
          for (const PointId& id : *ids) update.points.push_back({id, RandomVectors(), {}});
        }
        return update;
      }
      case 2:
        return DeleteVectorsOperation{RandomSelector(), {random() % 2 ? "" : "terms", "dot"}};
      case 3:
        return SetPayloadOperation{RandomSelector(), RandomPayload(), ""};
      case 4:
        return OverwritePayloadOperation{RandomSelector(), RandomPayload()};
      case 5:
        return DeletePayloadKeysOperation{RandomSelector(), {"color"}};
      case 6:
        return ClearPayloadOperation{RandomSelector()};
      case 7:
        return UpsertOperation{RandomPoints(true), UpdateMode::kInsertOnly, {}};
      case 8:
        return UpsertOperation{RandomPoints(true), UpdateMode::kUpdateOnly, {}};
      case 9:
        return UpsertOperation{RandomPoints(true), UpdateMode::kUpsert, ColorIs(RandomColor())};
      default:
        return UpsertOperation{RandomPoints(true), UpdateMode::kUpsert, {}};
    }
  }
  void WriteRandomly() {
    std::vector<WriteOperation> operations;
    for (size_t i = 1 + random() % 3; i > 0; --i) operations.push_back(RandomOperation());
    const auto written = collection->Write(operations);
    const SequenceNumber before = model.last_operation;
    if (!model.Apply(operations)) {
      ASSERT_FALSE(written);
      EXPECT_EQ(written.error().code, ErrorCode::kNotFound);
      return;
    }
    ASSERT_TRUE(written) << written.error().message;
    ASSERT_EQ(written->size(), operations.size());
    for (size_t i = 0; i < written->size(); ++i) {
      EXPECT_EQ(written->at(i).operation_id, before + i + 1);
    }
  }
  void ChangeVersions() {
    const std::string name = random() % 2 == 0 ? "" : "dot";
    const uint32_t dimension = name.empty() ? kTestDimension : 4;
    const size_t known = (*collection->Versions(name))->versions().size();
    if (known < 4) {
      const auto id =
          collection->AddVersion(name, {}, RandomAdapter(random, dimension, random() % 3 != 0));
      ASSERT_TRUE(id) << id.error().message;
      EXPECT_EQ(*id, known);
      return;
    }
    if (random() % 3 == 0) {
      const auto back = collection->RollbackVersion(name);
      if (!back) {
        EXPECT_EQ(back.error().code, ErrorCode::kFailedPrecondition);
      }
      return;
    }
    const auto activated = collection->ActivateVersion(name, static_cast<VersionId>(random() % 4));
    ASSERT_TRUE(activated) << activated.error().message;
  }

  NaiveModel model;
};

TEST_F(ModelTest, AgreesWithAMapThroughEverything) {
  for (uint32_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    random.seed(seed);
    model = NaiveModel();
    if (seed % 3 == 0) limits = {0, 0};  // Everything is checked and indexed after opening.
    collection.reset();
    store = std::make_unique<MemoryStore>();
    std::filesystem::remove_all(directory.path());
    Reopen();
    for (int step = 0; step < 150; ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      switch (random() % 16) {
        case 0:
          Reopen();
          break;
        case 1:
        case 2:
          ASSERT_TRUE(collection->OptimizeOnce([](double) { return true; }));
          break;
        case 3:
          collection->WaitUntilOpened();  // Rows of a version must have their factors below.
          ChangeVersions();
          break;
        case 4:
          collection->PauseReembedding(random() % 2 == 0);
          break;
        case 5:
          ASSERT_TRUE(collection->Checkpoint());
          break;
        default:
          WriteRandomly();
      }
      if (step % 10 == 0) collection->WaitUntilOpened();
      if (step % 10 == 0) ExpectSame(*collection, model, random);
      if (HasFatalFailure() || HasNonfatalFailure()) return;
    }
    collection->PauseReembedding(false);
    OptimizeAll();
    ExpectSame(*collection, model, random);
    Reopen();
    collection->WaitUntilOpened();
    ExpectSame(*collection, model, random);
    limits = OpeningLimits();
    if (HasFatalFailure() || HasNonfatalFailure()) return;
  }
}

}  // namespace
}  // namespace almagest
