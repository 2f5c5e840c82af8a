// Evaluation with indexes, without indexes, point by point and by the naive reference: all four
// agree on random points and random filters, also after points change and go.
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "engine/payload/filter_evaluator.h"
#include "engine/payload/payload.h"
#include "tests/engine/payload/naive_filter.h"

namespace almagest {
namespace {

using Json = nlohmann::json;

const std::vector<std::string> kPaths = {"a", "b", "c", "n", "n[].x", "n[].y", "o.p", "a[]"};

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}
  size_t Below(size_t n) { return random_() % n; }
  bool Chance(size_t percent) { return Below(100) < percent; }

  Json Scalar() {
    switch (Below(11)) {
      case 9:
        return Place();
      case 10:
        return Words();
      case 0:
        return nullptr;
      case 1:
        return Chance(50);
      case 2:
        return static_cast<double>(Below(6));  // 3.0 is not 3.
      case 3:
        return 0.5 + static_cast<double>(Below(6));
      case 4:
        return Time();
      case 5:
        return Chance(50) ? Json(UINT64_MAX) : Json(std::string("t"));
      case 6:
        return Word();
      default:
        return static_cast<int64_t>(Below(6));
    }
  }
  Json Value() {
    const size_t kind = Below(10);
    if (kind < 6) return Scalar();
    if (kind == 6) return Json{{"p", Scalar()}};
    Json array = Json::array();
    for (size_t i = Below(4); i > 0; --i) {
      array.push_back(Chance(10) ? Json::array({Scalar()}) : Scalar());
    }
    return array;
  }
  Json Payload() {
    Json payload = Json::object();
    for (const char* key : {"a", "b", "c"}) {
      if (Chance(80)) payload[key] = Value();
    }
    if (Chance(70)) {
      Json list = Json::array();
      for (size_t i = Below(4); i > 0; --i) {
        Json element = Json::object();
        if (Chance(80)) element["x"] = Value();
        if (Chance(80)) element["y"] = Scalar();
        list.push_back(Chance(10) ? Scalar() : element);
      }
      payload["n"] = list;
    }
    if (Chance(50)) payload["o"] = Chance(80) ? Json{{"p", Value()}} : Scalar();
    return payload;
  }

  MatchScalar RandomMatchScalar() {
    switch (Below(5)) {
      case 0:
        return Chance(50);
      case 1:
        return Word();
      case 2:
        return Time();
      default:
        return static_cast<int64_t>(Below(6));
    }
  }
  std::vector<MatchScalar> Scalars() {
    std::vector<MatchScalar> scalars;
    for (size_t i = Below(4); i > 0; --i) scalars.push_back(RandomMatchScalar());
    return scalars;
  }
  template <class Bounds, class Bound>
  Bounds RandomBounds(Bound bound) {
    Bounds bounds;
    if (Chance(40)) bounds.gt = bound();
    if (Chance(40)) bounds.gte = bound();
    if (Chance(40)) bounds.lt = bound();
    if (Chance(40)) bounds.lte = bound();
    return bounds;
  }
  // Also over the date line, around a pole, and everywhere.
  std::variant<GeoBoundingBox, GeoRadius, GeoPolygon> Area() {
    if (Chance(40)) return GeoRadius{Corner(), Chance(10) ? 3e7 : 1000.0 * double(Below(6000))};
    if (Chance(50)) return GeoBoundingBox{Corner(), Corner()};
    GeoPolygon polygon{{Corner(), Corner(), Corner(), Corner()}, {}};
    polygon.exterior.push_back(polygon.exterior.front());
    if (Chance(50)) {
      polygon.interiors.push_back({Corner(), Corner(), Corner()});
      polygon.interiors[0].push_back(polygon.interiors[0].front());
    }
    return polygon;
  }
  FieldCondition Field(const std::string& key) {
    switch (Below(10)) {
      case 7:
        return {key, Match(MatchPrefix{Chance(50) ? "a" : "20"})};
      case 8:
        return std::visit([&](auto area) { return FieldCondition{key, std::move(area)}; }, Area());
      case 9:
        return {key, Match(MatchText{Words(), static_cast<TextMode>(Below(3))})};
      case 0:
        return {key, Match(MatchAny{Scalars()})};
      case 1:
        return {key, Match(MatchExcept{Scalars()})};
      case 2:
        return {key, RandomBounds<Range>([&] { return 0.5 * double(Below(12)); })};
      case 3:
        return {key, RandomBounds<DatetimeRange>([&] { return ParseDatetime(Time()).value(); })};
      case 4:
        return {key, RandomBounds<ValuesCount>([&] { return Below(4); })};
      case 5:
        return {key, Match(MatchText{Chance(50) ? "a" : "0"})};
      default:
        return {key, Match(MatchValue{RandomMatchScalar()})};
    }
  }
  Condition RandomCondition(int depth, const std::vector<std::string>& paths) {
    const std::string& key = paths[Below(paths.size())];
    switch (Below(depth > 0 ? 12 : 9)) {
      case 0:
        return IsEmptyCondition{key};
      case 1:
        return IsNullCondition{key};
      case 2: {
        HasIdCondition ids;
        for (size_t i = Below(80); i > 0; --i) ids.ids.emplace_back(uint64_t{Below(300)});
        return ids;
      }
      case 4: {
        const auto total = static_cast<uint32_t>(1 + Below(4));
        return SliceCondition{total, static_cast<uint32_t>(Below(total))};
      }
      case 3:
        return HasVectorCondition{Chance(80) ? "v" : "unknown"};
      case 9:
        return NestedCondition{
            "n", std::make_shared<Filter>(RandomFilter(depth - 1, {"x", "y", "x[]"}))};
      case 10:
      case 11:
        return FilterCondition{std::make_shared<Filter>(RandomFilter(depth - 1, paths))};
      default:
        return Field(key);
    }
  }
  Filter RandomFilter(int depth, const std::vector<std::string>& paths) {
    const auto some = [&] {
      std::vector<Condition> conditions;
      for (size_t i = Below(3); i > 0; --i) conditions.push_back(RandomCondition(depth, paths));
      return conditions;
    };
    Filter filter;
    if (Chance(60)) filter.must = some();
    if (Chance(30)) filter.should = some();
    if (Chance(30)) filter.must_not = some();
    if (Chance(20)) filter.min_should = MinShould{some(), Below(3)};
    return filter;
  }

 private:
  GeoPoint Corner() { return {double(Below(361)) - 180, double(Below(181)) - 90}; }
  Json Place() {
    if (Chance(10)) return {{"lon", 200}, {"lat", 0}};  // No point on the Earth.
    const GeoPoint point = Corner();
    return {{"lon", point.lon}, {"lat", point.lat}};
  }
  std::string Words() {
    std::string words = Word();
    while (Chance(60)) words += (Chance(80) ? " " : ", ") + (Chance(80) ? Word() : "A");
    return words;
  }
  std::string Word() { return std::string(1, static_cast<char>('a' + Below(4))); }
  std::string Time() {
    return (Chance(50) ? "2024-01-0" : "2024-01-01T00:00:0") + std::to_string(1 + Below(5));
  }
  std::mt19937_64 random_;
};

// Points by slot, their indexes, and a context over both.
struct Points {
  std::vector<NaivePoint> points;
  std::vector<std::string> texts;
  SlotSet live;
  PayloadIndexes indexes;

  void Set(Slot slot, const std::string& text) {
    indexes.Update(slot, texts[slot], text);
    texts[slot] = text;
  }
  FilterContext Context(bool indexed) {
    FilterContext context;
    context.live = &live;
    context.indexes = indexed ? &indexes : nullptr;
    context.slot_of = [this](const PointId& id) {
      const auto number = std::get<uint64_t>(id);
      return number < points.size() ? static_cast<Slot>(number) : kNoSlot;
    };
    context.id_of = [this](Slot slot) { return points[slot].id; };
    context.slots_with_vector = [this](const std::string& name) {
      SlotSet slots;
      for (Slot slot = 0; slot < points.size(); ++slot) {
        if (name == "v" && points[slot].has_vector) slots.Add(slot);
      }
      return slots;
    };
    context.payloads_of = [this](std::span<const Slot> slots) {
      std::vector<std::string> payloads;
      for (const Slot slot : slots) payloads.push_back(texts[slot]);
      return Result<std::vector<std::string>>(std::move(payloads));
    };
    return context;
  }
};

TEST(FilterPropertyTest, FourWaysAgree) {
  constexpr Slot kPoints = 250;
  size_t partly = 0;  // Filters that neither match all nor nothing: the test is not vacuous.
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    Generator generator(seed);
    Points all;
    all.texts.resize(kPoints);
    std::set<std::string> text_paths;
    for (const std::string& path : kPaths) {
      if (generator.Chance(70)) {
        PayloadIndexConfig config(static_cast<PayloadIndexType>(generator.Below(8)));
        config.prefix = generator.Chance(50);
        config.lookup = generator.Chance(70);
        config.range = generator.Chance(70);
        config.phrase_matching = true;
        all.indexes.Install(PayloadIndex::Make(*PayloadPath::Parse(path), config));
        if (config.type == PayloadIndexType::kText) text_paths.insert(path);
      }
    }
    for (Slot slot = 0; slot < kPoints; ++slot) {
      all.points.push_back({uint64_t{slot}, Json::object(), generator.Chance(60), nullptr, ""});
    }
    // Some slots change several times, some are gone in the end.
    for (Slot step = 0; step < 3 * kPoints; ++step) {
      const auto slot = static_cast<Slot>(step < kPoints ? step : generator.Below(kPoints));
      const Json payload = generator.Payload();
      all.points[slot].payload = payload;
      all.Set(slot, CanonicalPayload(payload.dump()).value());
      all.live.Add(slot);
      if (step >= kPoints && generator.Chance(10)) {
        all.points[slot].payload = Json::object();
        all.Set(slot, "");
        if (generator.Chance(50)) all.live.Remove(slot);
      }
    }
    for (int round = 0; round < 120; ++round) {
      SCOPED_TRACE("seed " + std::to_string(seed) + " round " + std::to_string(round));
      const Filter filter = generator.RandomFilter(2, kPaths);
      SlotSet expected;
      SlotSet indexed;  // Expected where texts are read as the text indexes do.
      all.live.ForEach([&](Slot slot) {
        NaivePoint point = all.points[slot];
        const bool matches = NaiveMatches(filter, point.payload, point);
        if (matches) expected.Add(slot);
        point.text_paths = &text_paths;
        if (NaiveMatches(filter, point.payload, point)) indexed.Add(slot);
        const auto alone = MatchesFilter(filter, all.texts[slot], point.id, [&](const auto& name) {
          return name == "v" && point.has_vector;
        });
        EXPECT_EQ(alone.value(), matches) << slot << " " << all.texts[slot];
        const auto by_index = MatchesFilter(
            filter, all.texts[slot], point.id,
            [&](const auto& name) { return name == "v" && point.has_vector; }, &all.indexes);
        EXPECT_EQ(by_index.value(), indexed.Contains(slot)) << slot << " " << all.texts[slot];
      });
      ASSERT_EQ(EvaluateFilter(filter, all.Context(false)).value().ToVector(), expected.ToVector());
      ASSERT_EQ(EvaluateFilter(filter, all.Context(true)).value().ToVector(), indexed.ToVector());
      const auto estimate = EstimateCardinality(filter, all.Context(true)).value();
      EXPECT_LE(estimate.min, indexed.size());
      EXPECT_GE(estimate.max, indexed.size());
      if (!expected.empty() && expected.size() < all.live.size()) ++partly;
    }
  }
  EXPECT_GT(partly, 400u);
}

}  // namespace
}  // namespace almagest
