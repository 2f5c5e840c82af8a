#include "tests/bench/sparse/sparse_bench.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>

#include "engine/index/sparse_index.h"
#include "tests/bench/sparse/sparse_data.h"
#include "tests/bench/sparse/term_at_a_time.h"

namespace almagest::bench {
namespace {

constexpr size_t kHits = 10;
constexpr size_t kTextQueriesMax = 1500;

struct Options {
  std::string wordnet;
  std::string gcide;
  std::vector<std::string> data;
  size_t documents = 500'000;
  size_t rounds = 5;
  std::string json_path;
  bool is_tiny = false;
};

bool Parse(const std::vector<std::string>& arguments, Options& options) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& name = arguments[i];
    if (name == "--tiny") {
      options.is_tiny = true;
      continue;
    }
    if (i + 1 == arguments.size()) return false;
    const std::string& value = arguments[++i];
    if (name == "--wordnet") {
      options.wordnet = value;
    } else if (name == "--gcide") {
      options.gcide = value;
    } else if (name == "--data") {
      options.data.push_back(value);
    } else if (name == "--documents") {
      options.documents = std::strtoul(value.c_str(), nullptr, 10);
    } else if (name == "--rounds") {
      options.rounds = std::max(1ul, std::strtoul(value.c_str(), nullptr, 10));
    } else if (name == "--json") {
      options.json_path = value;
    } else {
      return false;
    }
  }
  return options.wordnet.empty() == options.gcide.empty();
}

// Of this thread: other work on the machine does not count.
double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// An index as a sealed segment has it: in a mapped file.
class MappedIndex {
 public:
  static Result<MappedIndex> Build(const SparseRows& documents) {
    SparseIndexBuilder builder;
    for (size_t row = 0; row < documents.size(); ++row) {
      ALMAGEST_TRY_VOID(builder.Add(static_cast<uint32_t>(row), documents[row]));
    }
    const SparseIndexArrays arrays = builder.Finish(static_cast<uint32_t>(documents.size()));
    MappedIndex built;
    std::string path =
        (std::filesystem::temp_directory_path() / "almagest-bench-sparse-XXXXXX").string();
    const int file = mkstemp(path.data());
    if (file < 0) return Fail(ErrorCode::kInternal, "cannot make a temporary file like " + path);
    close(file);
    ALMAGEST_TRY(SectionWriter writer, SectionWriter::Create(path));
    ALMAGEST_TRY_VOID(arrays.View().Write(writer, "sparse"));
    ALMAGEST_TRY_VOID(writer.Finish());
    ALMAGEST_TRY(built.file_, SectionFile::Open(path, SectionFile::Verify::kStructure));
    std::filesystem::remove(path);  // Stays mapped.
    ALMAGEST_TRY(built.index_, SparseIndex::Open(built.file_, "sparse"));
    return built;
  }
  const SparseIndex& index() const { return index_; }

 private:
  MappedIndex() = default;
  SectionFile file_;
  SparseIndex index_;
};

struct System {
  std::string name;
  double build_seconds = 0.0;
  size_t bytes = 0;
  std::function<std::vector<ScoredRow>(const SparseView&)> search;
  std::vector<double> queries_per_second;  // By round.
};

// False if a result differs from the first system's.
bool Measure(const SparseData& data, size_t rounds, std::vector<System>& systems) {
  std::vector<std::vector<ScoredRow>> expected(data.queries.size());
  bool agrees = true;
  for (size_t round = 0; round < rounds; ++round) {
    for (System& system : systems) {
      std::vector<std::vector<ScoredRow>> found(data.queries.size());
      const double start = CpuSeconds();
      for (size_t q = 0; q < data.queries.size(); ++q) found[q] = system.search(data.queries[q]);
      const double seconds = CpuSeconds() - start;
      system.queries_per_second.push_back(static_cast<double>(found.size()) / seconds);
      if (round == 0 && &system == systems.data()) expected = found;
      if (found == expected) continue;
      std::printf("%s: %s differs from %s\n", data.name.c_str(), system.name.c_str(),
                  systems[0].name.c_str());
      agrees = false;
    }
  }
  return agrees;
}

Result<bool> RunSet(const SparseData& data, size_t rounds, nlohmann::json& rows) {
  std::vector<System> systems(2);
  double start = CpuSeconds();
  TermAtATime exhaustive(data.documents);
  systems[0] = {"term-at-a-time",
                CpuSeconds() - start,
                exhaustive.bytes(),
                [&](const SparseView& query) { return exhaustive.Search(query, kHits); },
                {}};
  start = CpuSeconds();
  ALMAGEST_TRY(const MappedIndex mapped, MappedIndex::Build(data.documents));
  const auto search = [&](const SparseView& terms) {
    SparseQuery query;
    query.query = terms;
    query.k = kHits;
    auto found = mapped.index().Search(query);
    return found.has_value() ? *std::move(found) : std::vector<ScoredRow>{};
  };
  systems[1] = {"almagest", CpuSeconds() - start, mapped.index().bytes(), search, {}};
  const bool agrees = Measure(data, rounds, systems);

  const auto documents = static_cast<double>(data.documents.size());
  const auto postings = static_cast<double>(data.documents.posting_count());
  uint64_t added = 0;
  for (size_t q = 0; q < data.queries.size(); ++q) {
    added += exhaustive.CountPostings(data.queries[q]);
  }
  std::printf(
      "\n%s: %zu documents of %.1f terms, %zu queries of %.1f terms and %.0f postings\n",
      data.name.c_str(), data.documents.size(), postings / documents, data.queries.size(),
      static_cast<double>(data.queries.posting_count()) / static_cast<double>(data.queries.size()),
      static_cast<double>(added) / static_cast<double>(data.queries.size()));
  std::printf("%-16s %12s %23s %10s %12s %12s\n", "system", "queries/s", "(lowest to highest)",
              "build s", "bytes/doc", "bytes/post.");
  double medians[2] = {};
  for (size_t s = 0; s < systems.size(); ++s) {
    System& system = systems[s];
    std::vector<double>& speeds = system.queries_per_second;
    std::sort(speeds.begin(), speeds.end());
    medians[s] = speeds[speeds.size() / 2];
    const auto bytes = static_cast<double>(system.bytes);
    std::printf("%-16s %12.0f %10.0f to %9.0f %10.1f %12.1f %12.2f\n", system.name.c_str(),
                medians[s], speeds.front(), speeds.back(), system.build_seconds, bytes / documents,
                bytes / postings);
    rows.push_back({{"system", system.name},
                    {"dataset", data.name},
                    {"k", kHits},
                    {"documents", data.documents.size()},
                    {"queries", data.queries.size()},
                    {"qps", medians[s]},
                    {"qps_lowest", speeds.front()},
                    {"qps_highest", speeds.back()},
                    {"bytes_per_document", bytes / documents},
                    {"bytes_per_posting", bytes / postings},
                    {"build_seconds", system.build_seconds},
                    {"identical", agrees}});
  }
  std::printf("%.2f times the queries of term-at-a-time, results %s\n", medians[1] / medians[0],
              agrees ? "identical" : "DIFFERENT");
  return agrees;
}

// One set after another: the largest take a gigabyte.
std::vector<std::function<SparseData()>> Sets(const Options& options) {
  std::vector<std::function<SparseData()>> sets;
  if (options.is_tiny) {
    sets.push_back([] {
      return MakeLearnedSparseSet({.documents = 4000, .queries = 20, .vocabulary = 2000});
    });
    return sets;
  }
  if (!options.wordnet.empty()) {
    sets.push_back(
        [&] { return ReadReverseDictionarySet(options.wordnet, options.gcide, kTextQueriesMax); });
  }
  for (const std::string& folder : options.data) {
    sets.push_back([&folder] { return ReadJudgedSet(folder, kTextQueriesMax); });
  }
  if (options.documents > 0) {
    sets.push_back([&] { return MakeLearnedSparseSet({.documents = options.documents}); });
  }
  return sets;
}

}  // namespace

int RunSparseBench(const std::vector<std::string>& arguments) {
  Options options;
  if (!Parse(arguments, options)) {
    std::cerr << "usage: almagest-bench-sparse [--wordnet DIR --gcide DIR] [--data DIR]... "
                 "[--documents N] [--rounds N] [--json FILE] [--tiny]\n";
    return 2;
  }
  nlohmann::json rows = nlohmann::json::array();
  bool agrees = true;
  for (const auto& make : Sets(options)) {
    try {
      const auto result = RunSet(make(), options.is_tiny ? 1 : options.rounds, rows);
      if (!result.has_value()) throw std::runtime_error(result.error().message);
      agrees &= *result;
    } catch (const std::exception& error) {
      std::cerr << "almagest-bench-sparse: " << error.what() << "\n";
      return 1;
    }
  }
  if (!options.json_path.empty()) {
    std::ofstream file(options.json_path);
    file << nlohmann::json{{"rows", rows}}.dump(1) << "\n";
    if (!file.flush()) {
      std::cerr << "almagest-bench-sparse: cannot write " << options.json_path << "\n";
      return 1;
    }
  }
  return agrees ? 0 : 1;
}

}  // namespace almagest::bench
