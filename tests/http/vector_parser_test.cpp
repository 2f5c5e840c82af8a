// Vectors in their three forms, and texts collected into batches.
#include "http/vector_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/error_response.h"
#include "http/write_parser.h"

namespace almagest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class VectorParserTest : public ::testing::Test {
 protected:
  Result<NamedVectors> Parse(const std::string& json) {
    ALMAGEST_TRY(const JsonValue value, ParseJsonBody(json));
    return ParseWithTexts(models_, 1, [&](TextResolver& texts) -> Result<NamedVectors> {
      NamedVectors vectors;
      ALMAGEST_TRY_VOID(ParsePointVectors(value, texts, vectors));
      return vectors;
    });
  }
  std::string ErrorOf(const std::string& json) {
    const auto vectors = Parse(json);
    return vectors ? "no error" : ErrorText(vectors.error());
  }
  TextModels models_{"/nonexistent"};
};

TEST_F(VectorParserTest, ReadsAllForms) {
  const auto unnamed = Parse("[1, 2.5, -3e2]");
  ASSERT_TRUE(unnamed.has_value());
  EXPECT_THAT(std::get<DenseVector>(unnamed->at("")), ElementsAre(1, 2.5f, -300));
  const auto named = Parse(R"({"a": [1], "s": {"indices": [7, 2], "values": [1, 0.5]}})");
  ASSERT_TRUE(named.has_value());
  EXPECT_THAT(std::get<DenseVector>(named->at("a")), ElementsAre(1));
  EXPECT_EQ(std::get<SparseVector>(named->at("s")), (SparseVector{{2, 7}, {0.5f, 1}}));
  EXPECT_TRUE(Parse("{}")->empty());
  const auto multi = Parse(R"({"m": [[1, 2], [3, 4], [5, 6]], "n": [[7]]})");
  ASSERT_TRUE(multi.has_value());
  EXPECT_EQ(std::get<MultiVector>(multi->at("m")), (MultiVector{2, {1, 2, 3, 4, 5, 6}}));
  EXPECT_EQ(std::get<MultiVector>(multi->at("n")), (MultiVector{1, {7}}));
  // What it is for knows its dimension, and refuses it.
  EXPECT_TRUE(std::get<DenseVector>(Parse("[]")->at("")).empty());
}

TEST_F(VectorParserTest, RefusesWhatIsNoVector) {
  EXPECT_THAT(ErrorOf("[1, \"2\"]"), HasSubstr("[[1]]: expected a number"));
  EXPECT_THAT(ErrorOf("[1, 1e39]"), HasSubstr("must be a finite 32-bit float"));
  EXPECT_THAT(ErrorOf("[[1], [\"2\"]]"), HasSubstr("[[1][0]]: expected a number"));
  EXPECT_THAT(ErrorOf("[[1], 2]"), HasSubstr("[[1]]: expected an array of numbers"));
  EXPECT_THAT(ErrorOf("[[1], []]"), HasSubstr("all vectors must be non-empty"));
  EXPECT_THAT(ErrorOf("[[1], [1, 2]]"), HasSubstr("found vector with dimension 2"));
  EXPECT_THAT(ErrorOf("7"), HasSubstr("expected a vector"));
  EXPECT_THAT(ErrorOf(R"({"a": null})"), HasSubstr("[a]: expected a vector"));
}

TEST_F(VectorParserTest, RefusesBrokenSparseVectors) {
  EXPECT_THAT(ErrorOf(R"({"s": {"indices": [1, 2], "values": [1]}})"),
              HasSubstr("values: Validation error: must be the same length as indices [{}]] at s"));
  EXPECT_THAT(ErrorOf(R"({"s": {"indices": [1, 1], "values": [1, 2]}})"),
              HasSubstr("indices: Validation error: must be unique [{}]] at s"));
  EXPECT_THAT(ErrorOf(R"({"s": {"indices": [-1], "values": [1]}})"), HasSubstr("s.indices[0]"));
  EXPECT_THAT(ErrorOf(R"({"s": {"indices": [4294967296], "values": [1]}})"),
              HasSubstr("must be from 0 to 4294967295"));
  EXPECT_THAT(ErrorOf(R"({"s": {"indices": [1], "values": [1], "x": 1}})"),
              HasSubstr("unknown field `x`"));
}

TEST_F(VectorParserTest, TextsBecomeSparseVectors) {
  const auto vectors = Parse(R"({"s": {"text": "stars stars moon", "model": "qdrant/bm25"},
                "t": {"text": "moon", "model": "Qdrant/BM25"}})");
  ASSERT_TRUE(vectors.has_value()) << vectors.error().message;
  const auto& both = std::get<SparseVector>(vectors->at("s"));
  const auto& one = std::get<SparseVector>(vectors->at("t"));
  EXPECT_EQ(both.indices.size(), 2u);
  ASSERT_EQ(one.indices.size(), 1u);
  EXPECT_THAT(both.indices, ::testing::Contains(one.indices[0]));
}

TEST_F(VectorParserTest, DocumentsAndQueriesAreWeightedDifferently) {
  const auto value = ParseJsonBody(R"({"text": "stars stars", "model": "qdrant/bm25"})");
  ASSERT_TRUE(value.has_value());
  const auto weight = [&](bool is_query) {
    const auto vector = ParseWithTexts(
        models_, 1, [&](TextResolver& texts) { return ParseVector(*value, texts, is_query); });
    return std::get<SparseVector>(*vector).values.at(0);
  };
  EXPECT_EQ(weight(true), 1.0f);
  EXPECT_GT(weight(false), 1.0f);
}

TEST_F(VectorParserTest, NamesKnownModelsAndOptions) {
  EXPECT_THAT(ErrorOf(R"({"text": "x", "model": "/etc/passwd"})"),
              ::testing::AllOf(HasSubstr("use-lite"), HasSubstr("qdrant/bm25")));
  EXPECT_THAT(ErrorOf(R"({"text": "x"})"), HasSubstr("missing field `model`"));
  EXPECT_THAT(ErrorOf(R"({"text": "x", "model": "qdrant/bm25", "options": {"bb": 1}})"),
              HasSubstr("unknown field `bb`"));
  EXPECT_THAT(ErrorOf(R"({"text": "x", "model": "qdrant/bm25", "options": {"b": 2}})"),
              HasSubstr("Validation error"));
  EXPECT_THAT(ErrorOf(R"({"text": "x", "model": "use-lite"})"), HasSubstr("Service unavailable"));
  EXPECT_THAT(ErrorOf(R"({"image": "x", "model": "clip"})"), HasSubstr("`image` is not supported"));
}

class WriteParserTest : public VectorParserTest {
 protected:
  Result<WriteOperation> ParseUpsertText(const std::string& json) {
    ALMAGEST_TRY(const JsonValue body, ParseJsonBody(json));
    return ParseWithTexts(models_, 1,
                          [&](TextResolver& texts) { return ParseUpsert(body, texts); });
  }
};

TEST_F(WriteParserTest, ListsAndColumnsGiveTheSamePoints) {
  const auto list = ParseUpsertText(
      R"({"points": [{"id": 1, "vector": {"a": [1, 2]}, "payload": {"k": 1}},
                     {"id": "550E8400-E29B-41D4-A716-446655440000", "vector": {}}]})");
  const auto columns = ParseUpsertText(
      R"({"batch": {"ids": [1, "550e8400e29b41d4a716446655440000"],
                    "vectors": {"a": [[1, 2], null]}, "payloads": [{"k": 1}, null]}})");
  ASSERT_TRUE(list.has_value());
  ASSERT_TRUE(columns.has_value()) << columns.error().message;
  const auto& a = std::get<UpsertOperation>(*list).points;
  const auto& b = std::get<UpsertOperation>(*columns).points;
  ASSERT_EQ(a.size(), 2u);
  ASSERT_EQ(b.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(a[i].id, b[i].id);
    EXPECT_EQ(a[i].vectors, b[i].vectors);
    EXPECT_EQ(a[i].payload, b[i].payload);
  }
  EXPECT_EQ(a[0].payload, "{\"k\":1}");
}

TEST_F(WriteParserTest, ColumnsMustHaveOneLength) {
  const auto short_column = ParseUpsertText(R"({"batch": {"ids": [1, 2], "vectors": [[1, 2]]}})");
  ASSERT_FALSE(short_column.has_value());
  EXPECT_THAT(ErrorText(short_column.error()), HasSubstr("[batch.vectors: value of 1 entries"));
}

TEST_F(WriteParserTest, NamesThePlaceOfWhatIsWrongInALongList) {
  const auto error = [&](const std::string& point) {
    const auto parsed = ParseUpsertText(R"({"points": [{"id": 1, "vector": [1]}, )" + point + "]}");
    return parsed ? "no error" : ErrorText(parsed.error());
  };
  const std::string format = "Format error in JSON body: ";
  EXPECT_EQ(error("7"), format + "[points[1]]: expected an object, got a whole number");
  EXPECT_EQ(error(R"({"vector": [1]})"), format + "[points[1]]: missing field `id`");
  EXPECT_EQ(error(R"({"id": null, "id": 3, "vector": [1]})"),
            format + "[points[1]]: missing field `id`");
  EXPECT_EQ(error(R"({"id": 2, "payload": {}})"), format + "[points[1]]: missing field `vector`");
  EXPECT_EQ(error(R"({"id": -2, "vector": [1]})"),
            format +
                "[points[1].id]: value -2 is not a valid point ID, valid values are either an "
                "unsigned integer or a UUID");
  EXPECT_EQ(error(R"({"id": 2, "vector": [1, 2, "3"]})"),
            format + "[points[1].vector[2]]: expected a number");
  EXPECT_EQ(
      error(R"({"id": 2, "vectors": {"a": [1], "b": [1, 1e40]}})"),
      "Validation error in JSON body: [points[1].vectors.b[1]: value 1e+40 invalid, must be a "
      "finite 32-bit float]");
  EXPECT_EQ(error(R"({"id": 2, "vector": [1], "payload": []})"),
            format + "[points[1].payload]: expected an object, got an array");
  EXPECT_EQ(ErrorText(ParseUpsertText(R"({"points": 7})").error()),
            format + "[points]: expected an array, got a whole number");
  const auto body = ParseJsonBody(
      R"({"operations": [{"upsert": {"points": [{"id": 1, "vector": {"a": [[1], [true]]}}]}}]})");
  TextResolver texts(models_, 1);
  EXPECT_EQ(ErrorText(ParseBatch(*body, texts).error()),
            format + "[operations[0].upsert.points[0].vector.a[1][0]]: expected a number");
}

TEST_F(WriteParserTest, OfNamesGivenTwiceItTakesWhatTheListFormAlwaysTook) {
  const auto upsert = ParseUpsertText(
      R"({"points": [{"id": 1, "id": 2, "vector": [1], "vectors": {"a": [1], "a": [2, 3]}}]})");
  ASSERT_TRUE(upsert.has_value()) << upsert.error().message;
  const PointInput& point = std::get<UpsertOperation>(*upsert).points.at(0);
  EXPECT_EQ(point.id, PointId(uint64_t{1}));
  ASSERT_EQ(point.vectors.size(), 1u);
  EXPECT_THAT(std::get<DenseVector>(point.vectors.at("a")), ElementsAre(2, 3));
}

TEST_F(WriteParserTest, ReadsModesAndFilters) {
  const auto upsert = ParseUpsertText(
      R"({"points": [], "update_mode": "insert_only",
          "update_filter": {"must": {"key": "k", "match": {"value": 1}}}})");
  ASSERT_TRUE(upsert.has_value());
  EXPECT_EQ(std::get<UpsertOperation>(*upsert).mode, UpdateMode::kInsertOnly);
  EXPECT_EQ(std::get<UpsertOperation>(*upsert).update_filter->must.size(), 1u);
  EXPECT_FALSE(ParseUpsertText(R"({"points": [], "update_mode": "x"})").has_value());
}

}  // namespace
}  // namespace almagest
