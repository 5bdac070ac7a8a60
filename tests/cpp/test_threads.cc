// The default pool and the loops over it.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cfenv>
#include <cstdlib>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/status.h"
#include "ops/split.h"
#include "runtime/context.h"
#include "runtime/threads.h"

#if defined(__unix__) || defined(__APPLE__)
#define OCTAVO_FORKS 1
#include <sys/wait.h>
#include <unistd.h>
#else
#define OCTAVO_FORKS 0
#endif

#if defined(__SANITIZE_THREAD__)
#define OCTAVO_TSAN 1
#elif defined(__has_feature)
#define OCTAVO_TSAN __has_feature(thread_sanitizer)
#else
#define OCTAVO_TSAN 0
#endif

namespace octavo {
namespace {

Context context(size_t threads) { return make_context(all_backends().back(), threads); }

TEST(ParallelFor, RunsEveryIndexOnce) {
  for (size_t threads : {1, 2, 3, 4, 9}) {
    for (size_t n : {0, 1, 2, 3, 7, 64, 1000}) {
      std::vector<std::atomic<int>> hits(n);
      auto body = [&](size_t i) { hits[i].fetch_add(1); };
      parallel_for(context(threads), n, threads, body);
      for (size_t i = 0; i < n; ++i) EXPECT_EQ(hits[i], 1) << i << " of " << n;
    }
  }
}

TEST(ParallelFor, NeverUsesMoreThreadsThanAllowed) {
  for (size_t threads : {1, 2, 3}) {
    std::atomic<size_t> now{0}, most{0};
    auto body = [&](size_t) {
      const size_t inside = now.fetch_add(1) + 1;
      size_t seen = most.load();
      while (seen < inside && !most.compare_exchange_weak(seen, inside)) {
      }
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      now.fetch_sub(1);
    };
    parallel_for(context(8), 100, threads, body);
    EXPECT_LE(most, threads);
  }
}

TEST(ParallelFor, ReallyRunsInParallel) {
  std::atomic<int> arrived{0};
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  auto body = [&](size_t) {  // each waits for the other
    arrived.fetch_add(1);
    while (arrived < 2 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  };
  parallel_for(context(2), 2, 2, body);
  EXPECT_LT(std::chrono::steady_clock::now(), deadline);
}

// A thread begins with its own range, so that it meets the same data in every loop.
TEST(ParallelFor, ThreadsKeepTheirRanges) {
  std::array<std::thread::id, 2> before{};
  for (int round = 0; round < 20; ++round) {
    std::array<std::thread::id, 2> ran{};
    std::atomic<int> arrived{0};
    auto body = [&](size_t i) {  // nobody can take both
      ran[i] = std::this_thread::get_id();
      arrived.fetch_add(1);
      while (arrived < 2) std::this_thread::yield();
    };
    parallel_for(context(2), 2, 2, body);
    EXPECT_EQ(ran[0], std::this_thread::get_id());
    EXPECT_NE(ran[1], ran[0]);
    if (round > 0) {
      EXPECT_EQ(ran, before);
    }
    before = ran;
  }
}

// One index holds its thread up; the other thread does all the rest, of both ranges.
TEST(ParallelFor, OthersHelpASlowThread) {
  for (const size_t slow : {0, 50}) {
    std::atomic<size_t> done{0};
    auto body = [&](size_t i) {
      if (i == slow) {
        while (done < 99) std::this_thread::yield();
      }
      done.fetch_add(1);
    };
    parallel_for(context(2), 100, 2, body);
    EXPECT_EQ(done, 100u);
  }
}

TEST(ParallelFor, WakesSleepingWorkers) {
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // longer than workers spin
    std::atomic<int> sum{0};
    auto body = [&](size_t i) { sum.fetch_add(static_cast<int>(i)); };
    parallel_for(context(3), 100, 3, body);
    EXPECT_EQ(sum, 4950);
  }
}

TEST(ParallelFor, NestedLoopsRunOnTheirThread) {
  std::atomic<int> count{0};
  auto outer = [&](size_t) {
    const auto self = std::this_thread::get_id();
    auto inner = [&](size_t) {
      EXPECT_EQ(std::this_thread::get_id(), self);
      count.fetch_add(1);
    };
    parallel_for(context(4), 10, 4, inner);
  };
  parallel_for(context(4), 20, 4, outer);
  EXPECT_EQ(count, 200);
}

TEST(ParallelFor, ConcurrentCallersAllFinish) {
  std::vector<std::thread> callers;
  std::vector<size_t> sums(4);
  for (size_t caller = 0; caller < sums.size(); ++caller) {
    callers.emplace_back([&, caller] {
      for (int round = 0; round < 200; ++round) {
        std::atomic<size_t> sum{0};
        auto body = [&](size_t i) { sum.fetch_add(i); };
        parallel_for(context(3), 50, 3, body);
        sums[caller] += sum;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (size_t sum : sums) EXPECT_EQ(sum, 200u * 1225u);
}

TEST(ParallelFor, ExceptionsReachTheCallerAndThePoolSurvives) {
  for (size_t threads : {1, 2, 4}) {
    auto throwing = [](size_t i) {
      if (i == 13) throw std::out_of_range("thirteen");
    };
    EXPECT_THROW(parallel_for(context(threads), 100, threads, throwing), std::out_of_range);
    auto all_throwing = [](size_t) { throw Error(Status::unsupported, "all"); };
    EXPECT_THROW(parallel_for(context(threads), 100, threads, all_throwing), Error);
    std::atomic<int> count{0};
    auto body = [&](size_t) { count.fetch_add(1); };
    parallel_for(context(threads), 100, threads, body);
    EXPECT_EQ(count, 100);
  }
}

TEST(ParallelFor, BodiesRunInTheDefaultRoundingMode) {
  volatile float three_quarters = 0.75f, big = 8388608.0f;  // 2^23: the ulp is 1
  auto rounds_to_nearest = [&] { return big + three_quarters == 8388609.0f; };
  ASSERT_EQ(std::fesetround(FE_TOWARDZERO), 0);
  for (size_t threads : {1, 3}) {
    std::atomic<int> wrong{0};
    auto body = [&](size_t) { wrong.fetch_add(rounds_to_nearest() ? 0 : 1); };
    parallel_for(context(threads), 50, threads, body);
    EXPECT_EQ(wrong, 0);
    EXPECT_FALSE(rounds_to_nearest());
  }
  std::fesetround(FE_TONEAREST);
}

#if OCTAVO_FORKS && !OCTAVO_TSAN  // which does not follow threads started after a fork
TEST(ParallelFor, WorksInAForkedChild) {
  auto sum_of = [] {
    std::atomic<int> sum{0};
    auto body = [&](size_t i) { sum.fetch_add(static_cast<int>(i)); };
    parallel_for(context(3), 100, 3, body);
    return sum.load();
  };
  EXPECT_EQ(sum_of(), 4950);  // the parent has workers now
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(60);  // a deadlock must not hang the test
    _exit(sum_of() == 4950 && sum_of() == 4950 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(sum_of(), 4950);
}
#endif

// A caller's own threads instead of the pool's.
class ReversingThreads final : public Threads {
 public:
  size_t max_threads() const override { return 2; }
  void run(size_t n, size_t max_threads, const Task& task) override {
    used = max_threads;
    for (size_t i = n; i-- > 0;) task(i);
  }
  size_t used = 0;
};

TEST(ParallelFor, UsesTheThreadsOfTheContext) {
  ReversingThreads own;
  const Context context = {&all_backends().back(), &own, 2};
  std::vector<size_t> order;
  auto body = [&](size_t i) { order.push_back(i); };
  parallel_for(context, 3, 2, body);
  EXPECT_EQ(order, (std::vector<size_t>{2, 1, 0}));
  EXPECT_EQ(own.used, 2u);
}

TEST(UsefulThreads, SmallWorkStaysOnOne) {
  EXPECT_EQ(useful_threads(context(8), 0, 1000), 1u);
  EXPECT_EQ(useful_threads(context(8), 1999, 1000), 1u);
  EXPECT_EQ(useful_threads(context(8), 2000, 1000), 2u);
  EXPECT_EQ(useful_threads(context(8), 1u << 30, 1000), 8u);
  EXPECT_EQ(useful_threads({&all_backends().back(), nullptr, 8}, 1u << 30, 1000), 1u);
}

TEST(SplitParallel, CoversTheRangeWithoutOverlap) {
  for (size_t n : {0, 1, 63, 64, 65, 127, 1000, 4097}) {
    for (size_t threads : {1, 2, 3, 4}) {
      std::vector<std::atomic<int>> hits(n), rows(n);
      split_range(context(threads), n, 1, [&](size_t begin, size_t count) {
        for (size_t i = begin; i < begin + count; ++i) hits.at(i).fetch_add(1);
      });
      split_rows(context(threads), n, 1, 1, [&](size_t i) { rows.at(i).fetch_add(1); });
      for (size_t i = 0; i < n; ++i) {
        EXPECT_EQ(hits[i], 1);
        EXPECT_EQ(rows[i], 1);
      }
    }
  }
}

TEST(NumThreads, SetAndGet) {
  const size_t before = get_num_threads();
  EXPECT_GE(before, 1u);
  set_num_threads(3);
  EXPECT_EQ(get_num_threads(), 3u);
  EXPECT_EQ(default_context().num_threads, 3u);
  EXPECT_EQ(default_context(5).num_threads, 5u);
  EXPECT_THROW(set_num_threads(0), Error);
  EXPECT_THROW(set_num_threads(kMaxThreads + 1), Error);
  EXPECT_EQ(get_num_threads(), 3u);
  set_num_threads(before);
}

TEST(AvailableCpus, IsWithinTheMachine) {
  EXPECT_GE(available_cpus(), 1u);
  EXPECT_LE(available_cpus(), std::max(1u, std::thread::hardware_concurrency()));
}

}  // namespace
}  // namespace octavo
