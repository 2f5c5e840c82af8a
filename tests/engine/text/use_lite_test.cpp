#include "engine/text/use_lite.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/linalg/row_kernels.h"
#include "storage/base/file.h"
#include "tests/engine/text/model_folder.h"

namespace almagest {
namespace {

constexpr size_t kDimensions = UseLite::kDimensions;

// Lines of {"text", "ids", "vector"}.
void ExpectAgreement(const UseLite& encoder, const std::string& path, double distance_max) {
  std::ifstream file(path);
  std::vector<std::string> texts;
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(nlohmann::json::parse(line));
    texts.push_back(lines.back()["text"]);
  }
  ASSERT_FALSE(lines.empty()) << path;
  const auto vectors = encoder.Encode(texts, 2);
  ASSERT_TRUE(vectors);
  for (size_t i = 0; i < lines.size(); ++i) {
    SCOPED_TRACE(texts[i]);
    EXPECT_EQ(encoder.Tokens(texts[i]), lines[i]["ids"].get<std::vector<int32_t>>());
    auto expected = lines[i]["vector"].get<std::vector<float>>();
    ASSERT_EQ(expected.size(), kDimensions);
    NormalizeInPlace(expected.data(), kDimensions);  // The file's numbers are rounded.
    const float* actual = vectors->data() + i * kDimensions;
    EXPECT_NEAR(DotProduct(actual, actual, kDimensions), 1, 1e-5);
    EXPECT_LT(1 - DotProduct(actual, expected.data(), kDimensions), distance_max);
  }
}

TEST(UseLite, AgreesWithOurTestVectors) {
  ALMAGEST_NEED_MODEL();
  const auto encoder = UseLite::Load(ModelFolder());
  ASSERT_TRUE(encoder) << encoder.error().message;
  ExpectAgreement(*encoder, ALMAGEST_TEST_VECTORS, 1e-4);
}

TEST(UseLite, AgreesWithTheReferenceVectorsWhereTheyAreAtHand) {
  ALMAGEST_NEED_MODEL();
  if (!std::filesystem::exists(ALMAGEST_REFERENCE_VECTORS)) {
    GTEST_SKIP() << "the reference vectors are not beside the project";
  }
  const auto encoder = UseLite::Load(ModelFolder());
  ASSERT_TRUE(encoder) << encoder.error().message;
  ExpectAgreement(*encoder, ALMAGEST_REFERENCE_VECTORS, 1e-6);
}

TEST(UseLite, BatchesAndThreadsDoNotChangeAVector) {
  ALMAGEST_NEED_MODEL();
  const auto encoder = UseLite::Load(ModelFolder());
  ASSERT_TRUE(encoder) << encoder.error().message;
  std::vector<std::string> texts;
  for (int i = 0; i < 60; ++i) {
    std::string text = "number " + std::to_string(i);
    for (int word = 0; word < i % 7; ++word) text += " of many";
    texts.push_back(text);
  }
  const auto all = encoder->Encode(texts, 1);
  const auto by_threads = encoder->Encode(texts, 3);
  ASSERT_TRUE(all && by_threads);
  EXPECT_EQ(*all, *by_threads);
  for (size_t i = 0; i < texts.size(); i += 11) {
    const auto alone = encoder->Encode({&texts[i], 1}, 1);
    ASSERT_TRUE(alone);
    for (size_t d = 0; d < kDimensions; ++d) {
      ASSERT_NEAR((*alone)[d], (*all)[i * kDimensions + d], 1e-5);
    }
  }
}

TEST(UseLite, EveryTextHasAVector) {
  ALMAGEST_NEED_MODEL();
  const auto encoder = UseLite::Load(ModelFolder());
  ASSERT_TRUE(encoder) << encoder.error().message;
  std::string many_words;
  for (int i = 0; i < 5000; ++i) many_words += "word ";
  const std::vector<std::string> texts = {"", " ", "\xFF\xFE", "\xF0\x9F\x98\x80", many_words};
  const auto vectors = encoder->Encode(texts, 1);
  ASSERT_TRUE(vectors);
  for (size_t i = 0; i < texts.size(); ++i) {
    const float* vector = vectors->data() + i * kDimensions;
    EXPECT_NEAR(DotProduct(vector, vector, kDimensions), 1, 1e-5) << i;
  }
  EXPECT_EQ(encoder->Tokens("").size(), 1u);
  EXPECT_EQ(encoder->Tokens(many_words).size(), UseLite::kTokensMax);
  EXPECT_TRUE(encoder->Encode({}, 4)->empty());
}

TEST(UseLite, AbsentOrDamagedFilesAreErrors) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "almagest_use_lite_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  EXPECT_EQ(UseLite::Load(folder).error().code, ErrorCode::kUnavailable);
  ASSERT_TRUE(WriteFileAtomically(folder / UseLite::kVocabularyFile, "[]"));
  EXPECT_EQ(UseLite::Load(folder).error().code, ErrorCode::kUnavailable);
  ASSERT_TRUE(WriteFileAtomically(folder / UseLite::kWeightsFile, "no tensors"));
  EXPECT_EQ(UseLite::Load(folder).error().code, ErrorCode::kCorruption);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace almagest
