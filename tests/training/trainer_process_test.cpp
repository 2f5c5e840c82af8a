// The program itself: exit status, last line on standard error, last progress line, cancellation.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <sstream>
#include <thread>

#include "tests/training/synthetic_job.h"

namespace almagest::training {
namespace {

using testing::HasSubstr;

pid_t Start(const std::vector<std::string>& arguments, const std::filesystem::path& errors) {
  const pid_t child = fork();
  if (child != 0) return child;
  const int file = open(errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  dup2(file, STDERR_FILENO);
  std::vector<char*> argv = {const_cast<char*>(ALMAGEST_TRAINER_PATH)};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  _exit(127);
}

int Wait(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::string LastLine(const std::filesystem::path& path) {
  std::istringstream lines(ReadText(path));
  std::string last;
  for (std::string line; std::getline(lines, line);) last = line;
  return last;
}

TEST(TrainerProcess, WritesProgressAndReport) {
  const TemporaryFolder folder;
  SyntheticJob job = MakeSyntheticJob(31, 200, 200);
  job.config["options"]["steps_max"] = 30;
  job.Write(folder.path());
  const auto errors = folder.path() / "stderr";
  EXPECT_EQ(Wait(Start({"--job", folder.path(), "--threads", "1", "--device", "cpu"}, errors)), 0);
  EXPECT_EQ(ReadJson(folder.path() / "report.json")["status"], "trained");
  std::istringstream lines(ReadText(folder.path() / "progress.jsonl"));
  std::vector<std::string> phases;
  for (std::string line; std::getline(lines, line);) {
    const auto event = nlohmann::json::parse(line, nullptr, false);
    ASSERT_TRUE(event.is_object()) << line;
    if (event["event"] == "phase" && event["fraction"] == 0) phases.push_back(event["name"]);
  }
  EXPECT_THAT(phases, testing::IsSupersetOf({"reading", "splitting", "whitening", "training",
                                             "mining", "evaluating", "compatibility", "geometry"}));
  EXPECT_EQ(LastLine(folder.path() / "progress.jsonl"), R"({"event":"done"})");
}

TEST(TrainerProcess, NamesTheReasonOfAFailureTwice) {
  const TemporaryFolder folder;
  SyntheticJob job = MakeSyntheticJob(32, 50, 50);
  job.config["options"]["sweeps"] = 3;
  job.Write(folder.path());
  const auto errors = folder.path() / "stderr";
  EXPECT_EQ(Wait(Start({"--job", folder.path()}, errors)), 1);
  EXPECT_THAT(LastLine(errors), HasSubstr("unknown key 'options.sweeps'"));
  const auto last = nlohmann::json::parse(LastLine(folder.path() / "progress.jsonl"));
  EXPECT_EQ(last["event"], "failed");
  EXPECT_THAT(last["reason"].get<std::string>(), HasSubstr("unknown key 'options.sweeps'"));
}

TEST(TrainerProcess, RefusesBadArguments) {
  const TemporaryFolder folder;
  const auto errors = folder.path() / "stderr";
  EXPECT_EQ(Wait(Start({}, errors)), 2);
  EXPECT_THAT(LastLine(errors), HasSubstr("--job is missing"));
  EXPECT_EQ(Wait(Start({"--job", folder.path(), "--threads", "0"}, errors)), 2);
  EXPECT_THAT(LastLine(errors), HasSubstr("--threads is '0'"));
  EXPECT_EQ(Wait(Start({"--job", folder.path() / "absent"}, errors)), 1);
  EXPECT_THAT(LastLine(errors), HasSubstr("absent"));
}

TEST(TrainerProcess, SigtermCancelsARunningJob) {
  const TemporaryFolder folder;
  SyntheticJob job = MakeSyntheticJob(33, 2000, 2000);
  job.config["options"]["steps_max"] = 1'000'000;
  job.config["options"]["patience"] = 10'000;
  job.Write(folder.path());
  const auto progress = folder.path() / "progress.jsonl";
  const auto errors = folder.path() / "stderr";
  const pid_t child = Start({"--job", folder.path()}, errors);
  while (!std::filesystem::exists(progress) ||
         ReadText(progress).find("\"step\"") == std::string::npos) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  kill(child, SIGTERM);
  EXPECT_EQ(Wait(child), 3);
  EXPECT_EQ(LastLine(progress), R"({"event":"failed","reason":"cancelled"})");
  EXPECT_EQ(LastLine(errors), "cancelled");
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "report.json"));
}

}  // namespace
}  // namespace almagest::training
