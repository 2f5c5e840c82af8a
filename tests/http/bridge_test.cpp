// A collection that moves from a model of six dimensions to one of four, over REST. The old space
// is the new one rotated into six dimensions, so the right bridge is known, and every mixed search
// must answer as if all points were re-encoded. Fitting is tested in
// tests/training/bridge_test.cpp; a shell script stands for the trainer here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <random>
#include <set>
#include <thread>

#include "storage/base/file.h"
#include "storage/base/safetensors.h"
#include "tests/http/openapi_schema.h"
#include "tests/http/test_application.h"

namespace almagest {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using Vector = std::vector<float>;

constexpr size_t kPoints = 1'200;
constexpr size_t kFew = 1'000;  // With both vectors: just enough.
constexpr size_t kNew = 4;
constexpr size_t kOld = 6;

class BridgeApi : public testing::Test {
 protected:
  void SetUp() override {
    // Orthonormal columns, by Gram and Schmidt.
    for (size_t column = 0; column < kNew; ++column) {
      Vector a = Random(kOld);
      for (const Vector& before : axes_) {
        const float product = Dot(a, before);
        for (size_t i = 0; i < kOld; ++i) a[i] -= product * before[i];
      }
      axes_.push_back(Unit(a));
    }
    ASSERT_EQ(Put("/collections/c", R"({"vectors": {"old": {"size": 6, "distance": "Cosine"}}})"),
              200u);
    json points = json::array();
    for (size_t id = 0; id < kPoints; ++id) {
      new_.push_back(Unit(Random(kNew)));
      points.push_back({{"id", id},
                        {"vector", {{"old", Old(new_[id])}}},
                        {"payload", {{"third", id % 3 == 0}}}});
    }
    ASSERT_EQ(Put("/collections/c/points", json{{"points", points}}.dump()), 200u);
    ASSERT_EQ(Put("/collections/c/vectors/new", R"({"dense": {"size": 4, "distance": "Cosine"}})"),
              200u);
  }

  Vector Random(size_t dimension) {
    Vector vector(dimension);
    for (float& value : vector) value = normal_(random_);
    return vector;
  }
  static float Dot(const Vector& a, const Vector& b) {
    float sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
  }
  static Vector Unit(Vector vector) {
    const float length = std::sqrt(Dot(vector, vector));
    for (float& value : vector) value /= length;
    return vector;
  }
  Vector Old(const Vector& vector) const {
    Vector old(kOld);
    for (size_t j = 0; j < kNew; ++j) {
      for (size_t i = 0; i < kOld; ++i) old[i] += vector[j] * axes_[j][i];
    }
    return old;
  }
  unsigned Put(const std::string& target, const std::string& body) {
    return server_.Call("PUT", target, body).status;
  }

  // Points `first` to `limit` are re-encoded.
  void Encode(size_t first, size_t limit) {
    json points = json::array();
    for (size_t id = first; id < limit; ++id) {
      points.push_back({{"id", id}, {"vector", {{"new", new_[id]}}}});
    }
    ASSERT_EQ(Put("/collections/c/points/vectors", json{{"points", points}}.dump()), 200u);
  }
  void Forget(size_t first, size_t limit) {
    json ids = json::array();
    for (size_t id = first; id < limit; ++id) ids.push_back(id);
    const json body = {{"points", ids}, {"vector", {"new"}}};
    ASSERT_EQ(server_.Call("POST", "/collections/c/points/vectors/delete", body.dump()).status,
              200u);
  }

  // A trainer that leaves this verdict and the right map, whose scores need no calibration.
  void LeaveTrainer(const std::string& verdict, const std::string& from = "new") {
    Vector weight(kOld * kNew);
    for (size_t i = 0; i < kOld; ++i) {
      for (size_t j = 0; j < kNew; ++j) weight[i * kNew + j] = axes_[j][i];
    }
    const Vector bias(kOld), inputs = {-1, 1}, outputs = {-1, 1};
    SafetensorsWriter writer;
    for (const auto& [key, value] : std::map<std::string, std::string>{{"format_version", "1"},
                                                                       {"kind", "procrustes"},
                                                                       {"direction", "queries"},
                                                                       {"from", from},
                                                                       {"to", "old"},
                                                                       {"from_dimension", "4"},
                                                                       {"to_dimension", "6"}}) {
      writer.SetMetadata(key, value);
    }
    writer.AddFloat32("weight", {kOld, kNew}, weight);
    writer.AddFloat32("bias", {kOld}, bias);
    writer.AddFloat32("curve_inputs", {2}, inputs);
    writer.AddFloat32("curve_outputs", {2}, outputs);
    const auto& folder = server_.folder();
    ASSERT_TRUE(writer.Write(folder / "map"));
    const json report = {{"reason", "said the trainer"}, {"gate", {{"verdict", verdict}}}};
    ASSERT_TRUE(WriteFileAtomically(folder / "report", report.dump()));
    const std::string script = "#!/bin/sh\ncp -r $2/. " + (folder / "kept").string() + "\ncp " +
                               (folder / "map").string() + " $2/bridge.safetensors\ncp " +
                               (folder / "report").string() + " $2/report.json\n";
    std::filesystem::create_directories(folder / "kept");
    ASSERT_TRUE(WriteFileAtomically(folder / "almagest-trainer", script));
    std::filesystem::permissions(folder / "almagest-trainer", std::filesystem::perms::owner_all);
  }
  json Fit(const std::string& body = R"({"from": "new", "to": "old"})") {
    const Answer started = server_.Call("POST", "/collections/c/bridges", body);
    EXPECT_EQ(started.status, 202u) << started.text;
    if (started.status != 202) return {};
    const std::string path = "/jobs/" + started.result()["id"].get<std::string>();
    while (true) {
      const json job = server_.Call("GET", path).result();
      const std::string state = job["state"];
      if (state != "queued" && state != "running") return job;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  json Bridges() { return server_.Call("GET", "/collections/c/bridges").result()["bridges"]; }
  Answer Activate(int id, const std::string& body = "") {
    return server_.Call("POST", "/collections/c/bridges/" + std::to_string(id) + "/activate", body);
  }

  json Search(const std::string& vector_name, const Vector& query, json more = json::object()) {
    more["query"] = query;
    more["using"] = vector_name;
    const Answer answer = server_.Call("POST", "/collections/c/points/query", more.dump());
    EXPECT_EQ(answer.status, 200u) << answer.text;
    return answer.result()["points"];
  }
  static std::vector<size_t> Ids(const json& hits) {
    std::vector<size_t> ids;
    for (const json& hit : hits) ids.push_back(hit["id"]);
    return ids;
  }
  // The answer if all points were re-encoded.
  std::vector<size_t> Nearest(const Vector& query, size_t offset, size_t limit, bool thirds) const {
    std::vector<std::pair<float, size_t>> scored;
    for (size_t id = 0; id < kPoints; ++id) {
      if (!thirds || id % 3 == 0) scored.emplace_back(-Dot(new_[id], query), id);
    }
    std::ranges::sort(scored);
    std::vector<size_t> ids;
    for (size_t i = offset; i < offset + limit; ++i) ids.push_back(scored[i].second);
    return ids;
  }
  void ExpectRightAnswers(const std::string& what) {
    SCOPED_TRACE(what);
    for (int i = 0; i < 5; ++i) {
      const Vector query = Unit(Random(kNew));
      EXPECT_EQ(Ids(Search("new", query)), Nearest(query, 0, 10, false));
      EXPECT_EQ(Ids(Search("new", query, {{"limit", 7}, {"offset", 4}})),
                Nearest(query, 4, 7, false));
      const json thirds = {
          {"filter", {{"must", json::array({{{"key", "third"}, {"match", {{"value", true}}}}})}}}};
      EXPECT_EQ(Ids(Search("new", query, thirds)), Nearest(query, 0, 10, true));
    }
  }

  std::mt19937 random_{41};
  std::normal_distribution<float> normal_;
  std::vector<Vector> axes_;  // Of the new space in the old one.
  std::vector<Vector> new_;   // By id.
  TestApplication server_;
};

TEST_F(BridgeApi, MixedSearchesAnswerAsIfAllWereReencodedAtEveryShare) {
  Encode(0, kFew);
  LeaveTrainer("accept");
  const json job = Fit();
  ASSERT_EQ(job["state"], "succeeded") << job.dump();
  EXPECT_EQ(job["report"]["bridge"], 1);
  EXPECT_EQ(job["report"]["export"]["documents"], kFew);
  const json bridge = Bridges()[0];
  EXPECT_EQ(bridge["status"], "active");
  EXPECT_EQ(bridge["progress"]["with_from"], kFew);
  EXPECT_EQ(bridge["progress"]["points"], kPoints);
  EXPECT_EQ(bridge["fitted_for"]["current"], true);
  const OpenApi document(LoadYaml(ALMAGEST_OPENAPI));
  EXPECT_THAT(document.Check("GET", "/collections/{collection}/bridges", 200,
                             server_.Call("GET", "/collections/c/bridges").body),
              testing::IsEmpty());

  ExpectRightAnswers("83 %");
  Forget(900, kFew);
  ExpectRightAnswers("75 %");
  Forget(600, 900);
  ExpectRightAnswers("50 %");
  Forget(300, 600);
  ExpectRightAnswers("25 %");
  const Vector query = Unit(Random(kNew));
  EXPECT_THAT(server_
                  .Call("POST", "/collections/c/points/query",
                        json{{"query", query}, {"using", "new"}, {"explain", true}}.dump())
                  .text,
              HasSubstr("by bridge 1 to 'old'"));
  Forget(0, 300);
  ExpectRightAnswers("0 %");
  EXPECT_EQ(Ids(Search("new", query, {{"limit", 100}})),
            Ids(Search("old", Old(query), {{"limit", 100}})));
  Encode(0, kPoints);
  ExpectRightAnswers("100 %");
  const json mixed = Search("new", query);
  ASSERT_EQ(server_.Call("DELETE", "/collections/c/bridges/1").status, 200u);
  EXPECT_EQ(Search("new", query), mixed);
}

TEST_F(BridgeApi, ScoresOfTheOldSpaceAreMappedAndKeepTheirOrder) {
  Encode(0, kFew);
  LeaveTrainer("accept");
  ASSERT_EQ(Fit()["state"], "succeeded");
  const Vector query = Unit(Random(kNew));
  const json hits = Search("new", query, {{"limit", 50}, {"score_threshold", 0.5}});
  ASSERT_FALSE(hits.empty());
  std::set<size_t> seen;
  for (size_t i = 0; i < hits.size(); ++i) {
    const size_t id = hits[i]["id"];
    EXPECT_TRUE(seen.insert(id).second) << id;
    EXPECT_NEAR(hits[i]["score"].get<float>(), Dot(new_[id], query), 1e-5);
    EXPECT_GE(hits[i]["score"].get<float>(), 0.5);
    if (i > 0) {
      EXPECT_LE(hits[i]["score"], hits[i - 1]["score"]);
    }
  }
}

TEST_F(BridgeApi, SurvivesARestartAndGoesWithItsVector) {
  Encode(0, kFew);
  LeaveTrainer("accept");
  ASSERT_EQ(Fit()["state"], "succeeded");
  const json before = Bridges();
  server_.Restart();
  EXPECT_EQ(Bridges(), before);
  ExpectRightAnswers("after a restart");
  const std::string path = "/collections/c/bridges/1/deactivate";
  ASSERT_EQ(server_.Call("POST", path).status, 200u);
  server_.Restart();
  EXPECT_EQ(Bridges()[0]["status"], "candidate");
  const Vector query = new_[kFew + 7];  // Of a point that has no new vector.
  EXPECT_NE(Ids(Search("new", query))[0], kFew + 7);
  ASSERT_EQ(Activate(1).status, 200u);
  EXPECT_EQ(Ids(Search("new", query))[0], kFew + 7);
  ASSERT_EQ(server_.Call("DELETE", "/collections/c/vectors/old").status, 200u);
  EXPECT_EQ(Bridges(), json::array());
  EXPECT_NE(Ids(Search("new", query))[0], kFew + 7);
  server_.Restart();
  EXPECT_EQ(Bridges(), json::array());
}

TEST_F(BridgeApi, VerdictsDecideWhatBecomesActive) {
  Encode(0, kFew);
  LeaveTrainer("unknown");
  const json unknown = Fit();
  EXPECT_EQ(unknown["state"], "succeeded");
  EXPECT_THAT(unknown["reason"], HasSubstr("force was not given"));
  EXPECT_EQ(Bridges()[0]["status"], "candidate");
  EXPECT_EQ(Fit(R"({"from": "new", "to": "old", "force": true})")["state"], "succeeded");
  EXPECT_EQ(Bridges()[1]["status"], "active");
  LeaveTrainer("refuse");
  const json refused = Fit();
  EXPECT_EQ(refused["state"], "rejected");
  EXPECT_EQ(refused["reason"], "said the trainer");
  EXPECT_EQ(Bridges()[2]["status"], "refused");
  const Answer answer = Activate(3);
  EXPECT_EQ(answer.status, 409u);
  EXPECT_THAT(answer.error(), HasSubstr("bridge 3 was refused"));
  EXPECT_EQ(Bridges()[1]["status"], "active");  // Still the one before.
  EXPECT_EQ(Activate(3, R"({"force": true})").status, 200u);
  EXPECT_EQ(Bridges()[1]["status"], "candidate");  // One at a time.
  EXPECT_EQ(Bridges()[2]["status"], "active");
  EXPECT_EQ(server_.Call("POST", "/collections/c/bridges/3/deactivate").status, 200u);
  EXPECT_EQ(Bridges()[2]["status"], "refused");  // As before.
}

TEST_F(BridgeApi, RefusesWhatCannotBeABridge) {
  const auto error = [&](const std::string& body, unsigned status) {
    const Answer answer = server_.Call("POST", "/collections/c/bridges", body);
    EXPECT_EQ(answer.status, status) << answer.text;
    return answer.status == status ? answer.error() : "";
  };
  Encode(0, 10);
  EXPECT_THAT(error(R"({"from": "new", "to": "old"})", 409),
              HasSubstr("10 points have both 'new' and 'old', at least 1000 are needed"));
  Encode(10, kFew);
  // The wrong way round: every point that the new model knows has an old vector.
  EXPECT_THAT(error(R"({"from": "old", "to": "new"})", 409), HasSubstr("nothing to bridge"));
  EXPECT_THAT(error(R"({"from": "old", "to": "old"})", 400), HasSubstr("between two vectors"));
  EXPECT_THAT(error(R"({"from": "new", "to": "none"})", 400), HasSubstr("none"));
  EXPECT_THAT(error(R"({"from": "new", "to": "old", "sample": 999})", 422), HasSubstr("sample"));
  EXPECT_THAT(error(R"({"from": "new", "to": "old", "queries": [
                       {"from": [1, 0], "judgements": [{"id": 1}]}]})",
                    422),
              HasSubstr("queries[0].from has 2 dimensions, the vector has 4"));
  // A map that says it is of another direction.
  LeaveTrainer("accept", "old");
  const json job = Fit();
  EXPECT_EQ(job["state"], "failed");
  EXPECT_THAT(job["reason"], HasSubstr("the bridge's from is 'old', it must be 'new'"));
  EXPECT_EQ(Bridges(), json::array());
}

TEST_F(BridgeApi, JudgedQueriesOfRequestAndFeedbackReachTheTrainer) {
  Encode(0, kFew);
  LeaveTrainer("accept");
  const json event = {{"query", {{"vector", new_[5]}}},
                      {"using", "new"},
                      {"grades", json::array({{{"id", 5}, {"grade", 2}}})}};
  const json feedback = {{"events", json::array({event})}};
  const Answer added = server_.Call("POST", "/collections/c/feedback", feedback.dump());
  ASSERT_EQ(added.status, 200u) << added.text;
  const json query = {
      {"from", new_[9]}, {"to", Old(new_[9])}, {"judgements", json::array({{{"id", 9}}})}};
  const json request = {{"from", "new"}, {"to", "old"}, {"queries", json::array({query})}};
  const json job = Fit(request.dump());
  ASSERT_EQ(job["state"], "succeeded") << job.dump();
  EXPECT_EQ(job["report"]["export"]["queries"], 2);
  EXPECT_EQ(job["report"]["export"]["judgements"], 2);
  const auto kept = server_.folder() / "kept";
  const auto judgements = Safetensors::Open(kept / "judgements.safetensors");
  ASSERT_TRUE(judgements) << judgements.error().message;
  const auto has_to = judgements->Find("has_to")->as_int32();
  EXPECT_EQ(std::vector<int32_t>(has_to.begin(), has_to.end()), (std::vector<int32_t>{0, 1}));
  const auto document = judgements->Find("document")->as_int32();
  const auto from = Safetensors::Open(kept / "from.safetensors").value();
  const auto documents = from.Find("documents")->as_float32();
  const auto queries = from.Find("queries")->as_float32();
  for (size_t i = 0; i < kNew; ++i) {
    EXPECT_NEAR(documents[static_cast<size_t>(document[1]) * kNew + i], new_[9][i], 1e-6);
    EXPECT_NEAR(queries[i], new_[5][i], 1e-6);
    EXPECT_NEAR(queries[kNew + i], new_[9][i], 1e-6);
  }
}

}  // namespace
}  // namespace almagest
