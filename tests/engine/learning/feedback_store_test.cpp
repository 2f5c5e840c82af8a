#include "engine/learning/feedback_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "engine/learning/feedback_codec.h"
#include "storage/memory_store.h"

namespace almagest {
namespace {

constexpr uint32_t kCollection = 4;
constexpr auto kSync = Durability::kSync;

FeedbackEvent Event(const std::string& user, uint64_t point, int64_t time_ms = 1'000) {
  FeedbackEvent event;
  event.vector_name = "text";
  event.query = {0.25f, -0.5f};
  event.grades.push_back({point, 2});
  event.user = user;
  event.time_ms = time_ms;
  return event;
}

std::vector<uint64_t> Ids(const FeedbackPage& page) {
  std::vector<uint64_t> ids;
  for (const FeedbackEvent& event : page.events) ids.push_back(event.id);
  return ids;
}

using IdList = std::vector<uint64_t>;

TEST(FeedbackCodec, KeepsEveryField) {
  Uuid uuid;
  for (size_t i = 0; i < uuid.bytes.size(); ++i) uuid.bytes[i] = static_cast<uint8_t>(i * 17);
  FeedbackEvent event;
  event.vector_name = "title";
  event.query = {1.5f, -0.0f, 1e-38f};
  event.query_text = "größe \"x\"";
  event.query_id = std::string(32, 'a');
  event.impressions = {{PointId{UINT64_MAX}, 1}, {PointId{uuid}, 2}};
  event.clicks = {{PointId{uint64_t{1}}, 3, 0.5}, {PointId{uuid}, std::nullopt, 1}};
  event.grades = {{PointId{uint64_t{9}}, 7.25}};
  event.preferences = {{PointId{uint64_t{1}}, PointId{uuid}}};
  event.negatives = {PointId{uuid}, PointId{uint64_t{0}}};
  event.user = "ü";
  event.tag = "fr-CH";
  event.time_ms = 1'700'000'000'123;
  event.weight = 0.1;
  const auto bytes = EncodeFeedback(event);
  ASSERT_TRUE(bytes);
  const auto back = DecodeFeedback(12, *bytes);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->id, 12u);
  EXPECT_EQ(back->vector_name, event.vector_name);
  EXPECT_EQ(back->query, event.query);
  EXPECT_EQ(back->query_text, event.query_text);
  EXPECT_EQ(back->query_id, event.query_id);
  EXPECT_EQ(back->impressions[0].id, event.impressions[0].id);
  EXPECT_EQ(back->impressions[1].rank, 2u);
  EXPECT_EQ(back->clicks[0].rank, 3u);
  EXPECT_EQ(back->clicks[0].weight, 0.5);
  EXPECT_EQ(back->clicks[1].rank, std::nullopt);
  EXPECT_EQ(back->grades[0].grade, 7.25);
  EXPECT_EQ(back->preferences[0].over, event.preferences[0].over);
  EXPECT_EQ(back->negatives, event.negatives);
  EXPECT_EQ(back->user, event.user);
  EXPECT_EQ(back->tag, event.tag);
  EXPECT_EQ(back->time_ms, event.time_ms);
  EXPECT_EQ(back->weight, event.weight);
}

TEST(FeedbackCodec, RefusesDamageAndBadText) {
  FeedbackEvent event = Event("u", 1);
  std::string bytes = *EncodeFeedback(event);
  bytes[bytes.size() / 2] ^= 1;
  const auto back = DecodeFeedback(1, bytes);
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().code, ErrorCode::kCorruption);
  event.user = "\xff\xfe";
  const auto encoded = EncodeFeedback(event);
  ASSERT_FALSE(encoded);
  EXPECT_EQ(encoded.error().code, ErrorCode::kOutOfRange);
}

TEST(FeedbackStore, GivesAscendingIdsThatAreNeverReused) {
  MemoryStore memory;
  FeedbackStore store(memory);
  const std::vector<FeedbackEvent> two = {Event("a", 1), Event("b", 2)};
  EXPECT_EQ(*store.Append(kCollection, two, kSync), (IdList{1, 2}));
  EXPECT_EQ(*store.Delete(kCollection, {}, 5, kSync), 2u);
  EXPECT_EQ(*store.Count(kCollection), 0u);
  FeedbackStore reopened(memory);
  EXPECT_EQ(*reopened.Append(kCollection, two, kSync), (IdList{3, 4}));
  EXPECT_EQ(*reopened.Append(kCollection + 1, two, kSync), (IdList{1, 2}));
  EXPECT_EQ(*reopened.Count(kCollection), 2u);
}

TEST(FeedbackStore, WritesAllOrNothing) {
  MemoryStore memory;
  FeedbackStore store(memory);
  std::vector<FeedbackEvent> events = {Event("a", 1), Event("\xff", 2)};
  const auto refused = store.Append(kCollection, events, kSync);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("events[1]"), std::string::npos);
  EXPECT_EQ(*store.Count(kCollection), 0u);
  memory.FailNthWrite(1, ErrorCode::kStorageFull);
  events.pop_back();
  EXPECT_FALSE(store.Append(kCollection, events, kSync));
  EXPECT_TRUE(store.List(kCollection, {}, 0, 10)->events.empty());
}

TEST(FeedbackStore, ListsInPages) {
  MemoryStore memory;
  FeedbackStore store(memory);
  std::vector<FeedbackEvent> events;
  for (uint64_t i = 0; i < 10; ++i) events.push_back(Event(i % 2 == 0 ? "even" : "odd", i));
  ASSERT_TRUE(store.Append(kCollection, events, kSync));
  FeedbackFilter odd;
  odd.user = "odd";
  const auto first = store.List(kCollection, odd, 0, 3);
  EXPECT_EQ(Ids(*first), (IdList{2, 4, 6}));
  ASSERT_EQ(first->next_id, 8u);
  const auto second = store.List(kCollection, odd, *first->next_id, 3);
  EXPECT_EQ(Ids(*second), (IdList{8, 10}));
  EXPECT_EQ(second->next_id, std::nullopt);
  for (const uint64_t limit : {uint64_t{0}, kFeedbackPageMax + 1}) {
    const auto refused = store.List(kCollection, {}, 0, limit);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kOutOfRange);
  }
}

TEST(FeedbackStore, FiltersMatchANaiveModel) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    MemoryStore memory;
    FeedbackStore store(memory);
    std::vector<FeedbackEvent> events;
    for (int i = 0; i < 60; ++i) {
      FeedbackEvent event = Event(std::string(1, static_cast<char>('a' + random() % 3)),
                                  random() % 5, static_cast<int64_t>(random() % 20));
      if (random() % 2 == 0) event.negatives.push_back(random() % 5);
      if (random() % 4 == 0) event.vector_name = "other";
      events.push_back(event);
    }
    ASSERT_TRUE(store.Append(kCollection, events, kSync));
    for (int round = 0; round < 30; ++round) {
      FeedbackFilter filter;
      if (random() % 2 == 0) filter.user = "a";
      if (random() % 2 == 0) filter.from_ms = 5;
      if (random() % 2 == 0) filter.until_ms = 12;
      if (random() % 2 == 0) filter.point = PointId{uint64_t{3}};
      if (random() % 2 == 0) filter.vector_name = "text";
      if (random() % 4 == 0) filter.ids = {1, 5, 9, 10, 11, 12, 30};
      IdList expected;
      for (size_t i = 0; i < events.size(); ++i) {
        const FeedbackEvent& e = events[i];
        bool names_three = std::get<uint64_t>(e.grades[0].id) == 3;
        for (const PointId& id : e.negatives) names_three |= std::get<uint64_t>(id) == 3;
        const bool matches =
            (!filter.user || e.user == "a") && (!filter.from_ms || e.time_ms >= 5) &&
            (!filter.until_ms || e.time_ms < 12) && (!filter.point || names_three) &&
            (!filter.vector_name || e.vector_name == "text") &&
            (filter.ids.empty() || std::count(filter.ids.begin(), filter.ids.end(), i + 1) > 0);
        if (matches) expected.push_back(i + 1);
      }
      EXPECT_EQ(Ids(*store.List(kCollection, filter, 0, 1'000)), expected);
    }
  }
}

TEST(FeedbackStore, MarksJobsThatSawADeletedEvent) {
  MemoryStore memory;
  FeedbackStore store(memory);
  const auto add = [&](const std::string& user, const std::string& vector_name) {
    FeedbackEvent event = Event(user, 1);
    event.vector_name = vector_name;
    ASSERT_TRUE(store.Append(kCollection, std::vector{event}, kSync));
  };
  add("ann", "text");
  const auto early = store.BeginTraining(kCollection, 1, "text");
  ASSERT_TRUE(store.BeginTraining(kCollection, 2, "image"));
  EXPECT_EQ(early->last_event, 1u);
  add("bob", "text");
  ASSERT_TRUE(store.BeginTraining(kCollection, 3, "text"));
  EXPECT_TRUE(store.TaintedJobs(kCollection)->empty());

  FeedbackFilter of_bob;
  of_bob.user = "bob";
  EXPECT_EQ(*store.Delete(kCollection, of_bob, 99, kSync), 1u);
  EXPECT_EQ(*store.TaintedJobs(kCollection), (std::set<uint64_t>{3}));
  EXPECT_EQ(*store.Delete(kCollection, {}, 100, kSync), 1u);
  EXPECT_EQ(*store.TaintedJobs(kCollection), (std::set<uint64_t>{1, 3}));
  ASSERT_TRUE(store.DropTrainingRecord(kCollection, 3));
  EXPECT_EQ(*FeedbackStore(memory).TaintedJobs(kCollection), (std::set<uint64_t>{1}));
}

TEST(FeedbackStore, MarksOfJobsOnAPartThoseThatAskedForTheEvent) {
  MemoryStore memory;
  FeedbackStore store(memory);
  const auto add = [&](const std::string& user, const std::string& tag) {
    FeedbackEvent event = Event(user, 1);
    event.vector_name = "text";
    event.tag = tag;
    ASSERT_TRUE(store.Append(kCollection, std::vector{event}, kSync));
  };
  add("ann", "de");
  add("bob", "fr");
  add("bob", "de");
  FeedbackFilter german, french, of_ann, german_of_bob;
  german.tag = "de";
  french.tag = "fr";
  of_ann.user = "ann";
  german_of_bob.tag = "de";
  german_of_bob.user = "bob";
  ASSERT_TRUE(store.BeginTraining(kCollection, 1, "text"));
  ASSERT_TRUE(store.BeginTraining(kCollection, 2, "text", german));
  ASSERT_TRUE(store.BeginTraining(kCollection, 3, "text", french));
  ASSERT_TRUE(store.BeginTraining(kCollection, 4, "text", of_ann));
  ASSERT_TRUE(store.BeginTraining(kCollection, 5, "image", german));
  EXPECT_EQ(store.List(kCollection, german, 1, 10)->events.size(), 2u);
  EXPECT_EQ(*store.Delete(kCollection, german_of_bob, 9, kSync), 1u);
  EXPECT_EQ(*store.TaintedJobs(kCollection), (std::set<uint64_t>{1, 2}));
  EXPECT_EQ(*store.Delete(kCollection, german, 9, kSync), 1u);
  EXPECT_EQ(*store.TaintedJobs(kCollection), (std::set<uint64_t>{1, 2, 4}));
  EXPECT_EQ(store.List(kCollection, {}, 1, 10)->events.at(0).tag, "fr");
}

TEST(FeedbackStore, FiltersAreStored) {
  FeedbackFilter filter;
  EXPECT_EQ(EncodeFilter(filter), "{}");
  EXPECT_EQ(*DecodeFilter("{}"), filter);
  filter.user = "ü";
  filter.tag = "de";
  filter.from_ms = 5;
  filter.until_ms = 9;
  filter.point = *ParseUuid("00000000-0000-0000-0000-0000000000ff");
  filter.ids = {3, 4};
  filter.vector_name = "text";
  EXPECT_EQ(*DecodeFilter(EncodeFilter(filter)), filter) << EncodeFilter(filter);
  EXPECT_EQ(DecodeFilter("[").error().code, ErrorCode::kCorruption);
  EXPECT_EQ(DecodeFilter(R"({"tag": 1})").error().code, ErrorCode::kCorruption);
}

TEST(FeedbackStore, TrainingSeesItsSnapshotOnly) {
  MemoryStore memory;
  FeedbackStore store(memory);
  ASSERT_TRUE(store.Append(kCollection, std::vector{Event("a", 1), Event("b", 2)}, kSync));
  const auto view = store.BeginTraining(kCollection, 1, "text");
  ASSERT_TRUE(store.Append(kCollection, std::vector{Event("c", 3)}, kSync));
  FeedbackFilter of_a;
  of_a.user = "a";
  ASSERT_TRUE(store.Delete(kCollection, of_a, 5, kSync));
  IdList seen;
  ASSERT_TRUE(store.Visit(kCollection, 1, view->snapshot.get(), [&](const FeedbackEvent& event) {
    seen.push_back(event.id);
    return true;
  }));
  EXPECT_EQ(seen, (IdList{1, 2}));
}

}  // namespace
}  // namespace almagest
