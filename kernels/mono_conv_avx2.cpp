#include "kernels/mono_conv_bodies.h"

namespace earshot {

const MonoKernels& mono_avx2(bool line) { return line ? kLine<Avx2> : kSquare<Avx2>; }

}  // namespace earshot
