// A persistent pool: workers spin briefly for the next phase, then sleep. Each thread has the same share of the units in
// every phase, so that it finds in its own caches what it made in the phase before; who is done takes chunks of what others
// have left. A phase ends when its units are done, not when every worker has woken: a worker that comes late finds the
// phase closed.
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <csetjmp>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "context.h"

namespace stratagem {
namespace {

constexpr int kChunksPerThread = 8;  // balances within an eighth of a thread's share
constexpr int kSpins = 4000;         // tens of microseconds: about the gap between two phases of one model

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

std::vector<int> allowed_processors() {
  std::vector<int> processors;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    for (int i = 0; i < CPU_SETSIZE; ++i)
      if (CPU_ISSET(i, &set)) processors.push_back(i);
  if (processors.empty()) processors.push_back(0);
  return processors;
}

// Processors' worth of time that the control group of this process may use; 0 where there is no limit.
int processor_quota() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");  // "max 100000", or microseconds per period
  double quota = 0, period = 0;
  if (!(file >> quota >> period) || quota <= 0 || period <= 0) return 0;
  return static_cast<int>(std::ceil(quota / period));
}

// As many threads as can run at the same time: more would only wait for each other.
int default_threads() {
  const int processors = static_cast<int>(allowed_processors().size()), quota = processor_quota();
  return quota > 0 ? std::min(processors, quota) : processors;
}

// One thread's units; on a cache line of its own.
struct alignas(64) Share {
  std::atomic<int64_t> next{0};
  int64_t end = 0;
};

struct Job {
  sg_phase_fn phase = nullptr;
  void **args = nullptr;
  int64_t chunk = 1;
  int threads = 0;
  std::unique_ptr<Share[]> shares;
  sg_context *context = nullptr;
  std::atomic<bool> failed{false};

  void deal_out(int64_t units, int to) {
    if (threads != to) shares.reset(new Share[static_cast<size_t>(to)]);
    threads = to;
    chunk = std::max<int64_t>(1, units / (static_cast<int64_t>(to) * kChunksPerThread));
    for (int i = 0; i < to; ++i) {
      shares[static_cast<size_t>(i)].next.store(units * i / to, std::memory_order_relaxed);
      shares[static_cast<size_t>(i)].end = units * (i + 1) / to;
    }
  }
};

thread_local bool inside_phase = false;

// Takes chunks of thread `self`'s share, then of the others', until none is left; a failing unit stops everyone at their
// next chunk.
void run_chunks(Job &job, int self) {
  JumpTarget target;
  target.outer = jump_target;
  const int64_t mark = sg_scratch_mark();
  inside_phase = true;
  if (setjmp(target.buffer) == 0) {
    jump_target = &target;
    for (int i = 0; i < job.threads; ++i) {
      Share &share = job.shares[static_cast<size_t>((self + i) % job.threads)];
      while (!job.failed.load(std::memory_order_relaxed)) {
        const int64_t begin = share.next.fetch_add(job.chunk, std::memory_order_relaxed);
        if (begin >= share.end) break;
        job.phase(job.args, begin, std::min(begin + job.chunk, share.end));
      }
    }
  } else {
    job.failed.store(true, std::memory_order_relaxed);
  }
  jump_target = jump_target->outer;
  inside_phase = false;
  sg_scratch_release(mark);
}

class Pool {
 public:
  Pool() : threads_(default_threads()) {}

  void run(int64_t units, sg_phase_fn phase, void **args) {
    start_workers();
    job_.phase = phase;
    job_.args = args;
    job_.deal_out(units, threads_);
    job_.context = &current_context();
    job_.failed.store(false, std::memory_order_relaxed);
    closed_.store(false);
    {
      std::lock_guard<std::mutex> lock(sleep_mutex_);
      generation_.fetch_add(1, std::memory_order_release);
    }
    if (sleepers_.load(std::memory_order_seq_cst) > 0) wake_.notify_all();
    run_chunks(job_, 0);
    closed_.store(true);
    wait_for_workers();
  }

  bool failed() const { return job_.failed.load(std::memory_order_relaxed); }

  void resize(int threads) {
    stop_workers();
    threads_ = threads < 1 ? default_threads() : threads;
  }

  void pin(bool on) {
    stop_workers();
    pinned_ = on;
  }

  int threads() const { return threads_; }

  std::mutex &mutex() { return mutex_; }

 private:
  void start_workers() {
    if (static_cast<int>(workers_.size()) == threads_ - 1) return;
    stopping_.store(false);
    const uint64_t seen = generation_.load();
    const std::vector<int> processors = allowed_processors();
    for (int i = 1; i < threads_; ++i) {
      workers_.emplace_back([this, i, seen] { work(i, seen); });
      if (pinned_) bind(workers_.back().native_handle(), processors[static_cast<size_t>(i) % processors.size()]);
    }
    if (pinned_) bind(pthread_self(), processors[0]);
  }

  static void bind(pthread_t thread, int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    pthread_setaffinity_np(thread, sizeof set, &set);  // a refusal costs speed only
  }

  void stop_workers() {
    {
      std::lock_guard<std::mutex> lock(sleep_mutex_);
      stopping_.store(true);
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    for (std::thread &worker : workers_) worker.join();
    workers_.clear();
  }

  void work(int self, uint64_t seen) {
    for (;;) {
      seen = next_generation(seen);
      if (stopping_.load()) return;
      active_.fetch_add(1);  // sequentially consistent with closed_: either we see it closed, or run() sees us
      if (!closed_.load()) {
        sg_context *previous = sg_context_use(job_.context);
        run_chunks(job_, self);
        sg_context_use(previous);
      }
      active_.fetch_sub(1);
    }
  }

  // Waits for a generation other than `seen`: spins, then sleeps.
  uint64_t next_generation(uint64_t seen) {
    for (int i = 0; i < kSpins; ++i) {
      const uint64_t now = generation_.load(std::memory_order_acquire);
      if (now != seen) return now;
      relax();
    }
    std::unique_lock<std::mutex> lock(sleep_mutex_);
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
    sleepers_.fetch_sub(1, std::memory_order_seq_cst);
    return generation_.load(std::memory_order_acquire);
  }

  // The tail of a phase is at most one chunk long: spin, but let others run on a crowded machine.
  void wait_for_workers() {
    for (int i = 0; active_.load() != 0; ++i) {
      if (i < kSpins)
        relax();
      else
        sched_yield();
    }
  }

  std::mutex mutex_;  // held by the thread whose phase runs
  Job job_;
  int threads_;
  bool pinned_ = false;
  std::vector<std::thread> workers_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> active_{0}, sleepers_{0};
  std::atomic<bool> closed_{true}, stopping_{false};
  std::mutex sleep_mutex_;
  std::condition_variable wake_;
};

// A forked child has none of the parent's threads: it gets a new pool and forgets the old one.
Pool *pool_instance = nullptr;
std::mutex pool_mutex;

Pool &pool() {
  std::lock_guard<std::mutex> lock(pool_mutex);
  if (!pool_instance) {
    pool_instance = new Pool();
    pthread_atfork(nullptr, nullptr, [] { pool_instance = nullptr; });
  }
  return *pool_instance;
}

}  // namespace
}  // namespace stratagem

using namespace stratagem;

extern "C" {

void sg_parallel_for(int64_t units, sg_phase_fn phase, void **args) {
  if (units <= 0) return;
  if (inside_phase || units == 1) return phase(args, 0, units);
  Pool &shared = pool();
  if (shared.threads() == 1 || !shared.mutex().try_lock()) return phase(args, 0, units);
  shared.run(units, phase, args);
  const bool failed = shared.failed();
  shared.mutex().unlock();
  if (failed) abandon();
}

void sg_set_threads(int n) {
  Pool &shared = pool();
  std::lock_guard<std::mutex> lock(shared.mutex());
  shared.resize(n);
}

int sg_get_threads(void) { return pool().threads(); }

void sg_set_pinning(int on) {
  Pool &shared = pool();
  std::lock_guard<std::mutex> lock(shared.mutex());
  shared.pin(on != 0);
}

}  // extern "C"
