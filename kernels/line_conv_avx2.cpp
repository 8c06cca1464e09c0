#include "kernels/line_conv_bodies.h"

namespace earshot {

const LineKernels& line_avx2() { return kLineKernels<Avx2>; }

}  // namespace earshot
