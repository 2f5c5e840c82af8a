// The subcommands of `almagest`, one function each: they print to standard output, show progress on
// standard error and throw ClientError. The value is the exit code of the process.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/client.h"

namespace almagest::client {

enum ExitCode : int {
  kExitDone = 0,
  kExitFailed = 1,
  kExitUsage = 2,        // Arguments that make no sense.
  kExitUnreachable = 3,  // No server answered.
  kExitGateSaidNo = 4,   // An adaptation ended without a version that may be activated.
};

struct ServerChoice {
  std::string url;
  std::string api_key;
};
// Retries on 429 and 503.
Client ConnectTo(const ServerChoice& server);

struct CreateOptions {
  std::string collection;
  std::string config;  // JSON as in the API; excludes the rest.
  uint32_t dimension = 0;
  std::string distance = "Cosine";
  std::string vector_name;
  std::string sparse_name;  // Adds a sparse vector with IDF weighting.
};
int RunCollectionsList(const ServerChoice& server);
int RunCollectionsCreate(const ServerChoice& server, const CreateOptions& options);
int RunCollectionsShow(const ServerChoice& server, const std::string& collection);
int RunCollectionsDrop(const ServerChoice& server, const std::string& collection);

struct ImportOptions {
  std::string collection;
  std::string file;         // .jsonl ("-": standard input), .npy, .fvecs
  std::string payloads;     // JSONL of payload objects beside a vector file.
  std::string vector_name;  // Of a vector file's rows.
  uint64_t first_id = 0;    // Of a vector file's first row.
  uint32_t batch = 500;
  unsigned connections = 2;
};
int RunImport(const ServerChoice& server, const ImportOptions& options);

struct ExportOptions {
  std::string collection;
  std::string file;         // JSONL; "-": standard output.
  std::string npy;          // Vectors go here instead of into the JSONL.
  std::string vector_name;  // For npy.
  std::string filter;
  uint32_t batch = 500;
};
int RunExport(const ServerChoice& server, const ExportOptions& options);

struct SearchOptions {
  std::string collection;
  std::string text;
  std::string vector;  // JSON array.
  std::string id;
  std::string using_vector;
  std::string model;  // Of the text: default by the kind of the vector.
  std::string filter;
  std::optional<uint32_t> adapter_version;  // Of the dense vector, not the active one.
  bool hybrid = false;
  uint32_t limit = 10;
  bool json = false;
};
int RunSearch(const ServerChoice& server, const SearchOptions& options);

struct FeedbackImportOptions {
  std::string collection;
  std::string events;   // JSONL of feedback events, or
  std::string qrels;    // TREC or BEIR judgements with
  std::string queries;  // JSONL of their queries.
  std::string vector_name;
  std::string model = "use-lite";
  std::string tag;  // Of events that have none of their own.
  uint32_t batch = 500;
};
int RunFeedbackImport(const ServerChoice& server, const FeedbackImportOptions& options);

struct AdaptOptions {
  std::string collection;
  std::string vector_name;
  std::string objective = "auto";
  std::string trainer_options;  // JSON object.
  std::string trusted;          // TREC or BEIR judgements that decide, with
  std::string trusted_queries;  // JSONL of their queries.
  std::string model = "use-lite";
  uint64_t seed = 1;
  std::string tag;               // Learn from the events of this tag only.
  std::optional<bool> activate;  // Not given: a passing version is, unless it learned from a part.
};
int RunAdapt(const ServerChoice& server, const AdaptOptions& options);

struct EvaluateOptions {
  std::string collection;
  std::string qrels;
  std::string queries;
  std::string vector_name;
  std::string sparse_name;  // Adds the modes sparse and hybrid.
  std::string model = "use-lite";
  std::vector<uint64_t> versions;
  uint32_t k = 10;
  bool json = false;
};
int RunEvaluate(const ServerChoice& server, const EvaluateOptions& options);

struct VersionChoice {
  std::string collection;
  std::string vector_name;
  uint64_t version = 0;  // For show and activate.
  std::string file;      // For add: an adapter.
  bool force = false;    // Activate what the gate rejected.
};
int RunVersions(const ServerChoice& server, const VersionChoice& choice);
int RunShowVersion(const ServerChoice& server, const VersionChoice& choice);
int RunAddVersion(const ServerChoice& server, const VersionChoice& choice);
int RunActivate(const ServerChoice& server, const VersionChoice& choice);
int RunRollBack(const ServerChoice& server, const VersionChoice& choice);

int RunStatus(const ServerChoice& server);

struct DemoOptions {
  std::string wordnet;
  std::string gcide;
  std::string report;
  uint64_t size = 35'000;
};
int RunDemo(const ServerChoice& server, const DemoOptions& options);

}  // namespace almagest::client
