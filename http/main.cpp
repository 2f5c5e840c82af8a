// almagestd: flags, wiring, signals.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <thread>

#include "engine/database.h"
#include "http/application.h"
#include "http/authentication.h"
#include "http/metrics.h"
#include "http/server.h"
#include "http/worker_pool.h"
#include "storage/base/file.h"
#include "storage/base/log.h"

namespace {

using almagest::LogLevel;

struct Flags {
  std::string data = "./almagest-data";
  std::string host = "127.0.0.1";
  uint16_t port = 7333;
  std::string model_dir;
  std::string trainer;
  bool no_trainer = false;
  unsigned threads = 0;
  almagest::AuthenticationOptions keys;
  bool allow_anonymous = false;
  bool cross_origin = false;
  std::string tls_certificate;
  std::string tls_key;
  unsigned body_megabytes = 32;
  unsigned upload_gigabytes = 64;
  unsigned connections = 2048;
  std::vector<std::string> snapshot_hosts;
  std::string storage_snapshot;
  bool force_snapshot = false;
  double optimizer_cpu_share = 0.5;
  uint64_t memory_limit = 0;
  LogLevel log_level = LogLevel::kInfo;
};

int Complain(const std::string& message) {
  std::cerr << "almagestd: " << message << std::endl;
  return 1;
}

std::filesystem::path ExecutableFolder() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? std::filesystem::path(".") : path.parent_path();
}

void AddAccessFlags(CLI::App& app, Flags& flags) {
  app.add_option("--api-key", flags.keys.api_key, "Key that requests must carry")
      ->envname("ALMAGEST_API_KEY");
  app.add_option("--alt-api-key", flags.keys.alternative_api_key,
                 "A second key with the same rights, for changing keys without a pause")
      ->envname("ALMAGEST_ALT_API_KEY");
  app.add_option("--read-only-api-key", flags.keys.read_only_api_key, "Key that may only read")
      ->envname("ALMAGEST_READ_ONLY_API_KEY");
  app.add_flag("--jwt-rbac", flags.keys.tokens,
               "Accept JSON Web Tokens that are signed (HS256) with the api key");
  app.add_flag("--allow-anonymous", flags.allow_anonymous,
               "Listen beyond this machine without a key");
  app.add_flag("--cors", flags.cross_origin, "Answer to web pages of every origin");
  auto* certificate = app.add_option("--tls-cert", flags.tls_certificate,
                                     "Certificate chain (PEM): serve HTTPS");
  auto* key = app.add_option("--tls-key", flags.tls_key, "Private key (PEM) of --tls-cert");
  certificate->needs(key);
  key->needs(certificate);
  app.add_option("--max-body-mb", flags.body_megabytes, "Largest request body, in MiB")
      ->check(CLI::Range(1u, 1024u))
      ->capture_default_str();
  app.add_option("--max-connections", flags.connections, "Connections at once")
      ->check(CLI::Range(1u, 1'000'000u))
      ->capture_default_str();
}

void AddSnapshotFlags(CLI::App& app, Flags& flags) {
  app.add_option("--max-upload-gb", flags.upload_gigabytes,
                 "Largest snapshot that is uploaded or fetched, in GiB")
      ->check(CLI::Range(1u, 1'000'000u))
      ->capture_default_str();
  app.add_option("--snapshot-host", flags.snapshot_hosts,
                 "HOST or HOST:PORT from which snapshots may be fetched (repeatable; default none)");
  auto* snapshot = app.add_option("--storage-snapshot", flags.storage_snapshot,
                                  "Recover this snapshot of a whole store before serving");
  app.add_flag("--force-snapshot", flags.force_snapshot,
               "Let --storage-snapshot replace collections that exist")
      ->needs(snapshot);
}

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--data", flags.data, "Data folder")->capture_default_str();
  app.add_option("--host", flags.host, "Address to listen on")->capture_default_str();
  app.add_option("--port", flags.port, "Port to listen on; 0 takes a free one")
      ->capture_default_str();
  app.add_option("--model-dir", flags.model_dir,
                 "Folder of the text encoder's files (default: `models` beside the executable)");
  app.add_option("--trainer", flags.trainer,
                 "Path of almagest-trainer (default: beside the executable)");
  app.add_flag("--no-trainer", flags.no_trainer, "Serve without adaptation jobs")
      ->excludes("--trainer");
  app.add_option("--threads", flags.threads, "Worker threads; 0: two per core, at least 4")
      ->check(CLI::Range(0u, 1024u))
      ->capture_default_str();
  AddAccessFlags(app, flags);
  AddSnapshotFlags(app, flags);
  app.add_option("--optimizer-cpu-share", flags.optimizer_cpu_share,
                 "Part of one core for the optimizer while searches run")
      ->check(CLI::Range(0.05, 1.0))
      ->capture_default_str();
  app.add_option("--memory-limit", flags.memory_limit,
                 "Memory of the server and its trainer, as 2GB or 512MB; writes beyond it get 429. "
                 "0: no limit")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  app.add_option("--log-level", flags.log_level, "debug, info, warning or error")
      ->transform(
          CLI::CheckedTransformer(std::map<std::string, LogLevel>{{"debug", LogLevel::kDebug},
                                                                  {"info", LogLevel::kInfo},
                                                                  {"warning", LogLevel::kWarning},
                                                                  {"error", LogLevel::kError}}));
  app.set_version_flag("--version", std::string("almagestd ") + ALMAGEST_VERSION);
}

int Run(const Flags& flags) {
  if (flags.keys.tokens && flags.keys.api_key.empty()) {
    return Complain("--jwt-rbac needs --api-key: tokens are signed with it");
  }
  if (!almagest::IsLoopback(flags.host) && !flags.keys.any() && !flags.allow_anonymous) {
    return Complain(
        fmt::format("--host {} can be reached from other machines: set --api-key (or "
                    "ALMAGEST_API_KEY), or say --allow-anonymous",
                    flags.host));
  }
  almagest::BlockStopSignals();
  almagest::SetLogLevel(flags.log_level);
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());

  almagest::DatabaseOptions options;
  options.data_directory = flags.data;
  options.model_directory = flags.model_dir.empty() ? ExecutableFolder() / "models"
                                                    : std::filesystem::path(flags.model_dir);
  options.trainer_executable = flags.trainer.empty() ? ExecutableFolder() / "almagest-trainer"
                                                     : std::filesystem::path(flags.trainer);
  if (flags.no_trainer) {
    options.trainer_executable.clear();
  } else if (access(options.trainer_executable.c_str(), X_OK) != 0) {
    return Complain(
        fmt::format("the trainer {} is missing: name it by --trainer, or say "
                    "--no-trainer to serve without adaptation jobs",
                    options.trainer_executable.string()));
  }
  constexpr uint64_t kMemoryLimitMin = uint64_t{64} << 20;
  if (flags.memory_limit != 0 && flags.memory_limit < kMemoryLimitMin) {
    return Complain(fmt::format("--memory-limit is {} bytes, it must be 0 or at least {}",
                                flags.memory_limit, kMemoryLimitMin));
  }
  options.memory_limit_bytes = flags.memory_limit;
  options.optimizer_cpu_share = flags.optimizer_cpu_share;
  options.trainer_threads = cores;
  options.encoder_threads = cores;
  auto database = almagest::Database::Open(options);
  if (!database) return Complain(database.error().message);

  if (!flags.storage_snapshot.empty()) {
    const auto file = almagest::MappedFile::Open(flags.storage_snapshot);
    if (!file) return Complain(file.error().message);
    const auto recovered = (*database)->RecoverStore(file->bytes(), flags.force_snapshot);
    if (!recovered) return Complain(recovered.error().message);
  }

  almagest::Metrics metrics;
  almagest::WorkerPool background(1, 64);
  almagest::Service service{**database, metrics, ALMAGEST_VERSION, ALMAGEST_COMMIT,
                            static_cast<int>(cores)};
  service.background = &background;
  service.snapshot_sources.hosts = flags.snapshot_hosts;
  service.snapshot_sources.bytes_max = uint64_t{flags.upload_gigabytes} << 30;
  almagest::ApplicationOptions application_options;
  application_options.authentication = flags.keys;
  application_options.cross_origin = flags.cross_origin;
  application_options.body_bytes_max = size_t{flags.body_megabytes} << 20;
  application_options.local_names_only = !flags.keys.any() && !flags.allow_anonymous;
  almagest::Application application(service, application_options);
  almagest::ServerOptions server_options;
  server_options.host = flags.host;
  server_options.port = flags.port;
  server_options.tls_certificate_file = flags.tls_certificate;
  server_options.tls_key_file = flags.tls_key;
  server_options.body_bytes_max = uint64_t{flags.body_megabytes} << 20;
  server_options.upload_bytes_max = uint64_t{flags.upload_gigabytes} << 30;
  server_options.connection_count_max = flags.connections;
  server_options.network_threads = cores;
  server_options.worker_threads = flags.threads > 0 ? flags.threads : std::max(4u, 2 * cores);
  auto server = almagest::Server::Start(server_options, application);
  if (!server) return Complain(server.error().message);

  const std::string url =
      fmt::format("{}://{}:{}", flags.tls_certificate.empty() ? "http" : "https", flags.host,
                  (*server)->port());
  std::cout << fmt::format("almagest {} at {}, data in {}, {}\ndashboard at {}/dashboard",
                           ALMAGEST_VERSION, url,
                           std::filesystem::absolute(flags.data).lexically_normal().string(),
                           flags.keys.any() ? "api key required" : "no api key", url)
            << std::endl;
  const int signal = almagest::WaitForStopSignal();
  almagest::LogInfo(fmt::format("stopping after signal {}", signal));
  (*server)->Stop();
  server->reset();
  // `background` ends what it has begun, then the database goes.
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("almagestd: the Almagest server, a vector database that learns");
  Flags flags;
  AddFlags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    return Complain(error.what());
  }
  return Run(flags);
}
