// almagest-bench-sparse: needs none of the peers that almagest-bench compares with.
#include "tests/bench/sparse/sparse_bench.h"

int main(int count, char** values) {
  return almagest::bench::RunSparseBench({values + 1, values + count});
}
