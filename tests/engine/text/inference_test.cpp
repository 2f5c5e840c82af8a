#include "engine/text/inference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/text/use_lite.h"
#include "tests/engine/text/model_folder.h"

namespace almagest {
namespace {

using testing::HasSubstr;

const std::vector<std::string> kTexts = {"a small dog", "a large cat"};

TEST(TextModels, NamesAreAClosedList) {
  EXPECT_EQ(*TextModels::KindOf("use-lite"), TextModelKind::kDense);
  EXPECT_EQ(*TextModels::KindOf("Qdrant/bm25"), TextModelKind::kSparse);
  EXPECT_EQ(*TextModels::DimensionsOf("use-lite"), 512u);
  EXPECT_EQ(TextModels::DimensionsOf("qdrant/bm25").error().code, ErrorCode::kInvalidArgument);
  for (const char* name : {"", "use-lite2", "../use-lite", "/use-lite", "https://example.org/m"}) {
    const auto kind = TextModels::KindOf(name);
    ASSERT_FALSE(kind) << name;
    EXPECT_EQ(kind.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(kind.error().message,
              "model '" + std::string(name) +
                  "' is not known; known models are use-lite (dense, 512 dimensions) and "
                  "qdrant/bm25 (sparse)");
  }
  EXPECT_LT(TextModels::KindOf(std::string(100'000, 'x')).error().message.size(), 300u);
}

TEST(TextModels, AModelOfTheOtherKindIsRefused) {
  TextModels models("absent");
  EXPECT_EQ(models.EmbedDense("qdrant/bm25", kTexts, 1).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(models.EmbedSparse("use-lite", kTexts, {}, true).error().code,
            ErrorCode::kInvalidArgument);
}

TEST(TextModels, WithoutFilesTheDenseModelIsUnavailableAndTheSparseOneWorks) {
  TextModels models("absent");
  const auto dense = models.EmbedDense("use-lite", kTexts, 1);
  ASSERT_FALSE(dense);
  EXPECT_EQ(dense.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(dense.error().message, HasSubstr("./dev setup"));
  const auto sparse = models.EmbedSparse("qdrant/bm25", kTexts, {}, false);
  ASSERT_TRUE(sparse);
  ASSERT_EQ(sparse->size(), 2u);
  EXPECT_EQ((*sparse)[0].indices.size(), 2u);
  EXPECT_NE((*sparse)[0].values[0], 1);
  EXPECT_EQ(models.EmbedSparse("qdrant/bm25", kTexts, {}, true)->at(0).values[0], 1);
  Bm25Options options;
  options.k = -1;
  EXPECT_EQ(models.EmbedSparse("qdrant/bm25", kTexts, options, true).error().code,
            ErrorCode::kOutOfRange);
}

TEST(TextModels, GivesOneRowPerText) {
  ALMAGEST_NEED_MODEL();
  TextModels models(ModelFolder());
  const auto rows = models.EmbedDense("USE-lite", kTexts, 2);
  ASSERT_TRUE(rows) << rows.error().message;
  EXPECT_EQ(rows->size(), 2 * UseLite::kDimensions);
}

}  // namespace
}  // namespace almagest
