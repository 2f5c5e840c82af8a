#include <filesystem>
#include <fstream>
#include <iostream>

#include "client/commands/batch_uploader.h"
#include "client/commands/commands.h"
#include "client/vector_files.h"

namespace almagest::client {
namespace {

constexpr unsigned kImportRetries = 20;

std::string LinePlace(uint64_t number) { return "line " + std::to_string(number); }

// The object on a JSONL line without surrounding blanks; what is inside is for the server to check.
std::string_view ObjectText(std::string_view line, uint64_t number) {
  const size_t first = line.find_first_not_of(" \t\r");
  const size_t last = line.find_last_not_of(" \t\r");
  if (first == std::string_view::npos || line[first] != '{' || line[last] != '}') {
    throw ClientError(LinePlace(number) + " is not a JSON object");
  }
  return line.substr(first, last - first + 1);
}

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

BatchUploader::Options UploadOptions(const ServerChoice& server, const ImportOptions& options) {
  BatchUploader::Options upload;
  upload.client = {.url = server.url, .api_key = server.api_key, .retries = kImportRetries};
  upload.collection = options.collection;
  upload.batch_points = options.batch;
  upload.connections = options.connections;
  return upload;
}

uint64_t CountLines(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw ClientError(path + ": cannot be opened");
  std::string line;
  uint64_t lines = 0;
  while (std::getline(file, line)) lines += IsBlank(line) ? 0 : 1;
  return lines;
}

void ImportLines(std::istream& input, uint64_t total, const ServerChoice& server,
                 const ImportOptions& options) {
  ProgressBar progress("importing", total, "points");
  BatchUploader uploader(UploadOptions(server, options), progress);
  std::string line;
  for (uint64_t number = 1; std::getline(input, line); ++number) {
    if (!IsBlank(line)) uploader.Add(ObjectText(line, number), LinePlace(number));
  }
  uploader.Finish();
  progress.Finish();
}

void ImportVectors(const ServerChoice& server, const ImportOptions& options) {
  VectorFileReader vectors(options.file);
  std::ifstream payloads;
  if (!options.payloads.empty()) {
    payloads.open(options.payloads);
    if (!payloads) throw ClientError(options.payloads + ": cannot be opened");
  }
  ProgressBar progress("importing", vectors.rows(), "points");
  BatchUploader uploader(UploadOptions(server, options), progress);
  std::vector<float> row;
  std::string point, line;
  for (uint64_t number = 0; vectors.Next(row); ++number) {
    point = R"({"id":)" + std::to_string(options.first_id + number) + R"(,"vector":)";
    if (!options.vector_name.empty()) point += "{" + Json(options.vector_name).dump() + ":";
    AppendVectorJson(row, point);
    if (!options.vector_name.empty()) point += '}';
    if (payloads.is_open()) {
      if (!std::getline(payloads, line)) {
        throw ClientError(options.payloads + " has " + std::to_string(number) + " lines; " +
                          options.file + " has " + std::to_string(vectors.rows()) + " rows");
      }
      if (!IsBlank(line)) {
        point += R"(,"payload":)";
        point += ObjectText(line, number + 1);
      }
    }
    point += '}';
    uploader.Add(point, "row " + std::to_string(number));
  }
  uploader.Finish();
  progress.Finish();
}

}  // namespace

int RunImport(const ServerChoice& server, const ImportOptions& options) {
  const std::string ending = std::filesystem::path(options.file).extension();
  if (ending == ".npy" || ending == ".fvecs") {
    ImportVectors(server, options);
  } else if (!options.payloads.empty() || !options.vector_name.empty()) {
    throw ClientError("--payloads and --vector go with .npy and .fvecs files");
  } else if (options.file == "-") {
    ImportLines(std::cin, 0, server, options);
  } else {
    const uint64_t total = CountLines(options.file);
    std::ifstream file(options.file);
    ImportLines(file, total, server, options);
  }
  return kExitDone;
}

}  // namespace almagest::client
