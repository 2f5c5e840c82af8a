#include "storage/record_codec.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "storage/base/checksum.h"

namespace almagest {
namespace {

PointRecord SomePoint() { return {7, 42, 40, {0, 3}, {1, 65535}}; }
ManifestRecord SomeManifest() {
  ManifestRecord manifest;
  manifest.next_segment_id = 9;
  manifest.next_field_id = 2;
  manifest.segments = {{4, "segment-4", 1000, 77, {{0, 1}, {1, 0}}}, {8, "segment-8", 5, 99, {}}};
  manifest.fields = {{0, {1, 0, 2}}, {1, {0, 0, 1}}};
  return manifest;
}
FeedbackRecord SomeFeedback() {
  FeedbackRecord record;
  record.kind = 3;
  record.body = R"({"user":"u"})";
  record.blobs = {{"query", std::string("\0\1\2", 3)}, {"", ""}};
  return record;
}

// Every record type in one place: `visit` gets a sample of each.
template <class Visit>
void ForEachRecord(Visit visit) {
  visit(SomePoint());
  visit(PointRecord{});
  visit(SomeManifest());
  visit(CatalogRecord{1, "words", "{}", 1'700'000'000'000'000});
  visit(SequenceRecord{1ULL << 60, kNoSlot, 3});
  visit(AliasRecord{17});
  visit(CounterRecord{18});
  visit(SomeFeedback());
  VersionRecord version;
  version.body = "{}";
  visit(version);
  JobRecord job;
  job.kind = 2;
  visit(job);
}

// The bytes with a checksum that fits them, so that damage behind the header reaches the decoder.
std::string Resealed(std::string bytes) {
  const uint64_t checksum = Checksum(bytes.data() + 10, bytes.size() - 10);
  std::memcpy(bytes.data() + 2, &checksum, sizeof checksum);
  return bytes;
}

TEST(RecordCodecTest, RoundTrip) {
  ForEachRecord([](const auto& record) {
    using Record = std::decay_t<decltype(record)>;
    const std::string bytes = EncodeRecord(record);
    const auto decoded = DecodeRecord<Record>(bytes);
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(*decoded, record);
    EXPECT_EQ(EncodeRecord(*decoded), bytes);
  });
}

TEST(RecordCodecTest, TheFormatOnDisk) {
  const std::string bytes = EncodeRecord(AliasRecord{0x01020304});
  ASSERT_EQ(bytes.size(), 14u);
  EXPECT_EQ(bytes[0], 1);  // Format version.
  EXPECT_EQ(bytes[1], 5);  // Alias.
  EXPECT_EQ(bytes.substr(10), "\x04\x03\x02\x01");
  EXPECT_EQ(EncodeDenseVector(std::vector<float>(3)).size(), 8 + 12u);
}

TEST(RecordCodecTest, RefusesOtherTypesAndNewerVersions) {
  const std::string alias = EncodeRecord(AliasRecord{1});
  EXPECT_EQ(DecodeRecord<CounterRecord>(alias).error().code, ErrorCode::kCorruption);
  EXPECT_EQ(DecodeRecord<JobRecord>(EncodeRecord(SomeFeedback())).error().code,
            ErrorCode::kCorruption);
  std::string newer = alias;
  newer[0] = 2;
  EXPECT_EQ(DecodeRecord<AliasRecord>(newer).error().code, ErrorCode::kFailedPrecondition);
}

TEST(RecordCodecTest, TruncationAndTrailingBytes) {
  ForEachRecord([](const auto& record) {
    using Record = std::decay_t<decltype(record)>;
    const std::string bytes = EncodeRecord(record);
    for (size_t size = 0; size < bytes.size(); ++size) {
      const std::string shorter = bytes.substr(0, size);
      EXPECT_EQ(DecodeRecord<Record>(shorter).error().code, ErrorCode::kCorruption);
      if (size < 10) continue;
      EXPECT_EQ(DecodeRecord<Record>(Resealed(shorter)).error().code, ErrorCode::kCorruption);
    }
    EXPECT_EQ(DecodeRecord<Record>(Resealed(bytes + '\0')).error().code, ErrorCode::kCorruption);
  });
}

TEST(RecordCodecTest, EveryFlippedBitIsNoticed) {
  ForEachRecord([](const auto& record) {
    using Record = std::decay_t<decltype(record)>;
    std::string bytes = EncodeRecord(record);
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
      EXPECT_FALSE(DecodeRecord<Record>(bytes)) << bit;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    }
  });
}

TEST(RecordCodecTest, HostileBodiesDecodeOrFail) {
  // Valid checksums over random bodies: lengths are wild, so an unchecked one would ask for
  // exabytes. What decodes must survive another round.
  std::mt19937_64 random(11);
  ForEachRecord([&](const auto& record) {
    using Record = std::decay_t<decltype(record)>;
    const std::string good = EncodeRecord(record);
    for (int round = 0; round < 2000; ++round) {
      std::string bytes = good.substr(0, 10);
      if (round % 2 == 0) {
        bytes.append(random() % 80, '\0');
        for (size_t i = 10; i < bytes.size(); ++i) bytes[i] = static_cast<char>(random());
      } else {
        bytes = good;
        for (int i = 0; i < 3 && bytes.size() > 10; ++i) {
          bytes[10 + random() % (bytes.size() - 10)] = static_cast<char>(random());
        }
      }
      const auto decoded = DecodeRecord<Record>(Resealed(bytes));
      if (!decoded) {
        EXPECT_EQ(decoded.error().code, ErrorCode::kCorruption);
      } else {
        EXPECT_EQ(*DecodeRecord<Record>(EncodeRecord(*decoded)), *decoded);
      }
    }
  });
}

TEST(VectorCodecTest, DenseRoundTripKeepsEveryBit) {
  for (const size_t dimension : {0, 1, 3, 512}) {
    std::mt19937 random(static_cast<uint32_t>(dimension));
    std::vector<uint32_t> bits(dimension);
    for (auto& word : bits) word = static_cast<uint32_t>(random());
    std::vector<float> values(dimension);
    if (dimension != 0) std::memcpy(values.data(), bits.data(), dimension * 4);
    const std::string bytes = EncodeDenseVector(values);
    std::vector<float> out(dimension);
    ASSERT_TRUE(DecodeDenseVector(bytes, out));
    if (dimension != 0) {
      EXPECT_EQ(std::memcmp(out.data(), bits.data(), dimension * 4), 0);
    }
    EXPECT_EQ(DecodeDenseVector(bytes)->size(), dimension);
    std::vector<float> longer(dimension + 1);
    EXPECT_EQ(DecodeDenseVector(bytes, longer).error().code, ErrorCode::kCorruption);
  }
}

TEST(VectorCodecTest, SparseRoundTrip) {
  const std::vector<uint32_t> indices = {0, 5, UINT32_MAX};
  const std::vector<float> values = {1.5f, -2.0f, 0.0f};
  const auto decoded = DecodeSparseVector(EncodeSparseVector(indices, values));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->indices, indices);
  EXPECT_EQ(decoded->values, values);
  EXPECT_TRUE(DecodeSparseVector(EncodeSparseVector({}, {}))->indices.empty());
  const std::vector<uint32_t> unsorted = {5, 5, 6};
  EXPECT_EQ(DecodeSparseVector(EncodeSparseVector(unsorted, values)).error().code,
            ErrorCode::kCorruption);
}

TEST(VectorCodecTest, DamageIsNoticed) {
  const std::vector<float> values = {1, 2, 3};
  const std::vector<uint32_t> indices = {1, 2, 3};
  const std::string dense = EncodeDenseVector(values);
  const std::string sparse = EncodeSparseVector(indices, values);
  EXPECT_FALSE(DecodeSparseVector(dense));
  EXPECT_FALSE(DecodeDenseVector(sparse));
  const auto damage = [](const std::string& good, auto decode) {
    for (size_t bit = 0; bit < good.size() * 8; ++bit) {
      std::string bytes = good;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
      EXPECT_FALSE(decode(bytes)) << bit;
    }
    for (size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(decode(good.substr(0, size)));
  };
  damage(dense, [](const std::string& bytes) { return DecodeDenseVector(bytes).has_value(); });
  damage(sparse, [](const std::string& bytes) { return DecodeSparseVector(bytes).has_value(); });
}

TEST(RecordCodec, PayloadTextRoundTripsAndDamageIsFound) {
  const std::string text = "{\"a\":[1,2.5,null]}";
  const std::string bytes = EncodePayload(text);
  ASSERT_TRUE(DecodePayload(bytes));
  EXPECT_EQ(*DecodePayload(bytes), text);
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x20);
    EXPECT_FALSE(DecodePayload(damaged)) << "byte " << i;
    EXPECT_FALSE(DecodePayload(std::string_view(bytes).substr(0, i))) << "cut at " << i;
  }
}

}  // namespace
}  // namespace almagest
