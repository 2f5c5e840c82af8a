#include "engine/text/encoder_conversion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/text/use_lite.h"
#include "storage/base/file.h"

namespace almagest {
namespace {

class EncoderConversion : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / "almagest_encoder_conversion_test";
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ / "dist");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void ExpectRefused(const std::string& model, ErrorCode code, const char* reason) {
    ASSERT_TRUE(WriteFileAtomically(folder_ / "dist" / "model.json", model));
    const auto converted = ConvertEncoder(folder_, folder_ / "out");
    ASSERT_FALSE(converted);
    EXPECT_EQ(converted.error().code, code) << converted.error().message;
    EXPECT_THAT(converted.error().message, testing::HasSubstr(reason));
    EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
  }

  std::filesystem::path folder_;
};

TEST_F(EncoderConversion, AnEmptyFolderIsNotFound) {
  EXPECT_EQ(ConvertEncoder(folder_, folder_ / "out").error().code, ErrorCode::kNotFound);
}

TEST_F(EncoderConversion, OtherGraphsAreRefusedAndNothingIsWritten) {
  ExpectRefused("{", ErrorCode::kCorruption, "model.json");
  ExpectRefused("{}", ErrorCode::kCorruption, "weightsManifest");
  ExpectRefused(R"({"weightsManifest": []})", ErrorCode::kCorruption, "one group");
  ExpectRefused(R"({"weightsManifest": [{"paths": ["../secret"], "weights": []}]})",
                ErrorCode::kCorruption, "plain file name");
  ExpectRefused(R"({"weightsManifest": [{"paths": ["absent"], "weights": []}]})",
                ErrorCode::kNotFound, "absent");
  ExpectRefused(R"({"weightsManifest": [{"paths": [], "weights": []}]})", ErrorCode::kCorruption,
                "Embeddings_en");
  ExpectRefused(R"({"weightsManifest": [{"paths": [], "weights":
                   [{"name": "w", "dtype": "float32", "shape": [2], "quantization": {}}]}]})",
                ErrorCode::kCorruption, "quantized");
  ExpectRefused(R"({"weightsManifest": [{"paths": [], "weights":
                   [{"name": "module/Embeddings_en", "dtype": "float32", "shape": [2]}]}]})",
                ErrorCode::kCorruption, "another shape");
  ExpectRefused(R"({"weightsManifest": [{"paths": [], "weights":
                   [{"name": "module/Embeddings_en", "dtype": "float32", "shape": [8002, 256]}]}]})",
                ErrorCode::kCorruption, "ends after the data");
}

}  // namespace
}  // namespace almagest
