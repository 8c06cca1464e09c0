#include "kernels/bf16.h"

namespace earshot {
namespace {

template <typename From, typename To>
void convert_all(int64_t count, const From* from, To* to) {
  const Convert<From, To> cell{from, to};
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < count; ++i) cell(i);
}

}  // namespace

void convert(int64_t count, const float* from, Bf16* to) { convert_all(count, from, to); }
void convert(int64_t count, const Bf16* from, float* to) { convert_all(count, from, to); }

}  // namespace earshot
