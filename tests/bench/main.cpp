// almagest-bench: one subcommand per benchmark.
#include <iostream>
#include <string>
#include <vector>

#include "ann_bench.h"

int main(int count, char** values) {
  const std::vector<std::string> arguments(values + 1, values + count);
  if (!arguments.empty() && arguments[0] == "ann") {
    return almagest::bench::RunAnnBench({arguments.begin() + 1, arguments.end()});
  }
  std::cerr << "usage: almagest-bench ann ...\n";
  return 2;
}
