#include "engine/payload/payload_selector.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

namespace almagest {
namespace {

using Json = nlohmann::json;
using Steps = std::span<const PayloadPath::Step>;

// The paths that lead below one value, without the steps already taken.
using Trails = std::vector<Steps>;

// Trails that go on below a key or an element; `ended` tells whether one of them ends there.
template <class Fits>
Trails Follow(const Trails& trails, Fits fits, bool* ended) {
  Trails below;
  *ended = false;
  for (const Steps& trail : trails) {
    if (!fits(trail[0])) continue;
    if (trail.size() == 1) {
      *ended = true;
    } else {
      below.push_back(trail.subspan(1));
    }
  }
  return below;
}

void Narrow(Json& value, const Trails& trails, bool include);

// True if the child stays. A child below which trails go on is narrowed first.
bool Keep(Json& child, const Trails& below, bool ended, bool include) {
  if (ended) return include;
  if (below.empty()) return !include;
  if (child.is_structured()) {
    Narrow(child, below, include);
    return true;
  }
  return !include;
}

void Narrow(Json& value, const Trails& trails, bool include) {
  bool ended = false;
  if (value.is_object()) {
    for (auto it = value.begin(); it != value.end();) {
      const auto fits = [&](const PayloadPath::Step& step) {
        const auto* key = std::get_if<PayloadPath::Key>(&step);
        return key != nullptr && key->name == it.key();
      };
      const Trails below = Follow(trails, fits, &ended);
      it = Keep(it.value(), below, ended, include) ? std::next(it) : value.erase(it);
    }
    return;
  }
  Json kept = Json::array();
  for (size_t i = 0; i < value.size(); ++i) {
    const auto fits = [&](const PayloadPath::Step& step) {
      const auto* index = std::get_if<PayloadPath::Index>(&step);
      return index != nullptr ? index->position == i
                              : std::holds_alternative<PayloadPath::Wildcard>(step);
    };
    const Trails below = Follow(trails, fits, &ended);
    if (Keep(value[i], below, ended, include)) kept.push_back(std::move(value[i]));
  }
  value = std::move(kept);
}

}  // namespace

std::string SelectPayload(const PayloadSelector& selector, std::string_view payload) {
  if (payload.empty() || !selector.wanted()) return "{}";
  if (selector.mode == PayloadSelector::Mode::kAll) return std::string(payload);
  Json json = Json::parse(payload, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return "{}";
  Trails trails;
  for (const PayloadPath& path : selector.paths) trails.emplace_back(path.steps());
  Narrow(json, trails, selector.mode == PayloadSelector::Mode::kInclude);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace almagest
