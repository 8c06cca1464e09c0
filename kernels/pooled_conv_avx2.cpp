#include "kernels/pooled_conv_bodies.h"

namespace earshot {

const RunKernels& runs_avx2() { return kRunKernels<Avx2>; }

}  // namespace earshot
