// Random sequences of REST calls against a simple reference: after every few writes the same
// filters, scrolls, counts and queries are asked of both.
#include <gtest/gtest.h>

#include <random>

#include "tests/http/model_reference.h"
#include "tests/http/test_application.h"

namespace almagest {
namespace {

using Json = nlohmann::json;

class ModelRun {
 public:
  explicit ModelRun(uint64_t seed) : random_(seed) {
    Ask("PUT", "/collections/m",
        {{"vectors",
          {{"d", {{"size", 2}, {"distance", "Dot"}}},
           {"m",
            {{"size", 2},
             {"distance", "Dot"},
             {"multivector_config", {{"comparator", "max_sim"}}}}}}},
         {"sparse_vectors", {{"s", Json::object()}}},
         {"almagest", {{"durability", "process"}}}});
  }

  void Step() {
    switch (Below(9)) {
      case 0:
      case 1:
      case 2:
        return Upsert();
      case 3:
        return Delete();
      case 4:
        return SetPayload();
      case 5:
        return DropPayload();
      case 6:
        return ChangeVectors();
      case 7:
        return ChangeIndexes();
      default:
        return Compare();
    }
  }

  void Compare() {
    const Json filter = Filter(2);
    SCOPED_TRACE(filter.dump());
    const std::vector<int> ids = model_.Matching(filter);
    EXPECT_EQ(Ask("POST", "/collections/m/points/count", {{"filter", filter}})["count"],
              ids.size());
    CompareScroll(filter, ids);
    CompareQueries(filter, ids);
    partly_ += !ids.empty() && ids.size() < model_.points.size();
  }
  size_t partly() const { return partly_; }

 private:
  size_t Below(size_t n) { return random_() % n; }
  bool Chance(size_t percent) { return Below(100) < percent; }
  std::string Word() { return std::string(1, static_cast<char>('a' + Below(4))); }

  Json Ask(const std::string& method, const std::string& target, const Json& body) {
    const Answer answer = server_.Call(method, target, body.is_null() ? "" : body.dump());
    EXPECT_EQ(answer.status, 200u) << method << " " << target << " " << body << answer.text;
    return answer.status == 200 ? answer.result() : Json();
  }

  // ---- Values and filters ----------------------------------------------------------------------
  Json Number() { return Chance(70) ? Json(int(Below(5))) : Json(0.5 * double(Below(10))); }
  Json Some(Json (ModelRun::*one)()) {
    if (Chance(70)) return (this->*one)();
    Json list = Json::array();
    for (size_t i = Below(4); i > 0; --i) list.push_back(Chance(10) ? Json() : (this->*one)());
    return list;
  }
  Json WordValue() { return Word(); }
  Json Place() { return {{"lon", double(Below(360)) - 180}, {"lat", double(Below(180)) - 90}}; }
  std::string Text() {
    std::string text = Word();
    while (Chance(60)) text += " " + Word();
    return text;
  }
  Json Payload() {
    Json payload = Json::object();
    if (Chance(70)) payload["w"] = Some(&ModelRun::WordValue);
    if (Chance(70)) payload["n"] = Some(&ModelRun::Number);
    if (Chance(40)) payload["b"] = Chance(50);
    if (Chance(40)) payload["g"] = Some(&ModelRun::Place);
    if (Chance(60)) payload["t"] = Text();
    if (Chance(30)) payload["z"] = Chance(50) ? Json() : Json::array();
    if (Chance(50)) {
      payload["l"] = Json::array();
      for (size_t i = Below(3); i > 0; --i) {
        payload["l"].push_back({{"n", Number()}, {"w", Word()}});
      }
    }
    return payload;
  }
  Json Match(const char* key, const char* kind, Json value) {
    return {{"key", key}, {"match", {{kind, std::move(value)}}}};
  }
  Json Condition(int depth) {
    switch (Below(depth > 0 ? 15 : 12)) {
      case 0:
        return Match("w", "value", Word());
      case 1:
        return Match("n", "value", int(Below(5)));
      case 2:
        return Match("w", Chance(50) ? "any" : "except", {Word(), Word()});
      case 3:
        return Match("n", Chance(50) ? "any" : "except", {int(Below(5)), int(Below(5))});
      case 4: {
        Json range = Json::object();
        if (Chance(60)) range[Chance(50) ? "gt" : "gte"] = 0.5 * double(Below(8));
        if (Chance(60)) range[Chance(50) ? "lt" : "lte"] = 0.5 * double(Below(8));
        return {{"key", "n"}, {"range", range}};
      }
      case 5:
        return {{Chance(50) ? "is_empty" : "is_null", {{"key", Chance(50) ? "z" : "w"}}}};
      case 6:
        return {{"key", "w"}, {"values_count", {{"gte", Below(3)}, {"lt", 1 + Below(4)}}}};
      case 7:
        return {{"key", "g"},
                {"geo_bounding_box", {{"top_left", Place()}, {"bottom_right", Place()}}}};
      case 8: {
        constexpr const char* kKinds[] = {"text", "text_any", "phrase"};
        return Match("t", kKinds[Below(3)], Text());
      }
      case 9:
        return {{"has_id", {Below(60), Below(60), Below(60)}}};
      case 10:
        return {{"has_vector", Chance(40) ? "d" : Chance(50) ? "s" : "m"}};
      case 11:
        return Chance(50) ? Match("b", "value", Chance(50)) : Match("w", "prefix", Word());
      case 12: {
        Json inner = {{"must", {Match("w", "value", Word())}}};
        inner[Chance(50) ? "must" : "must_not"].push_back(Match("n", "value", int(Below(5))));
        return {{"nested", {{"key", "l"}, {"filter", inner}}}};
      }
      default:
        return Filter(depth - 1);
    }
  }
  Json Filter(int depth) {
    Json filter = Json::object();
    const auto some = [&] {
      Json conditions = Json::array();
      for (size_t i = 1 + Below(2); i > 0; --i) conditions.push_back(Condition(depth));
      return conditions;
    };
    if (Chance(60)) filter["must"] = some();
    if (Chance(40)) filter["should"] = some();
    if (Chance(25)) filter["must_not"] = some();
    if (Chance(20)) filter["min_should"] = {{"conditions", some()}, {"min_count", 1 + Below(2)}};
    return filter;
  }

  // ---- Writes, to both -------------------------------------------------------------------------
  double UniqueScore() { return double(++scores_ * 7919 % 65536) / 1024; }
  Json Vectors(ModelPoint& point) {
    Json vectors = Json::object();
    if (Chance(80)) vectors["d"] = {*(point.dense = UniqueScore()), 1};
    if (Chance(60)) {
      vectors["s"] = {{"indices", {7}}, {"values", {*(point.sparse = UniqueScore() + 1)}}};
    }
    if (Chance(60)) {
      const double x = *(point.multi = UniqueScore());
      vectors["m"] = Json::array({Json::array({x, 0}), Json::array({0, 1})});
    }
    return vectors;
  }
  void Upsert() {
    Json points = Json::array();
    for (size_t i = 1 + Below(6); i > 0; --i) {
      const int id = int(Below(60));
      ModelPoint point;
      const Json vectors = Vectors(point);
      point.payload = Payload();
      points.push_back({{"id", id}, {"vector", vectors}, {"payload", point.payload}});
      model_.points[id] = std::move(point);
    }
    Ask("PUT", "/collections/m/points", {{"points", points}});
  }
  // Which points an operation is for, put into its body.
  std::vector<int> Select(Json& body) {
    if (Chance(50)) {
      body["filter"] = Filter(1);
      return model_.Matching(body["filter"]);
    }
    std::vector<int> ids;
    body["points"] = Json::array();
    for (const auto& [id, point] : model_.points) {
      if (!Chance(10)) continue;
      body["points"].push_back(id);
      ids.push_back(id);
    }
    return ids;
  }
  void Delete() {
    Json body = Json::object();
    const auto ids = Select(body);
    if (ids.size() > 12) return;  // Leave something to ask about.
    Ask("POST", "/collections/m/points/delete", body);
    for (const int id : ids) model_.points.erase(id);
  }
  void SetPayload() {
    const bool overwrite = Chance(30);
    Json body = {{"payload", Payload()}};
    body["payload"].erase("z");  // A null would remove the key.
    const bool at_key = !overwrite && Chance(30);
    if (at_key) body["key"] = "o";
    const auto ids = Select(body);
    Ask(overwrite ? "PUT" : "POST", "/collections/m/points/payload", body);
    for (const int id : ids) {
      Json& payload = model_.points[id].payload;
      if (overwrite) payload = Json::object();
      Json& target = at_key ? payload["o"] : payload;
      if (!target.is_object()) target = Json::object();
      target.update(body["payload"]);
    }
  }
  void DropPayload() {
    const bool clear = Chance(20);
    Json body = Json::object();
    if (!clear) body["keys"] = {"w", "o.n"};
    const auto ids = Select(body);
    if (clear && ids.size() > 12) return;
    Ask("POST", std::string("/collections/m/points/payload/") + (clear ? "clear" : "delete"), body);
    for (const int id : ids) {
      Json& payload = model_.points[id].payload;
      if (clear) {
        payload = Json::object();
        continue;
      }
      payload.erase("w");
      if (payload.contains("o")) payload["o"].erase("n");
    }
  }
  void ChangeVectors() {
    if (Chance(50)) {
      const bool multi = Chance(50);
      Json body = {{"vector", {multi ? "m" : "s"}}};
      for (const int id : Select(body)) {
        (multi ? model_.points[id].multi : model_.points[id].sparse).reset();
      }
      Ask("POST", "/collections/m/points/vectors/delete", body);
      return;
    }
    Json points = Json::array();
    for (auto& [id, point] : model_.points) {
      if (Chance(10)) points.push_back({{"id", id}, {"vector", Vectors(point)}});
    }
    std::erase_if(points.get_ref<Json::array_t&>(),
                  [](const Json& point) { return point["vector"].empty(); });
    if (!points.empty()) Ask("PUT", "/collections/m/points/vectors", {{"points", points}});
  }
  void ChangeIndexes() {
    const std::vector<std::pair<std::string, Json>> indexes = {
        {"w", "keyword"},
        {"w", {{"type", "keyword"}, {"prefix", true}}},
        {"n", "integer"},
        {"n", "float"},
        {"b", "bool"},
        {"g", "geo"},
        {"z", "keyword"},
        {"l[].n", "integer"},
        {"t", {{"type", "text"}, {"phrase_matching", true}}}};
    const auto& [field, schema] = indexes[Below(indexes.size())];
    const bool create = Chance(60);
    if (create) {
      Ask("PUT", "/collections/m/index", {{"field_name", field}, {"field_schema", schema}});
    } else {
      Ask("DELETE", "/collections/m/index/" + field, nullptr);
    }
    if (field == "t") model_.text_index = create;
  }

  // ---- Questions -------------------------------------------------------------------------------
  void CompareScroll(const Json& filter, const std::vector<int>& ids) {
    std::vector<int> scrolled;
    Json body = {{"filter", filter}, {"limit", 1 + Below(20)}};
    while (true) {
      const Json page = Ask("POST", "/collections/m/points/scroll", body);
      if (page.is_null()) return;
      for (const Json& point : page["points"]) {
        scrolled.push_back(point["id"]);
        EXPECT_EQ(point["payload"], model_.points[scrolled.back()].payload);
      }
      if (page["next_page_offset"].is_null()) break;
      body["offset"] = page["next_page_offset"];
    }
    EXPECT_EQ(scrolled, ids);
  }

  using Scores = std::vector<std::pair<double, int>>;  // Best first.

  Scores Ranked(const std::vector<int>& ids, std::optional<double> ModelPoint::*field, double sign,
                size_t limit) {
    Scores scores;
    for (const int id : ids) {
      if (model_.points[id].*field) scores.emplace_back(sign * *(model_.points[id].*field), id);
    }
    std::ranges::sort(scores, std::greater<>());
    if (scores.size() > limit) scores.resize(limit);
    return scores;
  }
  // The order among equal scores is the server's.
  void Expect(const Json& body, const Scores& all, size_t limit) {
    const Json result = Ask("POST", "/collections/m/points/query", body);
    if (result.is_null()) return;
    std::map<int, double> by_id;
    for (const auto& [score, id] : all) by_id[id] = score;
    ASSERT_EQ(result["points"].size(), std::min(limit, all.size())) << body;
    for (size_t i = 0; i < result["points"].size(); ++i) {
      const Json& point = result["points"][i];
      EXPECT_NEAR(point["score"].get<double>(), all[i].first, 1e-4) << body << result;
      EXPECT_NEAR(point["score"].get<double>(), by_id[point["id"]], 1e-4) << body << result;
      by_id[point["id"]] = NAN;  // Once.
    }
  }
  void CompareQueries(const Json& filter, const std::vector<int>& ids) {
    const double sign = Chance(50) ? 1 : -1;
    const size_t limit = 1 + Below(15);
    const Json dense = {{"query", {sign, 0}}, {"using", "d"}, {"limit", 2 + Below(20)}};
    const Json sparse = {
        {"query", {{"indices", {7}}, {"values", {1}}}}, {"using", "s"}, {"limit", 2 + Below(20)}};
    Json one = dense;
    one["filter"] = filter;
    one["limit"] = limit;
    Expect(one, Ranked(ids, &ModelPoint::dense, sign, SIZE_MAX), limit);
    one = sparse;
    one["filter"] = filter;
    one["limit"] = limit;
    Expect(one, Ranked(ids, &ModelPoint::sparse, 1, SIZE_MAX), limit);
    // Half of [1, 0] and half of [0, 1]: half the score, and a half that all have.
    const auto halves = [](Scores scores) {
      for (auto& [score, id] : scores) score = 0.5 * score + 0.5;
      return scores;
    };
    one = {{"query", {{0.5, 0}, {0, 0.5}}}, {"using", "m"}, {"filter", filter}, {"limit", limit}};
    const Scores multi = halves(Ranked(ids, &ModelPoint::multi, 1, SIZE_MAX));
    Expect(one, multi, limit);
    one.erase("filter");
    one["prefetch"] = {dense};
    one["prefetch"][0]["filter"] = filter;
    const Scores first = Ranked(ids, &ModelPoint::dense, sign, dense["limit"]);
    Scores rescored = multi;
    std::erase_if(rescored, [&](const auto& entry) {
      return std::ranges::none_of(first, [&](const auto& f) { return f.second == entry.second; });
    });
    Expect(one, rescored, limit);
    std::map<int, double> fused;
    for (const Scores& leg : {Ranked(ids, &ModelPoint::dense, sign, dense["limit"]),
                              Ranked(ids, &ModelPoint::sparse, 1, sparse["limit"])}) {
      for (size_t rank = 0; rank < leg.size(); ++rank) {
        fused[leg[rank].second] += 1.0 / double(rank + 2);
      }
    }
    Scores best;
    for (const auto& [id, score] : fused) best.emplace_back(score, id);
    std::ranges::sort(best, std::greater<>());
    Expect({{"prefetch", {dense, sparse}},
            {"query", {{"fusion", "rrf"}}},
            {"filter", filter},
            {"limit", limit}},
           best, limit);
  }

  std::mt19937_64 random_;
  TestApplication server_;
  Model model_;
  uint64_t scores_ = 0;
  size_t partly_ = 0;
};

TEST(ModelTest, TheServerAnswersAsTheReferenceDoes) {
  size_t partly = 0;  // Filters that match some points but not all.
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    ModelRun run(seed);
    for (int step = 0; step < 250; ++step) {
      SCOPED_TRACE("seed " + std::to_string(seed) + " step " + std::to_string(step));
      run.Step();
      if (step % 5 == 0) run.Compare();
      if (testing::Test::HasFailure()) return;  // What follows would only repeat it.
    }
    partly += run.partly();
  }
  EXPECT_GT(partly, 150u);
}

}  // namespace
}  // namespace almagest
