#include "client/commands/version_table.h"

#include "client/commands/text_table.h"

namespace almagest::client {
namespace {

std::string Signed(double value) { return (value < 0 ? "" : "+") + Decimal(value, 4); }

std::string CellText(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.is_null() ? "-" : value.dump();
}

std::string GainCell(const Json& version) {
  const Json gain = version.value("gain", Json());
  if (!gain.is_object() || !gain.value("mean", Json()).is_number()) return "-";
  return Signed(gain.value("mean", 0.0)) + " (" + Signed(gain.value("low", 0.0)) + " to " +
         Signed(gain.value("high", 0.0)) + ")";
}

}  // namespace

std::string VersionTable(const Json& versions) {
  std::vector<std::vector<std::string>> rows = {
      {"version", "parent", "kind", "status", "job", "held-out gain in nDCG@10"}};
  for (const Json& version : versions) {
    rows.push_back({CellText(version.value("version", Json())),
                    CellText(version.value("parent", Json())), version.value("kind", "-"),
                    version.value("status", "-"), CellText(version.value("job_id", Json())),
                    GainCell(version)});
  }
  return FormatTable(rows, /*all_left=*/true);
}

std::string CompatibilityTable(const Json& report, const std::string& new_name) {
  const Json compatibility = report.is_object() ? report.value("compatibility", Json()) : Json();
  if (!compatibility.is_object()) return "";
  const Json names = compatibility.value("versions", Json::array());
  const Json cells = compatibility.value("ndcg_at_10", Json::array());
  if (names.empty() || cells.size() != names.size()) return "";
  const auto name_of = [&](const Json& name) {
    const std::string text = CellText(name);
    return text == "new" ? new_name : text;
  };
  std::vector<std::vector<std::string>> rows = {{"queries \\ documents"}};
  for (const Json& name : names) rows[0].push_back(name_of(name));
  bool measured = false;  // Without held-out feedback all cells are zero.
  for (size_t r = 0; r < names.size(); ++r) {
    rows.push_back({name_of(names[r])});
    for (const Json& cell : cells[r]) {
      measured = measured || (cell.is_number() && cell.get<double>() > 0);
      rows.back().push_back(cell.is_number() ? Decimal(cell.get<double>(), 4) : "-");
    }
  }
  return measured ? FormatTable(rows) : "";
}

}  // namespace almagest::client
