// Threads that work on numbered items while one thread takes the results in order.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace earshot {

/// Calls `work(thread, i)` for i in [0, items) on `threads` threads and `take(i, result)` on the
/// calling thread in the order of i. Finished results that wait for their turn never exceed
/// `most_bytes` as measured by `bytes(result)`, but for one per thread. The first exception from
/// `work` or `take` ends everything and is thrown from here.
template <typename Result>
class OrderedPool {
 public:
  using Work = std::function<Result(int, int64_t)>;
  using Take = std::function<void(int64_t, Result&&)>;
  using Bytes = std::function<int64_t(const Result&)>;

  OrderedPool(Work work, Take take, Bytes bytes, int64_t most_bytes)
      : work_(std::move(work)),
        take_(std::move(take)),
        bytes_(std::move(bytes)),
        most_bytes_(most_bytes) {}

  void run(int64_t items, int threads) {
    items_ = items;
    std::vector<std::jthread> pool;
    try {
      for (int t = 0; t < threads; ++t) {
        pool.emplace_back([this, t] { work_until_done(t); });
      }
      take_all();
    } catch (...) {
      stop(std::current_exception());
    }
    pool.clear();  // joins
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void stop(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
    changed_.notify_all();
  }

  /// The next item, once there is room for its result; -1 when there is none.
  int64_t claim() {
    std::unique_lock lock(mutex_);
    const auto may_go = [&] { return error_ || next_ >= items_ || held_bytes_ < most_bytes_; };
    changed_.wait(lock, may_go);
    return error_ || next_ >= items_ ? -1 : next_++;
  }

  void work_until_done(int thread) {
    try {
      for (int64_t i = claim(); i >= 0; i = claim()) {
        Result result = work_(thread, i);
        const std::lock_guard lock(mutex_);
        held_bytes_ += bytes_(result);
        done_.emplace(i, std::move(result));
        changed_.notify_all();
      }
    } catch (...) {
      stop(std::current_exception());
    }
  }

  void take_all() {
    for (int64_t i = 0; i < items_; ++i) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return error_ || done_.contains(i); });
      if (error_) return;
      auto node = done_.extract(i);
      held_bytes_ -= bytes_(node.mapped());
      changed_.notify_all();
      lock.unlock();
      take_(i, std::move(node.mapped()));
    }
  }

  Work work_;
  Take take_;
  Bytes bytes_;
  int64_t most_bytes_;
  int64_t items_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<int64_t, Result> done_;
  int64_t next_ = 0;
  int64_t held_bytes_ = 0;
  std::exception_ptr error_;
};

}  // namespace earshot
