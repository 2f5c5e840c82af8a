#include "engine/config.h"

#include <gtest/gtest.h>

namespace almagest {
namespace {

CollectionConfig FullConfig() {
  CollectionConfig config;
  config.dense[""] = {512, Distance::kCosine, {32, 200, 5}};
  config.dense["Ünï \"quoted\""] = {3, Distance::kManhattan, {}};
  config.sparse["terms"] = {true};
  config.sparse["plain"] = {false};
  config.optimizer = {77, 9, 12345, 0.123456789};
  config.durability = Durability::kProcess;
  config.payload_indexes["a.b[]"] = PayloadIndexType::kDatetime;
  config.payload_indexes["n"] = PayloadIndexType::kInteger;
  config.metadata_json = R"({"owner":"x","depth":[1,2.5,null]})";
  config.settings_json = R"({"wal_config":{"wal_capacity_mb":5}})";
  config.dense[""].settings_json = R"({"on_disk":true})";
  config.dense[""].datatype = Datatype::kUint8;
  config.sparse["plain"].settings_json = R"({"index":{"memory":"cold"}})";
  config.optimizer.vacuum_rows_min = 7;
  config.optimizer.idle_seal_rows = 3;
  config.optimizer.enabled = false;
  return config;
}

TEST(ConfigTest, RoundTripIsExact) {
  const CollectionConfig config = FullConfig();
  const auto parsed = ConfigFromJson(ConfigToJson(config));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(ConfigToJson(*parsed), ConfigToJson(config));
  EXPECT_EQ(parsed->dense.at("").dimension, 512u);
  EXPECT_EQ(parsed->dense.at("").hnsw.degree, 32u);
  EXPECT_EQ(parsed->dense.at("").hnsw.full_scan_threshold_kb, 5u);
  EXPECT_EQ(parsed->dense.at("Ünï \"quoted\"").distance, Distance::kManhattan);
  EXPECT_TRUE(parsed->sparse.at("terms").idf);
  EXPECT_FALSE(parsed->sparse.at("plain").idf);
  EXPECT_EQ(parsed->optimizer.seal_rows, 77u);
  EXPECT_EQ(parsed->optimizer.deleted_fraction_max, 0.123456789);
  EXPECT_EQ(parsed->durability, Durability::kProcess);
  EXPECT_EQ(parsed->payload_indexes, config.payload_indexes);
  EXPECT_EQ(parsed->metadata_json, config.metadata_json);
  EXPECT_EQ(parsed->settings_json, config.settings_json);
  EXPECT_EQ(parsed->dense.at("").settings_json, config.dense.at("").settings_json);
  EXPECT_EQ(parsed->dense.at("").datatype, Datatype::kUint8);
  EXPECT_EQ(parsed->sparse.at("plain").settings_json, config.sparse.at("plain").settings_json);
  EXPECT_EQ(parsed->optimizer.vacuum_rows_min, 7u);
  EXPECT_EQ(parsed->optimizer.idle_seal_rows, 3u);
  EXPECT_FALSE(parsed->optimizer.enabled);
}

TEST(ConfigTest, DamagedSettingsAreCorruption) {
  for (const char* settings : {"", "[]", "{\"a\":", "3"}) {
    CollectionConfig config = FullConfig();
    config.settings_json = settings;
    const auto parsed = ConfigFromJson(ConfigToJson(config));
    ASSERT_FALSE(parsed) << settings;
    EXPECT_EQ(parsed.error().code, ErrorCode::kCorruption);
  }
}

TEST(ConfigTest, DamagedTextIsCorruption) {
  for (const char* text : {"", "{}", "[]", "{\"dense\":{\"\":{}}}", "{\"dense\":3}"}) {
    const auto parsed = ConfigFromJson(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kCorruption);
  }
}

TEST(ConfigTest, RangesAreCheckedAndNamed) {
  EXPECT_TRUE(ValidateConfig(FullConfig()));
  const auto fails = [](const std::function<void(CollectionConfig&)>& spoil, const char* names) {
    CollectionConfig config = FullConfig();
    spoil(config);
    const auto valid = ValidateConfig(config);
    ASSERT_FALSE(valid) << names;
    EXPECT_EQ(valid.error().code, ErrorCode::kOutOfRange);
    EXPECT_NE(valid.error().message.find(names), std::string::npos) << valid.error().message;
  };
  fails([](auto& config) { config.dense[""].dimension = 0; }, "size");
  fails([](auto& config) { config.dense[""].dimension = 65'537; }, "65536");
  fails([](auto& config) { config.dense[""].hnsw.degree = 3; }, "hnsw_config.m");
  fails([](auto& config) { config.dense[""].hnsw.build_beam = 5000; }, "ef_construct");
  fails([](auto& config) { config.sparse[""] = {}; }, "dense and sparse");
  fails([](auto& config) { config.optimizer.seal_rows = 0; }, "seal_rows");
  fails([](auto& config) { config.optimizer.segments_max = 65; }, "default_segment_number");
  fails([](auto& config) { config.optimizer.deleted_fraction_max = 1.5; }, "deleted_threshold");
  fails([](auto& config) { config.dense[std::string(256, 'x')] = {4, Distance::kDot, {}}; }, "255");
  fails([](auto& config) { config.dense["\xff\xfe"] = {4, Distance::kDot, {}}; }, "UTF-8");
  fails(
      [](auto& config) {
        for (int i = 0; i < 64; ++i) config.sparse["s" + std::to_string(i)] = {};
      },
      "64");
}

TEST(ConfigTest, CollectionNames) {
  for (const char* good : {"a", "Star-Chart_2.0", "größe", "with space"}) {
    EXPECT_TRUE(ValidateCollectionName(good)) << good;
  }
  for (const std::string bad : {"", ".", "..", "a/b", "a\\b", "a:b", "a*", "a?", "\"", "<", "|",
                                "line\n", "\x7f", "\xff"}) {
    EXPECT_FALSE(ValidateCollectionName(bad)) << bad;
  }
  EXPECT_FALSE(ValidateCollectionName(std::string(256, 'a')));
  EXPECT_TRUE(ValidateCollectionName(std::string(255, 'a')));
}

}  // namespace
}  // namespace almagest
