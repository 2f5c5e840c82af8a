// almagest-trainer --job DIR [--threads N] [--device auto|cpu|cuda]
// almagest-trainer --measure [...]    how fast this device would be; measure_device.h
//
// One job, then exit: 0 when a report was written (also for a skipped job), 1 when the job failed,
// 2 for wrong arguments, 3 when cancelled by SIGTERM or SIGINT. The last line on standard error
// names the reason, and so does the last line of progress.jsonl.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "storage/base/file.h"
#include "training/bridge_folder.h"
#include "training/bridge_job.h"
#include "training/measure_device.h"
#include "training/run_job.h"
#include "training/thread_settings.h"

namespace {

using almagest::ErrorCode;
using almagest::Fail;
using almagest::Result;
namespace fs = std::filesystem;
using namespace almagest::training;

constexpr char kUsage[] =
    "usage: almagest-trainer --job DIR [--threads N] [--device auto|cpu|cuda]\n"
    "       almagest-trainer --measure [--device auto|cpu|cuda] [--threads N] [--documents N]\n"
    "                        [--queries N] [--dimension N] [--batch-size N] [--milliseconds N]\n"
    "                        [--json FILE]";
constexpr int kFailed = 1;
constexpr int kBadArguments = 2;
constexpr int kCancelled = 3;

struct Arguments {
  std::string job;
  JobOverrides overrides;
};

Result<Arguments> ParseArguments(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i];
    if (i + 1 == argc) return Fail(ErrorCode::kInvalidArgument, flag + " needs a value");
    const std::string value = argv[i + 1];
    if (flag == "--job") {
      arguments.job = value;
    } else if (flag == "--threads") {
      int64_t threads = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), threads);
      if (error != std::errc() || *end != '\0' || threads < 1 || threads > 1024) {
        return Fail(ErrorCode::kInvalidArgument,
                    "--threads is '" + value + "', it must be a whole number from 1 to 1024");
      }
      arguments.overrides.threads = threads;
    } else if (flag == "--device") {
      ALMAGEST_TRY(arguments.overrides.device, ParseDevice(value));
    } else {
      return Fail(ErrorCode::kInvalidArgument, "unknown argument '" + flag + "'");
    }
  }
  if (arguments.job.empty()) return Fail(ErrorCode::kInvalidArgument, "--job is missing");
  return arguments;
}

// The command line wins over config.json; a folder that cannot be read is reported later.
int64_t WantedThreads(const Arguments& arguments) {
  if (arguments.overrides.threads) return *arguments.overrides.threads;
  const auto text = almagest::ReadFile(fs::path(arguments.job) / "config.json");
  if (!text) return 1;
  const auto config = ParseJobConfig(*text);
  return config ? config->threads : 1;
}

// Outputs are replaced atomically, so ending at any moment leaves no half result.
void ExitOnSignal(Progress* progress) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // Inherited by every thread started later.
  std::thread([signals, progress] {
    int signal = 0;
    sigwait(&signals, &signal);
    progress->Failed("cancelled");
    std::fputs("cancelled\n", stderr);
    _exit(kCancelled);
  }).detach();
}

// What kind of job it is, the folder says.
Result<> RunFolder(const Arguments& arguments, Progress* progress) {
  if (fs::exists(fs::path(arguments.job) / kBridgeConfig)) {
    ALMAGEST_TRY_VOID(RunBridgeJob(arguments.job, arguments.overrides, progress));
    return {};
  }
  ALMAGEST_TRY_VOID(RunJob(arguments.job, arguments.overrides, progress));
  return {};
}

int Measure(char** argv, const std::vector<std::string>& flags) {
  const auto options = ParseMeasureArguments(flags);
  if (!options) {
    std::fprintf(stderr, "%s\n%s\n", kUsage, options.error().message.c_str());
    return kBadArguments;
  }
  RestartWithThreads(options->threads, argv);
  const auto done = RunMeasurement(*options);
  if (!done) {
    std::fprintf(stderr, "%s\n", done.error().message.c_str());
    return kFailed;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "--measure") {
    return Measure(argv, {argv + 2, argv + argc});
  }
  const auto arguments = ParseArguments(argc, argv);
  if (!arguments) {
    std::fprintf(stderr, "%s\n%s\n", kUsage, arguments.error().message.c_str());
    return kBadArguments;
  }
  RestartWithThreads(WantedThreads(*arguments), argv);
  auto progress = Progress::Open(fs::path(arguments->job) / "progress.jsonl");
  if (!progress) {
    std::fprintf(stderr, "%s\n", progress.error().message.c_str());
    return kFailed;
  }
  ExitOnSignal(progress->get());
  const auto done = RunFolder(*arguments, progress->get());
  if (!done) {
    (*progress)->Failed(done.error().message);
    std::fprintf(stderr, "%s\n", done.error().message.c_str());
    std::fflush(stderr);
    _exit(kFailed);  // The signal thread still uses `progress`.
  }
  (*progress)->Done();
  _exit(0);
}
