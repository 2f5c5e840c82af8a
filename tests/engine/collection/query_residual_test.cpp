// Versions whose query side has a hidden layer: mapped as the definition says, stored, read beside
// records of the earlier form, refused when malformed.
#include "engine/linalg/query_residual.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "engine/collection/version_store.h"
#include "storage/base/safetensors.h"
#include "storage/key_layout.h"
#include "storage/record_codec.h"
#include "tests/engine/collection/collection_fixture.h"

namespace almagest {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kDimension = 24;

struct Form {
  const char* name;
  int64_t hidden;
  int64_t experts;
};
constexpr Form kForms[] = {
    {"mlp", 17, 0}, {"one unit", 1, 0}, {"mixture", 12, 3}, {"experts of one unit", 5, 5}};

AdapterVersion Parsed(const std::string& adapter) {
  AdapterVersion version;
  const auto parsed = ParseAdapter(adapter, kDimension, &version);
  EXPECT_TRUE(parsed) << parsed.error().message;
  return version;
}

TEST(QueryResidualTest, AddsWhatTheDefinitionSays) {
  for (uint32_t seed = 1; seed <= 5; ++seed) {
    for (const Form& form : kForms) {
      SCOPED_TRACE(std::string(form.name) + ", seed " + std::to_string(seed));
      std::mt19937 random(seed);
      const QueryResidual residual(kDimension,
                                   RandomResidual(random, kDimension, form.hidden, form.experts));
      const DenseVector x = RandomVector(random, kDimension);
      const DenseVector before = RandomVector(random, kDimension);
      const auto added = ResidualByHand(residual.tensors(), {x.begin(), x.end()});
      DenseVector y = before;
      residual.AddTo(x, y);
      for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], before[i] + added[i], 1e-4) << i;
    }
  }
}

TEST(QueryResidualTest, RoutesThatAreFarApartStayFinite) {
  std::mt19937 random(1);
  ResidualTensors tensors = RandomResidual(random, kDimension, 4, 2);
  tensors.route_bias = {-3e4f, 3e4f};
  const DenseVector x = RandomVector(random, kDimension);
  DenseVector y(kDimension, 0.0f);
  QueryResidual(kDimension, tensors).AddTo(x, y);
  // All of it goes to the second expert.
  std::fill_n(tensors.hidden_weight.begin(), 2 * kDimension, 0.0f);
  std::fill_n(tensors.hidden_bias.begin(), 2, 0.0f);
  DenseVector of_second(kDimension, 0.0f);
  QueryResidual(kDimension, tensors).AddTo(x, of_second);
  EXPECT_EQ(y, of_second);
}

// By the naive twin: normalised base query, W x + b + U h(x), normalised again where the field is.
TEST(QueryResidualTest, AVersionMapsQueriesThroughIt) {
  for (const bool normalised : {true, false}) {
    for (const Form& form : kForms) {
      SCOPED_TRACE(std::string(form.name) + (normalised ? ", Cosine" : ", Dot"));
      std::mt19937 random(11);
      const auto tensors = RandomResidual(random, kDimension, form.hidden, form.experts);
      AdapterVersion version = Parsed(RandomAdapter(random, kDimension, true, tensors));
      ASSERT_NE(version.maps->query_residual, nullptr);
      EXPECT_EQ(version.maps->query_residual->tensors(), tensors);
      const auto maps = version.maps;
      version.id = 1;
      const VersionSet set(kDimension, normalised, {version}, 1);
      const DenseVector query = RandomVector(random, kDimension);
      const DenseVector base = normalised ? Normalised(query) : query;
      std::vector<double> expected = ResidualByHand(tensors, {base.begin(), base.end()});
      double square = 0;
      for (size_t i = 0; i < kDimension; ++i) {
        expected[i] += maps->query->bias()[i];
        for (size_t j = 0; j < kDimension; ++j) {
          expected[i] += double{maps->query->weights()[i * kDimension + j]} * base[j];
        }
        square += expected[i] * expected[i];
      }
      const auto mapped = MappedQuery(set, 1, query);
      for (size_t i = 0; i < kDimension; ++i) {
        const double value = normalised ? expected[i] / std::sqrt(square) : expected[i];
        EXPECT_NEAR(mapped[i], value, 1e-4) << i;
      }
      EXPECT_EQ(MappedQuery(set, 1, query), mapped) << "the same bits";
    }
  }
}

// A version of 24 KiB of matrices and as much again of hidden units must count for both.
TEST(QueryResidualTest, TheCacheCountsItsBytes) {
  std::mt19937 random(5);
  constexpr int64_t kHidden = 120;
  const auto tensors = RandomResidual(random, kDimension, kHidden, 4);
  const std::string adapter = RandomAdapter(random, kDimension, false, tensors);
  const auto maps = Parsed(adapter).maps;
  const size_t of_map = (kDimension * kDimension + kDimension) * sizeof(float);
  const size_t of_residual =
      (2 * kDimension * kHidden + kHidden + 4 * kDimension + 4) * sizeof(float);
  EXPECT_EQ(maps->query_residual->bytes(), of_residual);
  int reads = 0;
  const auto read = [&](VersionId) -> Result<AdapterMaps> {
    ++reads;
    return *maps;
  };
  std::vector<AdapterVersion> versions(3);
  for (VersionId id = 0; id < 3; ++id) versions[id].id = id;
  const auto reads_of_two_in_turns = [&](size_t bytes) {
    const VersionSet set(kDimension, true, versions, 0, read, bytes);
    reads = 0;
    for (const VersionId id : {1, 2, 1, 2}) EXPECT_TRUE(set.Maps(id));
    return reads;
  };
  EXPECT_EQ(reads_of_two_in_turns(2 * (of_map + of_residual)), 2);
  EXPECT_EQ(reads_of_two_in_turns(2 * (of_map + of_residual) - 1), 4) << "room for one";
}

class StoredResidualTest : public CollectionTest {};

TEST_F(StoredResidualTest, RecordsOfBothFormsAreReadAfterARestart) {
  const auto tensors = RandomResidual(random, kTestDimension, 6, 2);
  const std::string earlier = RandomAdapter(random, kTestDimension, true);
  const std::string present = RandomAdapter(random, kTestDimension, true, tensors);
  ASSERT_EQ(Safetensors::Parse(earlier)->metadata().at("format_version"), "1");
  ASSERT_EQ(Safetensors::Parse(present)->metadata().at("format_version"), "2");
  ASSERT_EQ(collection->AddVersion("", {}, earlier), 1u);
  ASSERT_EQ(collection->AddVersion("", {}, present), 2u);
  const DenseVector query = RandomVector(random, kTestDimension);
  ASSERT_TRUE(collection->ActivateVersion("", 2));
  const auto before = *collection->Versions("");
  Reopen();
  const auto after = *collection->Versions("");
  ASSERT_NE(after->active_maps().query_residual, nullptr);
  EXPECT_EQ(after->active_maps().query_residual->tensors(), tensors);
  EXPECT_EQ((*after->Maps(1))->query_residual, nullptr);
  for (const VersionId id : {1, 2}) {
    EXPECT_EQ(MappedQuery(*after, id, query), MappedQuery(*before, id, query)) << id;
  }
  // What was stored is the file, byte by byte.
  const FieldId field = collection->FindField("")->id;
  const auto record =
      store->Get(ColumnFamily::kLearning,
                 LearningKey(collection->id(), LearningKind::kAdapter, VersionNumber(field, 1)));
  ASSERT_TRUE(record && *record);
  EXPECT_EQ(DecodeRecord<VersionRecord>(**record)->blobs.at("adapter"), earlier);
}

// A good adapter with one thing wrong.
struct Damage {
  const char* name;
  std::function<void(ResidualTensors*, SafetensorsWriter*)> apply;
  const char* message;
};

class MalformedResidualTest : public testing::TestWithParam<Damage> {};

TEST_P(MalformedResidualTest, IsRefusedWithOneSentence) {
  std::mt19937 random(3);
  ResidualTensors tensors = RandomResidual(random, kDimension, 12, 3);
  SafetensorsWriter damaged;
  std::vector<float> weight(kDimension * kDimension, 0.5f);
  std::vector<float> bias(kDimension, 0.0f);
  damaged.SetMetadata("document_side", "identity");
  damaged.SetMetadata("dimension", std::to_string(kDimension));
  damaged.AddFloat32("query_weight", {kDimension, kDimension}, weight);
  damaged.AddFloat32("query_bias", {kDimension}, bias);
  GetParam().apply(&tensors, &damaged);
  AdapterVersion version;
  const auto parsed = ParseAdapter(damaged.Serialize(), kDimension, &version);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(parsed.error().message, HasSubstr(GetParam().message));
  EXPECT_EQ(version.maps, nullptr);
}

const Damage kDamages[] = {
    {"FormatOne",
     [](ResidualTensors* t, SafetensorsWriter* w) {
       AddResidual(*t, kDimension, w);
       w->SetMetadata("format_version", "1");
     },
     "format_version is '1', which has no query_residual; with one it must be 2"},
    {"FormatThree",
     [](ResidualTensors* t, SafetensorsWriter* w) {
       AddResidual(*t, kDimension, w);
       w->SetMetadata("format_version", "3");
     },
     "format_version is '3'; it must be 1 or 2"},
    {"NoKind",
     [](ResidualTensors*, SafetensorsWriter* w) { w->SetMetadata("format_version", "2"); },
     "query_residual is ''; with format_version 2 it must be mlp or mixture"},
    {"OtherKind",
     [](ResidualTensors* t, SafetensorsWriter* w) {
       AddResidual(*t, kDimension, w);
       w->SetMetadata("query_residual", "attention");
     },
     "query_residual is 'attention'; with format_version 2 it must be mlp or mixture"},
    {"RoutesOfAnMlp",
     [](ResidualTensors* t, SafetensorsWriter* w) {
       AddResidual(*t, kDimension, w);
       w->SetMetadata("query_residual", "mlp");
     },
     "query_residual is 'mlp', which has no tensor 'query_route_weight'"},
    {"NotFinite",
     [](ResidualTensors* t, SafetensorsWriter* w) {
       t->output_weight[7] = std::numeric_limits<float>::infinity();
       AddResidual(*t, kDimension, w);
     },
     "tensor 'query_output_weight' holds a value that is not finite"},
    {"UnitsAndExperts",
     [](ResidualTensors* t, SafetensorsWriter* w) {
       t->hidden = 11;
       t->hidden_weight.resize(11 * kDimension);
       t->hidden_bias.resize(11);
       t->output_weight.resize(11 * kDimension);
       AddResidual(*t, kDimension, w);
     },
     "11 hidden units cannot be shared equally by 3 experts"},
    {"OneExpert",
     [](ResidualTensors* t, SafetensorsWriter* w) {
       t->experts = 1;
       t->route_weight.resize(kDimension);
       t->route_bias.resize(1);
       AddResidual(*t, kDimension, w);
     },
     "tensor 'query_route_weight' has 1 rows, it must have 2 to 64"},
    {"TooManyUnits",
     [](ResidualTensors* t, SafetensorsWriter* w) {
       *t = {};
       t->hidden = kHiddenMax + 1;
       t->hidden_weight.resize(static_cast<size_t>(t->hidden) * kDimension);
       t->hidden_bias.resize(static_cast<size_t>(t->hidden));
       t->output_weight.resize(static_cast<size_t>(t->hidden) * kDimension);
       AddResidual(*t, kDimension, w);
     },
     "tensor 'query_hidden_weight' has 4097 rows, it must have 1 to 4096"},
    {"Misshapen",
     [](ResidualTensors* t, SafetensorsWriter* w) {
       w->SetMetadata("format_version", "2");
       w->SetMetadata("query_residual", "mlp");
       w->AddFloat32("query_hidden_weight", {12, kDimension}, t->hidden_weight);
       w->AddFloat32("query_hidden_bias", {12}, t->hidden_bias);
       w->AddFloat32("query_output_weight", {12, kDimension}, t->output_weight);
     },
     "query_output_weight"},
    {"Missing",
     [](ResidualTensors* t, SafetensorsWriter* w) {
       w->SetMetadata("format_version", "2");
       w->SetMetadata("query_residual", "mlp");
       w->AddFloat32("query_hidden_weight", {12, kDimension}, t->hidden_weight);
     },
     "query_hidden_bias"},
};

INSTANTIATE_TEST_SUITE_P(Damages, MalformedResidualTest, testing::ValuesIn(kDamages),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace almagest
