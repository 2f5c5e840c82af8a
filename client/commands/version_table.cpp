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

std::string ConditionTable(const Json& conditions) {
  std::vector<std::vector<std::string>> rows = {{"condition", "", "value", "limit"}};
  for (const Json& condition : conditions) {
    rows.push_back(
        {condition.value("name", ""), condition.value("passed", false) ? "holds" : "FAILS",
         CellText(condition.value("value", Json())), CellText(condition.value("limit", Json()))});
  }
  return FormatTable(rows, /*all_left=*/true);
}

std::string ChangeTable(const Json& changes) {
  constexpr size_t kTextWidth = 70;
  std::vector<std::vector<std::string>> rows = {{"before", "after", "query"}};
  for (const Json& change : changes) {
    const Json text = change.value("text", Json());
    const Json event = change.value("event", Json());
    std::string name = text.is_string()  ? Shortened(text.get<std::string>(), kTextWidth)
                       : event.is_null() ? "(not named)"
                                         : "(feedback event " + event.dump() + ", no text)";
    rows.push_back({Decimal(change.value("active", 0.0), 3),
                    Decimal(change.value("trained", 0.0), 3), std::move(name)});
  }
  return FormatTable(rows, /*all_left=*/true);
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

std::string ReportText(const Json& report) {
  if (!report.is_object()) return "\nNo report.\n";
  std::string text = "\n" + report.value("reason", "") + "\n";
  if (const Json gate = report.value("gate", Json()); gate.is_object()) {
    text += "\n" + ConditionTable(gate.value("conditions", Json::array()));
  }
  if (const Json geometry = report.value("geometry", Json()); geometry.is_object()) {
    text += "\neffective rank " + CellText(geometry.value("effective_rank", Json())) + " (base " +
            CellText(geometry.value("base_effective_rank", Json())) + "), alignment " +
            CellText(geometry.value("alignment", Json())) + ", uniformity " +
            CellText(geometry.value("uniformity", Json())) + "\n";
  }
  const Json changes = report.value("changes", Json());
  if (!changes.is_object()) return text;
  text += "\nheld-out queries: " + CellText(changes.value("won", Json())) + " won, " +
          CellText(changes.value("lost", Json())) + " lost, " +
          CellText(changes.value("unchanged", Json())) + " unchanged (nDCG@10)\n";
  for (const auto& [key, title] : {std::pair("won_most", "won most"), {"lost_most", "lost most"}}) {
    const Json list = changes.value(key, Json::array());
    if (!list.empty()) text += std::string("\n") + title + ":\n" + ChangeTable(list);
  }
  return text;
}

}  // namespace almagest::client
