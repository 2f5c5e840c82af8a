// What versions forget: feedback comes about one part of the collection after another, and the
// newest version must still answer what the first ones were trained for.
#include <gtest/gtest.h>

#include <random>
#include <span>

#include "tests/training/synthetic_job.h"
#include "training/evaluation.h"
#include "training/metrics.h"
#include "training/run_job.h"

namespace almagest::training {
namespace {

constexpr size_t kTasks = 5;
constexpr size_t kDocumentsEach = 200;
constexpr size_t kTrainEach = 60;
constexpr size_t kTestEach = 200;
constexpr size_t kDimension = 24;

// Each task has documents around a centre of its own and asks for them by a map of its own, close
// to those of the others but not the same.
struct Tasks {
  SyntheticJob job;                // Judgements: those of the training queries, task by task.
  std::vector<JudgedQuery> tests;  // [kTasks * kTestEach], task by task.

  std::span<const JudgedQuery> TestsOf(size_t task) const {
    return std::span(tests).subspan(task * kTestEach, kTestEach);
  }
  // Only the feedback of tasks from `first` on, before `end`.
  SyntheticJob Feedback(size_t first, size_t end) const {
    SyntheticJob part = job;
    const auto cut = [&](auto* column) {
      column->erase(column->begin() + static_cast<long>(end * kTrainEach), column->end());
      column->erase(column->begin(), column->begin() + static_cast<long>(first * kTrainEach));
    };
    for (auto* column : {&part.query, &part.document, &part.user}) cut(column);
    for (auto* column : {&part.grade, &part.weight}) cut(column);
    return part;
  }
};

Tasks MakeTasks(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  const auto draw = [&](double size) {
    std::vector<double> values(kDimension * kDimension);
    for (double& value : values) value = size * normal(random);
    return values;
  };
  const std::vector<double> shared = draw(0.3);
  Tasks tasks;
  tasks.job = MakeSyntheticJob(seed, 1, 1);  // For its configuration.
  SyntheticJob& job = tasks.job;
  for (auto* column : {&job.query, &job.document, &job.user}) column->clear();
  for (auto* column : {&job.documents, &job.queries, &job.grade, &job.weight}) column->clear();
  job.config["objective"] = "two_sided_linear";
  job.config["options"]["steps_max"] = 60;
  for (size_t task = 0; task < kTasks; ++task) {
    std::vector<double> centre(kDimension);
    for (double& value : centre) value = 0.7 * normal(random);
    const std::vector<double> own = draw(0.05);
    for (size_t i = 0; i < kDocumentsEach; ++i) {
      std::vector<double> document = centre;
      for (double& value : document) value += normal(random);
      AppendUnit(document, &job.documents);
    }
    for (size_t i = 0; i < kTrainEach + kTestEach; ++i) {
      const size_t answer = task * kDocumentsEach + random() % kDocumentsEach;
      const float* document = job.documents.data() + answer * kDimension;
      std::vector<double> query(document, document + kDimension);
      for (size_t row = 0; row < kDimension; ++row) {
        query[row] += 0.03 * normal(random);
        for (size_t k = 0; k < kDimension; ++k) {
          query[row] +=
              (shared[row * kDimension + k] + own[row * kDimension + k]) * double{document[k]};
        }
      }
      const auto at = static_cast<int32_t>(job.queries.size() / kDimension);
      AppendUnit(query, &job.queries);
      if (i >= kTrainEach) {
        tasks.tests.push_back({at, {{static_cast<int32_t>(answer), 1, 1}}});
        continue;
      }
      job.query.push_back(at);
      job.document.push_back(static_cast<int32_t>(answer));
      job.grade.push_back(1);
      job.weight.push_back(1);
      job.user.push_back(static_cast<int32_t>(i % 50));
    }
  }
  return tasks;
}

LinearAdapter Train(const SyntheticJob& job) {
  const TemporaryFolder folder;
  job.Write(folder.path());
  const auto progress = Progress::Open(folder.path() / "progress.jsonl");
  EXPECT_TRUE(progress);
  const auto report = RunJob(folder.path(), {}, progress->get());
  EXPECT_TRUE(report && report->selection);
  return report->selection->adapter;
}

TEST(Forgetting, AVersionAfterFiveTasksStillAnswersTheFirst) {
  const Tasks tasks = MakeTasks(1);
  const auto space =
      *VectorSpace::Create(tasks.job.documents, tasks.job.queries,
                           {kDimension, training::Distance::kCosine, DeviceChoice::kCpu, 1});
  const auto quality = [&](const LinearAdapter& adapter, size_t task) {
    return Mean(Column(Evaluate(*space, adapter, adapter, tasks.TestsOf(task), 10, true, {}),
                       &QueryMetrics::ndcg_at_10));
  };
  std::vector<double> then;  // Of each task, by the version that was trained when it came.
  LinearAdapter version;
  for (size_t task = 0; task < kTasks; ++task) {
    version = Train(tasks.Feedback(0, task + 1));
    then.push_back(quality(version, task));
  }
  // Trained on the last task alone, as if there were no older feedback.
  const LinearAdapter forgetful = Train(tasks.Feedback(kTasks - 1, kTasks));
  double lost = 0;
  double lost_by_forgetful = 0;
  for (size_t task = 0; task + 1 < kTasks; ++task) {
    lost += (then[task] - quality(version, task)) / (kTasks - 1);
    lost_by_forgetful += (then[task] - quality(forgetful, task)) / (kTasks - 1);
  }
  EXPECT_LT(lost, 0.01);
  EXPECT_GT(lost_by_forgetful, 0.1);  // Else there is nothing here to forget.
}

}  // namespace
}  // namespace almagest::training
