// almagest-fuzz CORPUS [NAME SECONDS [SEED]]: runs the committed inputs (CORPUS/NAME/*) and changed
// ones through the targets. Without a name: all of them, briefly, as the tests do. The seed is
// printed; the input that the process died of is left in ./fuzz-crash. Where the code tells which
// ways it took (coverage.h), inputs that took a new one are changed further.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

#include "tests/fuzz/coverage.h"
#include "tests/fuzz/fuzz_targets.h"
#include "tests/fuzz/mutator.h"

namespace {

using almagest::FuzzTarget;
namespace fs = std::filesystem;

constexpr size_t kInputBytesMax = 64u << 10;

std::vector<std::string> ReadCorpus(const fs::path& folder) {
  std::vector<std::string> corpus;
  std::error_code error;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder, error)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    std::ifstream stream(file, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  }
  return corpus;
}

const std::string* g_input = nullptr;  // Under test.

// Only calls that are allowed in a signal handler.
void SaveInput(int) {
  if (g_input != nullptr) {
    const int fd = creat("fuzz-crash", 0644);
    if (fd >= 0 && write(fd, g_input->data(), g_input->size()) >= 0) {
      constexpr char kText[] = "almagest-fuzz: the input is in ./fuzz-crash\n";
      (void)!write(STDERR_FILENO, kText, sizeof kText - 1);
    }
  }
  std::signal(SIGABRT, SIG_DFL);
  std::abort();
}

void Run(const FuzzTarget& target, const std::string& input) {
  g_input = &input;
  target.run(input);
  g_input = nullptr;
}

struct FuzzCounts {
  uint64_t inputs = 0;
  size_t kept = 0;  // Inputs that went a way of their own, and were changed further.
  size_t ways = 0;  // Pairs of basic blocks that followed each other.
};

FuzzCounts Fuzz(const FuzzTarget& target, const fs::path& folder, double seconds, uint64_t seed) {
  std::vector<std::string> corpus = ReadCorpus(folder / target.name);
  if (corpus.empty()) {
    std::cerr << "almagest-fuzz: no inputs in " << folder / target.name << std::endl;
    std::exit(1);
  }
  FuzzCounts counts;
  const auto coverage = std::make_unique<almagest::Coverage>();
  const auto run = [&](const std::string& input) {
    coverage->Start();
    Run(target, input);
    ++counts.inputs;
    return coverage->TookNewWay();
  };
  for (const std::string& input : corpus) run(input);
  almagest::Mutator mutator(seed, target.words);
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < end) {
    std::string input = mutator.Next(corpus, kInputBytesMax);
    if (!run(input)) continue;
    corpus.push_back(std::move(input));
    ++counts.kept;
  }
  counts.ways = coverage->known();
  return counts;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 4 && argc != 5) {
    std::cerr << "usage: almagest-fuzz CORPUS [NAME SECONDS [SEED]]" << std::endl;
    return 2;
  }
  std::signal(SIGABRT, SaveInput);
  std::signal(SIGSEGV, SaveInput);
  const fs::path corpus = argv[1];
  const std::string name = argc > 2 ? argv[2] : "";
  const double seconds = argc > 3 ? std::strtod(argv[3], nullptr) : 1.0;
  const uint64_t seed =
      argc > 4 ? std::strtoull(argv[4], nullptr, 10)
               : static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  bool found = false;
  for (const FuzzTarget& target : almagest::FuzzTargets()) {
    if (!name.empty() && target.name != name) continue;
    found = true;
    std::cout << target.name << ": seed " << seed << std::flush;
    const FuzzCounts counts = Fuzz(target, corpus, seconds, seed);
    std::cout << ", " << counts.inputs << " inputs";
    if (counts.ways > 0) std::cout << ", " << counts.ways << " ways, " << counts.kept << " kept";
    std::cout << std::endl;
  }
  if (found) return 0;
  std::cerr << "almagest-fuzz: there is no target '" << name << "'" << std::endl;
  return 2;
}
