// Trainers played by shell scripts: they succeed, fail, die, hang or cannot be started.
#include "engine/learning/trainer_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "engine/learning/job_progress.h"
#include "storage/base/file.h"
#include "tests/engine/learning/temporary_folder.h"

namespace almagest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class TrainerProcess : public testing::Test {
 protected:
  Result<TrainerExit> Run(const std::string& script) {
    TrainerOptions options;
    options.executable = folder_.Script("trainer", script);
    options.job_folder = folder_.path();
    options.threads = 3;
    options.grace = std::chrono::milliseconds(200);
    return RunTrainer(options, cancel_, [this](const std::string& line) {
      lines_.push_back(line);
      if (line == "ready") cancel_ = true;
    });
  }
  std::string Log() { return ReadFile(folder_.path() / "trainer.log").value(); }

  TemporaryFolder folder_;
  std::atomic<bool> cancel_{false};
  std::vector<std::string> lines_;
};

TEST_F(TrainerProcess, PassesProgressOnAndSucceeds) {
  const auto exit = Run(R"(
    echo "arguments: $@"; echo "to stderr" >&2
    echo '{"event":"phase"}' >> "$2/progress.jsonl"
    echo '{"event":"done"}' >> "$2/progress.jsonl")");
  ASSERT_TRUE(exit);
  EXPECT_TRUE(exit->succeeded);
  EXPECT_FALSE(exit->cancelled);
  EXPECT_EQ(exit->reason, "");
  EXPECT_THAT(lines_, ElementsAre(R"({"event":"phase"})", R"({"event":"done"})"));
  EXPECT_THAT(Log(), HasSubstr("arguments: --job " + folder_.path().string() + " --threads 3"));
  EXPECT_THAT(Log(), HasSubstr("to stderr"));
}

TEST_F(TrainerProcess, SetsThreadsPriorityAndNothingElse) {
  ::setenv("OMP_NUM_THREADS", "77", 1);
  ::setenv("ALMAGEST_TEST_VARIABLE", "kept", 1);
  const auto exit = Run(R"sh(
    echo "$OPENBLAS_NUM_THREADS $OMP_NUM_THREADS $OMP_WAIT_POLICY $ALMAGEST_TEST_VARIABLE"
    echo "nice $(nice)"; read -r line || echo "no input")sh");
  ::unsetenv("OMP_NUM_THREADS");
  ::unsetenv("ALMAGEST_TEST_VARIABLE");
  ASSERT_TRUE(exit && exit->succeeded);
  EXPECT_THAT(Log(), HasSubstr("3 3 passive kept"));
  EXPECT_THAT(Log(), HasSubstr("no input"));
  EXPECT_EQ(Log().find("nice 0"), std::string::npos) << Log();
}

TEST_F(TrainerProcess, ReportsStatusAndLastWords) {
  const auto exit = Run("echo first >&2; echo 'cannot read config.json' >&2; exit 3");
  ASSERT_TRUE(exit);
  EXPECT_FALSE(exit->succeeded);
  EXPECT_EQ(exit->reason, "the trainer exited with status 3: cannot read config.json");
}

TEST_F(TrainerProcess, ReportsDeathBySignal) {
  auto exit = Run("kill -SEGV $$");
  ASSERT_TRUE(exit);
  EXPECT_FALSE(exit->succeeded);
  EXPECT_THAT(exit->reason, HasSubstr("killed by signal 11"));
  exit = Run("kill -KILL $$");
  ASSERT_TRUE(exit);
  EXPECT_THAT(exit->reason, HasSubstr("killed by signal 9"));
  EXPECT_THAT(exit->reason, HasSubstr("memory"));
}

TEST_F(TrainerProcess, CancelsPolitely) {
  const auto exit = Run(R"(
    trap 'echo stopped; exit 3' TERM
    echo ready >> "$2/progress.jsonl"
    while true; do sleep 0.02; done)");
  ASSERT_TRUE(exit);
  EXPECT_TRUE(exit->cancelled);
  EXPECT_FALSE(exit->succeeded);
  EXPECT_THAT(Log(), HasSubstr("stopped"));
}

TEST_F(TrainerProcess, KillsWhatDoesNotStop) {
  const auto exit = Run(R"(
    trap '' TERM
    echo ready >> "$2/progress.jsonl"
    while true; do sleep 0.02; done)");
  ASSERT_TRUE(exit);
  EXPECT_TRUE(exit->cancelled);
  EXPECT_THAT(exit->reason, HasSubstr("killed by signal 9"));
}

TEST_F(TrainerProcess, DiesWithTheThreadThatStartedIt) {
  // The thread that starts the trainer is cut off before the trainer ends, as by a crash of the
  // server: here by leaving RunTrainer through the callback.
  struct Abandoned {};
  std::thread([this] {
    TrainerOptions options;
    options.executable = folder_.Script("trainer", R"(
      echo $$ >> "$2/progress.jsonl"
      while true; do sleep 0.02; done)");
    options.job_folder = folder_.path();
    try {
      (void)RunTrainer(options, cancel_, [this](const std::string& line) {
        lines_.push_back(line);
        throw Abandoned();
      });
    } catch (const Abandoned&) {
    }
  }).join();
  ASSERT_EQ(lines_.size(), 1u);
  const pid_t pid = std::stoi(lines_[0]);
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
}

TEST_F(TrainerProcess, NamesAnExecutableThatCannotStart) {
  TrainerOptions options;
  options.job_folder = folder_.path();
  options.executable = folder_.path() / "absent";
  auto exit = RunTrainer(options, cancel_, [](const std::string&) {});
  ASSERT_FALSE(exit);
  EXPECT_EQ(exit.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_THAT(exit.error().message, HasSubstr(options.executable.string()));
  // Executable by its mode, but no program.
  options.executable = folder_.path() / "garbage";
  std::ofstream(options.executable) << "\x7f"
                                       "ELF garbage";
  std::filesystem::permissions(options.executable, std::filesystem::perms::owner_all);
  exit = RunTrainer(options, cancel_, [](const std::string&) {});
  ASSERT_FALSE(exit);
  EXPECT_THAT(exit.error().message, HasSubstr("cannot be started"));
}

TEST(JobProgress, NeverGoesBackAndIgnoresGarbage) {
  JobProgress progress;
  EXPECT_FALSE(progress.Apply("", 0));
  EXPECT_FALSE(progress.Apply("not json", 0));
  EXPECT_FALSE(progress.Apply("[1]", 0));
  EXPECT_FALSE(progress.Apply(R"({"event": 3})", 0));
  EXPECT_EQ(progress.fraction(), kExportShare);
  double last = progress.fraction();
  for (const char* line : {R"({"event":"phase","name":"reading","fraction":0.5})",
                           R"({"event":"phase","name":"splitting","fraction":1})",
                           R"({"event":"phase","name":"mining","fraction":0})",
                           R"({"event":"step","step":1,"steps":4,"eta_seconds":30})",
                           R"({"event":"step","step":2,"steps":4,"eta_seconds":300})",
                           R"({"event":"phase","name":"evaluating","fraction":0.5})",
                           R"({"event":"phase","name":"reading","fraction":0})",
                           R"({"event":"phase","name":"geometry","fraction":9e9})"}) {
    ASSERT_TRUE(progress.Apply(line, 10)) << line;
    EXPECT_GE(progress.fraction(), last) << line;
    last = progress.fraction();
  }
  EXPECT_EQ(progress.fraction(), kTrainerShareEnd);
  EXPECT_EQ(progress.failure(), "");
  ASSERT_TRUE(progress.Apply(R"({"event":"failed","reason":"out of memory"})", 11));
  EXPECT_EQ(progress.failure(), "out of memory");
}

}  // namespace
}  // namespace almagest
