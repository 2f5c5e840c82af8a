// almagest-bench: one subcommand per benchmark.
#include <cstdio>
#include <string>
#include <vector>

#include "tests/bench/benchmark.h"

int main(int count, char** values) {
  using Entry = int (*)(const std::vector<std::string>&);
  struct Command {
    const char* name;
    Entry run;
  };
  constexpr Command kCommands[] = {
      {"ann", almagest::bench::RunAnnBench},       {"filtered", almagest::bench::RunFilteredBench},
      {"server", almagest::bench::RunServerBench}, {"restart", almagest::bench::RunRestartBench},
      {"ingest", almagest::bench::RunIngestBench}, {"churn", almagest::bench::RunChurnBench},
      {"bridge", almagest::bench::RunBridgeBench},
  };
  const std::vector<std::string> arguments(values + 1, values + count);
  for (const Command& command : kCommands) {
    if (!arguments.empty() && arguments[0] == command.name) {
      return command.run({arguments.begin() + 1, arguments.end()});
    }
  }
  std::fprintf(stderr, "usage: almagest-bench NAME [--tiny] [--json FILE] [--data SET]; NAME:");
  for (const Command& command : kCommands) std::fprintf(stderr, " %s", command.name);
  std::fprintf(stderr, "\n");
  return 2;
}
