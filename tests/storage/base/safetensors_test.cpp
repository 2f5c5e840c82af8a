#include "storage/base/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "tests/storage/temporary_folder.h"

namespace almagest {
namespace {

std::string WithHeader(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + data;
}

TEST(SafetensorsTest, RoundTripThroughAFile) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "tensors.safetensors";
  const std::vector<float> matrix = {1, 2, 3, 4, 5, 6};
  const std::vector<int32_t> numbers = {-1, 7};
  SafetensorsWriter writer;
  writer.AddFloat32("matrix", {2, 3}, matrix);
  writer.AddInt32("numbers", {2}, numbers);
  writer.AddFloat32("nothing", {0, 4}, {});
  writer.SetMetadata("model", "a \"quoted\" name");
  ASSERT_TRUE(writer.Write(path));

  const auto read = Safetensors::Open(path);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->tensors().size(), 3u);
  EXPECT_EQ(read->metadata().at("model"), "a \"quoted\" name");
  const int64_t shape[] = {2, 3};
  const auto values = read->Float32("matrix", shape);
  ASSERT_TRUE(values) << values.error().message;
  EXPECT_EQ(std::vector<float>(values->begin(), values->end()), matrix);
  const auto found = read->Find("numbers")->as_int32();
  EXPECT_EQ(std::vector<int32_t>(found.begin(), found.end()), numbers);
  EXPECT_EQ(read->Find("nothing")->element_count(), 0);
  EXPECT_EQ(read->Find("absent"), nullptr);
  const int64_t other[] = {3, 2};
  EXPECT_EQ(read->Float32("matrix", other).error().code, ErrorCode::kCorruption);
  EXPECT_EQ(read->Float32("numbers", shape).error().code, ErrorCode::kCorruption);
  EXPECT_EQ(read->Float32("absent", shape).error().code, ErrorCode::kCorruption);
}

TEST(SafetensorsTest, ReadsWhatPythonWrites) {
  // Keys in the order and spacing of the reference implementation.
  const auto read = Safetensors::Parse(WithHeader(
      R"({"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} )"
      "  ",
      std::string("\0\0\x80\x3f", 4)));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->Find("w")->as_float32()[0], 1.0f);
  EXPECT_EQ(read->metadata().at("format"), "pt");
}

TEST(SafetensorsTest, RefusesMalformedHeaders) {
  const std::string data(8, '\0');
  const std::string bad[] = {
      "",
      "short",
      WithHeader("[]", data),
      WithHeader("{", data),
      WithHeader(R"({"w":1})", data),
      WithHeader(R"({"w":{"dtype":"F32","shape":[1]}})", data),
      WithHeader(R"({"w":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}})", data),
      WithHeader(R"({"w":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", data),
      WithHeader(R"({"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", data),
      WithHeader(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", data),
      WithHeader(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", data),
      WithHeader(R"({"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})",
                 data),
      WithHeader(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                 R"("b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
                 data),
  };
  for (const std::string& bytes : bad) {
    const auto read = Safetensors::Parse(bytes);
    ASSERT_FALSE(read) << bytes;
    EXPECT_EQ(read.error().code, ErrorCode::kCorruption) << bytes;
  }
}

TEST(SafetensorsTest, AnyDamageIsAnAnswer) {
  const std::vector<float> matrix(32, 1.5f);
  SafetensorsWriter writer;
  writer.AddFloat32("a", {4, 8}, matrix);
  writer.AddFloat32("b", {32}, matrix);
  const std::string good = writer.Serialize();
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(Safetensors::Parse(good.substr(0, size))) << size;
  }
  std::mt19937_64 random(3);
  size_t refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = good;
    const size_t flips = 1 + random() % 3;
    for (size_t i = 0; i < flips; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    const auto read = Safetensors::Parse(bytes);
    if (!read) ++refused;
    if (read) {  // What is accepted can be read.
      for (const auto& [name, tensor] : read->tensors()) {
        unsigned sum = 0;
        for (const std::byte byte : tensor.bytes) sum += static_cast<unsigned>(byte);
        EXPECT_LE(sum, 255u * tensor.bytes.size()) << name;
      }
    }
  }
  EXPECT_GT(refused, 100u);
}

}  // namespace
}  // namespace almagest
