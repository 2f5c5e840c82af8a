// Against a plain map of sets: random slots with several values of thousands, so that leaves split
// and vanish; ranges, look-ups and both orders.
#include "engine/payload/ordered_postings.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace almagest {
namespace {

using Naive = std::map<int64_t, std::set<Slot>>;

SlotSet NaiveBetween(const Naive& naive, int64_t low, int64_t high) {
  SlotSet slots;
  for (auto it = naive.lower_bound(low); it != naive.end() && it->first <= high; ++it) {
    for (const Slot slot : it->second) slots.Add(slot);
  }
  return slots;
}

class OrderedPostingsTest : public testing::Test {
 protected:
  // As an index does: what a slot held is removed where it no longer holds it, the rest added.
  void Set(Slot slot, const std::vector<int64_t>& keys) {
    for (const int64_t key : held_[slot]) {
      if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
      postings_.Remove(key, slot, keys);
      naive_[key].erase(slot);
      if (naive_[key].empty()) naive_.erase(key);
    }
    for (const int64_t key : keys) {
      postings_.Add(key, slot);
      naive_[key].insert(slot);
    }
    held_[slot] = keys;
  }

  void ExpectAgrees(std::mt19937_64& random, int64_t key_limit) {
    for (int i = 0; i < 20; ++i) {
      int64_t low = static_cast<int64_t>(random() % static_cast<uint64_t>(key_limit + 20)) - 10;
      int64_t high = static_cast<int64_t>(random() % static_cast<uint64_t>(key_limit + 20)) - 10;
      if (i % 4 == 0) high = low + 3;
      const SlotSet between = postings_.Between([&](int64_t key) { return key < low; },
                                                [&](int64_t key) { return key > high; });
      ASSERT_EQ(between.ToVector(), NaiveBetween(naive_, low, high).ToVector())
          << low << " to " << high;
      const auto found = naive_.find(low);
      const SlotSet* slots = postings_.Find(low);
      ASSERT_EQ(slots != nullptr, found != naive_.end()) << low;
      if (slots == nullptr) continue;
      ASSERT_EQ(slots->size(), found->second.size());
    }
    std::vector<int64_t> ascending;
    postings_.ForEach(false, [&](int64_t key, const SlotSet&) {
      ascending.push_back(key);
      return true;
    });
    std::vector<int64_t> wanted;
    for (const auto& [key, slots] : naive_) wanted.push_back(key);
    ASSERT_EQ(ascending, wanted);
    std::vector<int64_t> highest;
    postings_.ForEach(true, [&](int64_t key, const SlotSet&) {
      highest.push_back(key);
      return highest.size() < 700;
    });
    wanted = std::vector<int64_t>(wanted.rbegin(), wanted.rend());
    wanted.resize(std::min<size_t>(wanted.size(), 700));
    ASSERT_EQ(highest, wanted);
  }

  OrderedPostings<int64_t> postings_;
  Naive naive_;
  std::map<Slot, std::vector<int64_t>> held_;
};

TEST_F(OrderedPostingsTest, AgreesWithAMapOfSets) {
  for (const uint64_t seed : {1, 2, 3}) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const int64_t key_limit = seed == 3 ? 40 : 5000;
    for (int round = 0; round < 4; ++round) {
      for (int i = 0; i < 3000; ++i) {
        std::set<int64_t> keys;
        for (uint64_t count = random() % 4; count > 0; --count) {
          keys.insert(static_cast<int64_t>(random() % static_cast<uint64_t>(key_limit)));
        }
        Set(static_cast<Slot>(random() % 4000), {keys.begin(), keys.end()});
      }
      ExpectAgrees(random, key_limit);
      if (HasFatalFailure()) return;
    }
    for (Slot slot = 0; slot < 4000; ++slot) Set(slot, {});
    ExpectAgrees(random, key_limit);
    EXPECT_EQ(postings_.MemoryBytes(), 0u) << "no leaf is left";
  }
}

}  // namespace
}  // namespace almagest
