// The versions of a collection's adapters as tables for a person.
#pragma once

#include <string>

#include "client/client.h"

namespace almagest::client {

// One line per version: id, parent, kind, state, gain with interval.
std::string VersionTable(const Json& versions);

// The compatibility matrix in a trainer's report or a listed version: nDCG@10 on held-out feedback
// of queries by the version of the row against documents by the version of the column. Empty if
// there is none. `new_name` replaces "new" in the report (the version had no number yet).
std::string CompatibilityTable(const Json& report, const std::string& new_name);

// What a trainer's report says of one version: its reason, the conditions of the gate, geometry,
// and the queries that won and lost most, with their texts. "No report." for null.
std::string ReportText(const Json& report);

}  // namespace almagest::client
