// A mean with its confidence interval, as every report of ours has it.
#pragma once

#include <string_view>

#include "http/json_writer.h"
#include "storage/base/bootstrap.h"

namespace almagest {

// "key": {"mean", "low", "high"}
inline void WriteInterval(JsonWriter& json, std::string_view key, const Interval& interval) {
  json.Key(key).BeginObject();
  json.Key("mean").Double(interval.mean);
  json.Key("low").Double(interval.low);
  json.Key("high").Double(interval.high);
  json.EndObject();
}

}  // namespace almagest
