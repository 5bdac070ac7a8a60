// What OCTAVO_BACKEND and OCTAVO_NUM_THREADS do. Defaults are fixed at first use, so each case
// forks, and nothing else in this program may use them. Not the "threadsafe" style: that starts the
// program anew, which the kernel refuses when the program is another CPU's and runs in an emulator.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/status.h"
#include "runtime/backend.h"
#include "runtime/threads.h"

namespace octavo {
namespace {

void set_variable(const char* name, const char* value) {
#if defined(_WIN32)
  _putenv_s(name, value);  // an empty one is removed, which octavo takes for the same
#else
  setenv(name, value, 1);
#endif
}

TEST(DefaultBackendDeathTest, IsTheOneTheEnvironmentNames) {
  EXPECT_EXIT(
      {
        set_variable("OCTAVO_BACKEND", "scalar");
        std::exit(std::string(default_backend().name) == "scalar" ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(DefaultBackendDeathTest, IsTheBestOneIfTheEnvironmentIsEmpty) {
  EXPECT_EXIT(
      {
        set_variable("OCTAVO_BACKEND", "");
        std::exit(&default_backend() == &select_backend(detect_cpu()) ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(DefaultBackendDeathTest, ReportsAnUnknownNameEveryTime) {
  EXPECT_EXIT(
      {
        set_variable("OCTAVO_BACKEND", "avx1024");
        for (int attempt = 0; attempt < 2; ++attempt) {
          try {
            default_backend();
            std::exit(1);
          } catch (const Error& error) {
            std::fprintf(stderr, "%s\n", error.what());
          }
        }
        std::exit(0);
      },
      ::testing::ExitedWithCode(0), "OCTAVO_BACKEND: 'avx1024' is not a backend; expected one of");
}

TEST(NumThreadsDeathTest, FollowsTheEnvironment) {
  EXPECT_EXIT(
      {
        set_variable("OCTAVO_NUM_THREADS", "7");
        std::exit(get_num_threads() == 7 ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
  for (const char* bad : {"0", "-1", "two", "2x", "1025", "99999999999999999999"}) {
    EXPECT_EXIT(
        {
          set_variable("OCTAVO_NUM_THREADS", bad);
          try {
            get_num_threads();
          } catch (const Error& error) {
            std::fprintf(stderr, "%s\n", error.what());
            std::exit(0);
          }
          std::exit(1);
        },
        ::testing::ExitedWithCode(0), "OCTAVO_NUM_THREADS: got '.*', expected an integer in 1..");
  }
}

}  // namespace
}  // namespace octavo
