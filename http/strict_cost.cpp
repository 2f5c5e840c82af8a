#include "http/strict_cost.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "http/filter_parser.h"
#include "http/service.h"
#include "http/strict_filter.h"

namespace almagest {
namespace {

std::vector<JsonValue> ItemsOf(const JsonValue& body, std::string_view key) {
  const auto list = body.Find(key);
  auto items = list && list->IsArray() ? list->Items() : Result<std::vector<JsonValue>>();
  return items ? *std::move(items) : std::vector<JsonValue>();
}

}  // namespace

uint64_t ReadCost(const JsonValue& body) {
  uint64_t cost = 0;
  for (const JsonValue& search : ItemsOf(body, "searches")) cost += ReadCost(search);
  if (cost > 0) return cost;
  const size_t ids = ItemsOf(body, "ids").size();
  if (ids > 0) return ids;
  if (const auto prefetch = body.Find("prefetch"); prefetch && prefetch->IsObject()) {
    cost += ReadCost(*prefetch);
  }
  for (const JsonValue& item : ItemsOf(body, "prefetch")) cost += ReadCost(item);
  const auto filter = FindFilter(body, "filter");
  return cost + 1 + (filter && *filter ? ConditionCount(**filter) : 0);
}

uint64_t WriteCost(const JsonValue& body, const Collection& collection) {
  uint64_t cost = 0;
  for (const JsonValue& operation : ItemsOf(body, "operations")) {
    const auto members = operation.Members();
    if (members && !members->empty()) cost += WriteCost(members->front().second, collection);
  }
  if (cost > 0) return cost;
  const auto batch = body.Find("batch");
  cost = batch ? ItemsOf(*batch, "ids").size() : ItemsOf(body, "points").size();
  const auto filter = FindFilter(body, "filter");
  if (filter && *filter) {
    Deadline deadline;
    deadline.at = std::chrono::steady_clock::now() + std::chrono::seconds(kReadTimeoutSeconds);
    const auto slots = collection.MatchingSlots(**filter, deadline);
    if (slots) cost = slots->size();
  }
  return std::max<uint64_t>(1, cost);
}

}  // namespace almagest
