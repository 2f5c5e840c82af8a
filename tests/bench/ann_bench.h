// `almagest-bench ann`: queries per second at fixed recall, beside hnswlib and FAISS.
#pragma once

#include <string>
#include <vector>

namespace almagest::bench {

// Returns the exit code; prints a table per data set, and writes JSON if asked.
int RunAnnBench(const std::vector<std::string>& arguments);

}  // namespace almagest::bench
