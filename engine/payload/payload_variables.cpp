#include "engine/payload/payload_variables.h"

#include "engine/payload/geo.h"
#include "engine/payload/payload_document.h"

namespace almagest {
namespace {

bool ReadGeoPoint(const JsonElement& value, GeoPoint* point) {
  simdjson::dom::object object;
  return !value.get(object) && !object.at_key("lon").get_double().get(point->lon) &&
         !object.at_key("lat").get_double().get(point->lat) && IsGeoPoint(*point);
}

PayloadVariable ReadVariable(const JsonElement& value) {
  PayloadVariable variable;
  std::string_view text;
  if (!value.get_string().get(text)) {
    variable.kind = PayloadVariable::Kind::kText;
    variable.text = text;
  } else if (!value.get_double().get(variable.number)) {
    variable.kind = PayloadVariable::Kind::kNumber;
  } else if (ReadGeoPoint(value, &variable.point)) {
    variable.kind = PayloadVariable::Kind::kGeoPoint;
  }
  return variable;
}

}  // namespace

Result<std::vector<std::optional<PayloadVariable>>> ReadVariables(
    std::string_view payload, std::span<const PayloadPath> paths) {
  ALMAGEST_TRY(const JsonElement document, ReadPayload(payload));
  std::vector<std::optional<PayloadVariable>> variables(paths.size());
  for (size_t i = 0; i < paths.size(); ++i) {
    VisitPath(document, paths[i].steps(), [&](const JsonElement& value) {
      return VisitElements(value, [&](const JsonElement& element) {
        const bool is_second = variables[i].has_value();
        variables[i] = is_second ? PayloadVariable{} : ReadVariable(element);
        return !is_second;
      });
    });
  }
  return variables;
}

}  // namespace almagest
