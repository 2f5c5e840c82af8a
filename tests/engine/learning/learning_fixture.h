// A small collection with the learning loop around it, on a store in memory.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/learning/learning.h"
#include "storage/memory_store.h"
#include "tests/engine/learning/temporary_folder.h"

namespace almagest {

// Collection "words" (id 3): "text" (4 dimensions, cosine), "shape" (2, Euclid), sparse "terms" (idf).
class LearningFixture : public testing::Test {
 protected:
  static constexpr uint32_t kCollection = 3;
  static constexpr uint32_t kDimension = 4;

  void SetUp() override;
  // (Re)opens the learning loop with this script as the trainer.
  void OpenLearning(const std::string& trainer_script);

  // The base vector of point `id`, of length 1. Distinct for ids below 1,000.
  static DenseVector VectorOf(uint64_t id);
  void Upsert(uint64_t first, uint64_t limit);
  void DeletePoint(uint64_t id);

  // Says that `point` answers the query vector of `query_point`.
  static FeedbackInput Graded(uint64_t query_point, uint64_t point, double grade,
                              const std::string& user = "");
  // One event for each of `count` queries.
  void AddFeedback(uint64_t count, const std::string& user = "");

  static AdaptationRequest Request(const std::string& objective = "auto");
  // Starts a job and waits for its end.
  Job RunJob(const AdaptationRequest& request);
  Job WaitUntilOver(const std::string& id);
  std::string StartJob(const AdaptationRequest& request);

  // A script that leaves this verdict, with a scaled identity (or `adapter`) as the result.
  std::string Leaves(const std::string& verdict, const std::string& status = "trained");
  VersionId active() const;
  const AdapterVersion* FindVersion(VersionId id) const;
  size_t version_count() const;
  // The fields of a version as DescribeVersions lists them (JSON text of that entry).
  std::string Describe(VersionId id) const;

  TemporaryFolder folder_;
  MemoryStore store_;
  std::shared_ptr<Collection> collection_;
  std::unique_ptr<Learning> learning_;
};

}  // namespace almagest
