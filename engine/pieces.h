// Cuts a block of scratch into aligned pieces; without a block it only counts.
#pragma once

#include "engine/arena.h"

namespace earshot {

class Pieces {
 public:
  explicit Pieces(void* base = nullptr) : base_(static_cast<char*>(base)) {}
  void* take(int64_t bytes) {
    char* piece = base_ == nullptr ? nullptr : base_ + used_;
    used_ += (bytes + ArenaPlan::kAlignment - 1) / ArenaPlan::kAlignment * ArenaPlan::kAlignment;
    return piece;
  }
  int64_t used() const { return used_; }

 private:
  char* base_;
  int64_t used_ = 0;
};

}  // namespace earshot
