// `almagest-bench sparse`: exact sparse search beside exhaustive search, term at a time.
#pragma once

#include <string>
#include <vector>

namespace almagest::bench {

// Options:
//   --wordnet DIR --gcide DIR   the reverse dictionary (Debian's wordnet-base and dict-gcide)
//   --data DIR                  a set with corpus.jsonl and queries.jsonl; may be repeated
//   --documents N               of the synthetic learned-sparse set; 500,000 unless said; 0:
//   without
//   --rounds N                  5 unless said
//   --json FILE                 the figures as {"rows": [...]}
//   --tiny                      a small synthetic set and one round, in a second
// Checks that both systems give the same rows and scores for every query. Prints a table.
// Returns the exit code: 1 if a result differs or data cannot be read, 2 for unknown options.
int RunSparseBench(const std::vector<std::string>& arguments);

}  // namespace almagest::bench
