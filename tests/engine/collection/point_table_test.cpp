#include "engine/collection/point_table.h"

#include <gtest/gtest.h>

#include <random>

namespace almagest {
namespace {

PointId RandomId(std::mt19937& random) {
  const uint64_t number = random() % 50;
  if (random() % 2 == 0) return number;
  Uuid uuid;
  uuid.bytes[15] = static_cast<uint8_t>(number);
  return uuid;
}

TEST(PointTableTest, AgreesWithAMap) {
  for (uint32_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    PointTable table;
    std::map<PointId, std::pair<Slot, PointEntry>> model;
    Slot next_slot = 0;
    for (int step = 0; step < 2000; ++step) {
      const PointId id = RandomId(random);
      const auto found = model.find(id);
      ASSERT_EQ(table.Find(id), found == model.end() ? kNoSlot : found->second.first);
      if (random() % 3 == 0) {
        if (found == model.end()) continue;
        table.Remove(found->second.first);
        EXPECT_FALSE(table.Get(found->second.first));
        model.erase(found);
      } else {
        PointEntry entry;
        entry.id = id;
        entry.version = static_cast<SequenceNumber>(step);
        entry.fields = random() % 8;
        const Slot slot = found == model.end() ? next_slot++ : found->second.first;
        table.Put(slot, entry);
        model[id] = {slot, entry};
      }
    }
    ASSERT_EQ(table.size(), model.size());
    SlotSet live;
    std::map<FieldId, SlotSet> with_field;
    for (const auto& [id, point] : model) {
      const auto& [slot, entry] = point;
      live.Add(slot);
      for (FieldId field = 0; field < 3; ++field) {
        if ((entry.fields >> field & 1) != 0) with_field[field].Add(slot);
      }
      ASSERT_TRUE(table.Get(slot));
      EXPECT_EQ(table.Get(slot)->id, id);
      EXPECT_EQ(table.Get(slot)->version, entry.version);
    }
    EXPECT_EQ(table.live(), live);
    for (FieldId field = 0; field < 3; ++field) {
      EXPECT_EQ(table.with_field(field), with_field[field]) << field;
    }
  }
}

}  // namespace
}  // namespace almagest
