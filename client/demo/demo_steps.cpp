#include "client/demo/demo_steps.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "client/commands/job_display.h"
#include "client/commands/learning_request.h"
#include "client/commands/text_table.h"
#include "client/commands/version_table.h"
#include "client/demo/demo_collection.h"
#include "client/progress_bar.h"

namespace almagest::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kRequestTimeout{600'000};
constexpr unsigned kRetries = 20;
constexpr size_t kFeedbackBatch = 500;
constexpr uint32_t kShownWords = 5;
// Searches go on while the trainer needs the processors, at a gentle pace; then faster.
constexpr milliseconds kPauseWhileTraining{50};
constexpr milliseconds kPauseWhileMigrating{5};
constexpr size_t kLoadRequests = 200;
constexpr milliseconds kPoll{300};
constexpr std::chrono::seconds kMigrationLimit{900};
constexpr std::chrono::seconds kIndexingLimit{300};
// Eigenvalues to the power -.375, the strength that the label-free reference uses on this kind of
// data; fixed here, so that no judgement of the demo chooses it.
constexpr double kWhiteningPower = 0.75;
// Enough for all candidates on two idle cores several times over.
constexpr int kTrainingSecondsMax = 240;

constexpr std::array<const char*, 4> kDescriptions = {
    "a person who repairs shoes", "an instrument for measuring the pressure of the air",
    "lasting for only a very short time", "to reduce to small pieces by pounding or grinding"};
constexpr const char* kFilteredDescription = "to move through water";

double SecondsSince(steady_clock::time_point start) {
  return std::chrono::duration<double>(steady_clock::now() - start).count();
}

void Say(const std::string& text) {
  std::printf("\n%s\n", text.c_str());
  std::fflush(stdout);
}

Json DenseText(std::string_view text) { return TextVector(text, kDenseTextModel); }
Json SparseText(std::string_view text) { return TextVector(text, kSparseTextModel); }

Json VerbFilter() {
  return {{"must", Json::array({{{"key", "pos"}, {"match", {{"value", "verb"}}}}})}};
}

}  // namespace

Demo::Demo(const ServerChoice& server, const DemoOptions& options)
    : server_(server),
      options_(options),
      client_options_{.url = server.url,
                      .api_key = server.api_key,
                      .request_timeout = kRequestTimeout,
                      .retries = kRetries},
      client_(client_options_),
      start_(steady_clock::now()),
      phase_start_(start_) {}

void Demo::EndPhase(const std::string& name) {
  report_.seconds.emplace_back(name, SecondsSince(phase_start_));
  phase_start_ = steady_clock::now();
}

int Demo::Run() {
  ReadData();
  Load();
  ShowSearches("Describe a thing, get the word (untrained):");
  MeasureBefore();
  SendFeedback();
  MeasureWhitening();
  const Json job = Adapt();
  Say(OutcomeText(job));
  if (job.value("state", "") != "succeeded") {
    // What was measured is reported all the same: before and whitened.
    load_.reset();
    report_.seconds.emplace_back("total", SecondsSince(start_));
    if (!options_.report.empty()) WriteReport(options_.report, report_);
    return kExitGateSaidNo;
  }
  Migrate();
  ShowSearches("The same descriptions after learning:");
  report_.seconds.emplace_back("total", SecondsSince(start_));
  PrintResults(job);
  if (!options_.report.empty()) WriteReport(options_.report, report_);
  PrintExamples();
  return kExitDone;
}

void Demo::ReadData() {
  Say("A reverse dictionary. Documents: glosses of WordNet. Queries: definitions of Webster 1913.");
  data_ = MakeReverseDictionary(ReadWordNet(options_.wordnet), ReadGcide(options_.gcide),
                                ReverseDictionaryOfSize(options_.size));
  std::printf("%zu documents; %zu train and %zu test queries, which share no right answer\n",
              data_.documents.size(), data_.train.size(), data_.test.size());
  std::fflush(stdout);
  if (data_.test.empty() || data_.train.empty()) {
    throw ClientError("the two folders gave no queries; are they WordNet 3.0 and GCIDE?");
  }
  EndPhase("read_data");
}

void Demo::Load() {
  CreateDemoCollection(client_);
  LoadDemoCollection(client_options_, data_.documents);
  EndPhase("load");
  WaitForIndexes();
  EndPhase("index");
}

void Demo::WaitForIndexes() {
  // Searches are right without waiting (what is not indexed is scanned); the figures that follow
  // are just not disturbed by the optimizer.
  const auto start = steady_clock::now();
  const auto indexed = [&](const Json& info) {
    return info.value("indexed_vectors_count", uint64_t{0});
  };
  Json info = client_.CollectionInfo(kDemoCollection);
  if (info.value("status", "") == "green") return;
  ProgressBar progress("indexing", data_.documents.size(), "vectors");
  while (info.value("status", "") != "green" && steady_clock::now() - start < kIndexingLimit) {
    progress.Set(indexed(info));
    std::this_thread::sleep_for(kPoll);
    info = client_.CollectionInfo(kDemoCollection);
  }
  progress.Set(indexed(info));
  progress.Finish();
}

void Demo::ShowSearches(const std::string& title) {
  Say(title);
  const auto ask = [&](Json request) {
    request["with_payload"] = true;
    return WordsFound(client_.Query(kDemoCollection, request));
  };
  for (const char* text : kDescriptions) {
    std::printf("  \"%s\"\n", text);
    std::printf("    dense   %s\n", ask(DemoDenseQuery(DenseText(text), kShownWords)).c_str());
    std::printf("    sparse  %s\n", ask(DemoSparseQuery(SparseText(text), kShownWords)).c_str());
    std::printf("    hybrid  %s\n",
                ask(DemoHybridQuery(DenseText(text), SparseText(text), kShownWords)).c_str());
  }
  Json filtered = DemoDenseQuery(DenseText(kFilteredDescription), kShownWords);
  filtered["filter"] = VerbFilter();
  std::printf("  \"%s\", only verbs\n    dense   %s\n", kFilteredDescription,
              ask(std::move(filtered)).c_str());
  std::fflush(stdout);
  if (report_.seconds.size() < 4) EndPhase("search");
}

void Demo::MeasureBefore() {
  ShowStatusLine("evaluating on the test queries, untrained", false);
  report_.before = EvaluateDemo(client_, std::string(kDemoCollection), data_.test, std::nullopt);
  ShowStatusLine("untrained: nDCG@10 " + Decimal(report_.before.dense.ndcg_at_10, 4) + " dense, " +
                     Decimal(report_.before.hybrid.ndcg_at_10, 4) + " hybrid",
                 true);
  EndPhase("evaluate_before");
}

Json Demo::RunJob(const std::string& label, const Json& request) {
  const std::string id = client_.StartAdaptation(kDemoCollection, request);
  JobDisplay display(label);
  Json job = client_.FollowJob(id, [&](const Json& event) {
    display.Show(event);
    return true;
  });
  display.Finish(job);
  return job;
}

void Demo::MeasureWhitening() {
  // Sees the texts of the train queries but no judgement: a power that is given is not chosen.
  const Json job =
      RunJob("whitening baseline:", {{"using", kDemoDenseVector},
                                     {"objective", "whitening"},
                                     {"options", {{"whitening_power", kWhiteningPower}}},
                                     {"activate", false}});
  if (!job.contains("version") || !job["version"].is_number()) {
    throw ClientError("the whitening baseline made no version: " + OutcomeText(job));
  }
  report_.whitened = EvaluateDemo(client_, std::string(kDemoCollection), data_.test,
                                  job["version"].get<uint64_t>());
  ShowStatusLine("whitened (no judgements): nDCG@10 " +
                     Decimal(report_.whitened.dense.ndcg_at_10, 4) + " dense, " +
                     Decimal(report_.whitened.hybrid.ndcg_at_10, 4) + " hybrid",
                 true);
  EndPhase("whitening");
}

void Demo::SendFeedback() {
  ProgressBar progress("feedback", data_.train.size(), "judged queries");
  for (size_t sent = 0; sent < data_.train.size();) {
    const size_t end = std::min(sent + kFeedbackBatch, data_.train.size());
    Json events = Json::array();
    for (; sent < end; ++sent) {
      JudgedQuery query;
      query.target = DenseText(data_.train[sent].description);
      for (const uint64_t id : data_.train[sent].relevant) query.judgements.emplace_back(id, 1.0);
      events.push_back(GradedEvent(query, kDemoDenseVector));
    }
    client_.AddFeedback(kDemoCollection, events);
    progress.Set(sent);
  }
  progress.Finish();
  EndPhase("feedback");
}

std::vector<Json> Demo::LoadRequests() const {
  std::vector<Json> requests;
  for (size_t i = 0; i < std::min(kLoadRequests, data_.test.size()); ++i) {
    const std::string& text = data_.test[i].description;
    Json request;
    if (i % 2 == 0) {
      request = DemoDenseQuery(DenseText(text), 10);
    } else {
      request = DemoHybridQuery(DenseText(text), SparseText(text), 10);
    }
    if (i % 10 == 4) request["filter"] = VerbFilter();
    requests.push_back(std::move(request));
  }
  return requests;
}

Json Demo::Adapt() {
  // Re-embedding waits, so that search with 0 % re-embedded can be measured.
  client_.PauseReembedding(kDemoCollection, kDemoDenseVector, true);
  load_ = std::make_unique<LoadGenerator>(client_options_, std::string(kDemoCollection),
                                          LoadRequests(), kPauseWhileTraining);
  Json job = RunJob("adaptation:", {{"using", kDemoDenseVector},
                                    {"objective", "auto"},
                                    {"options", {{"time_budget_seconds", kTrainingSecondsMax}}}});
  load_->SetPause(kPauseWhileMigrating);
  EndPhase("adaptation");
  return job;
}

void Demo::Migrate() {
  ShowStatusLine("evaluating with 0 % re-embedded", false);
  report_.activated = EvaluateDemo(client_, std::string(kDemoCollection), data_.test, std::nullopt);
  const ReembeddingState before = client_.Reembedding(kDemoCollection, kDemoDenseVector);
  ShowStatusLine("activated, " + std::to_string(before.rows_done) + " of " +
                     std::to_string(before.rows_total) + " documents re-embedded: nDCG@10 " +
                     Decimal(report_.activated.dense.ndcg_at_10, 4) + " dense, " +
                     Decimal(report_.activated.hybrid.ndcg_at_10, 4) + " hybrid",
                 true);
  EndPhase("evaluate_0_percent");

  client_.PauseReembedding(kDemoCollection, kDemoDenseVector, false);
  ProgressBar progress("re-embedding", before.rows_total, "documents");
  const auto start = steady_clock::now();
  for (;;) {
    const ReembeddingState state = client_.Reembedding(kDemoCollection, kDemoDenseVector);
    progress.Set(state.rows_done,
                 "(" + std::to_string(load_->counts().sent) + " searches meanwhile)");
    if (state.rows_done >= state.rows_total) break;
    if (steady_clock::now() - start > kMigrationLimit) {
      throw ClientError("re-embedding did not end within 15 minutes");
    }
    std::this_thread::sleep_for(kPoll);
  }
  report_.migration = load_->Stop();
  progress.Finish();
  if (!load_->first_failure().empty()) {
    std::printf("a search failed meanwhile: %s\n", load_->first_failure().c_str());
  }
  EndPhase("reembedding");

  report_.reembedded =
      EvaluateDemo(client_, std::string(kDemoCollection), data_.test, std::nullopt);
  EndPhase("evaluate_100_percent");
}

void Demo::PrintResults(const Json& job) {
  Say("Search on " + std::to_string(data_.test.size()) +
      " test queries that the trainer never saw");
  std::printf("%s", ScoreTable(report_).c_str());
  const std::string version = job.value("version", Json()).dump();
  const std::string matrix = CompatibilityTable(ReportOf(job), version);
  if (!matrix.empty()) {
    Say("Compatibility: nDCG@10 on held-out feedback, queries of one version (rows) against\n"
        "documents of another (columns)");
    std::printf("%s", matrix.c_str());
  }
  Say(FeedbackSentence(report_));
  std::printf(
      "During training, activation and re-embedding: %llu searches, %llu failed, %llu "
      "without an answer.\n",
      static_cast<unsigned long long>(report_.migration.sent),
      static_cast<unsigned long long>(report_.migration.failed),
      static_cast<unsigned long long>(report_.migration.empty));
  std::printf("The demo took %s.\n", DurationText(SecondsSince(start_)).c_str());
}

void Demo::PrintExamples() {
  const std::string target =
      server_.url + "/collections/" + std::string(kDemoCollection) + "/points/query";
  const auto print = [&](const std::string& what, Json request) {
    request["with_payload"] = Json::array({"lemmas", "gloss"});
    std::printf("# %s\ncurl -s %s -H 'content-type: application/json' -d '%s'\n", what.c_str(),
                target.c_str(), request.dump().c_str());
  };
  Say("Try it: describe a thing, get the word.");
  print("by meaning", DemoDenseQuery(DenseText("fear of being in closed spaces"), 3));
  print("by meaning and words together",
        DemoHybridQuery(DenseText("a building where beer is made"),
                        SparseText("a building where beer is made"), 3));
  Json filtered = DemoDenseQuery(DenseText("to cook slowly in a closed pot"), 3);
  filtered["filter"] = VerbFilter();
  print("only verbs", std::move(filtered));
}

int RunDemo(const ServerChoice& server, const DemoOptions& options) {
  return Demo(server, options).Run();
}

}  // namespace almagest::client
