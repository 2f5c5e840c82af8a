// Checks the records of one collection as they come out of a snapshot.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "engine/config.h"
#include "engine/payload/slot_set.h"
#include "storage/base/ids.h"
#include "storage/base/result.h"
#include "storage/key_value_store.h"

namespace almagest {

// Not thread-safe. Errors: kInvalidArgument.
class RecordCheck {
 public:
  explicit RecordCheck(const CollectionConfig& config);

  // Records in the order of a snapshot; keys without the collection's number.
  Result<> Add(ColumnFamily family, std::string_view key, std::string_view value);
  // After the last record: the number of points.
  Result<uint64_t> Finish() const;

 private:
  Result<> CheckMeta(const std::string& key, std::string_view value);
  Result<> CheckPoint(std::string_view value);
  Result<> CheckVector(const std::string& key, std::string_view value, bool is_sparse);

  struct FieldShape {
    uint32_t dimension = 0;
    bool is_multi = false;  // Several rows of that dimension; one elsewhere.
  };
  std::map<FieldId, FieldShape> dimensions_;
  bool has_counters_ = false;
  Slot next_slot_ = 0;
  Slot largest_slot_ = 0;
  uint64_t points_ = 0;
  SlotSet slots_;
  ColumnFamily last_family_ = ColumnFamily::kMeta;
  std::string last_key_;
};

}  // namespace almagest
