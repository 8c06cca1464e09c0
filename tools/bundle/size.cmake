# cmake -DFILE=<bundle> -DMOST_MB=<n> -P size.cmake: says how large the bundle is; too large fails.
file(SIZE ${FILE} bytes)
math(EXPR mb "(${bytes} + 999999) / 1000000")
if(mb GREATER MOST_MB)
  file(REMOVE ${FILE})
  message(FATAL_ERROR "the bundle has ${mb} MB, more than the ${MOST_MB} MB of EARSHOT_BUNDLE_MB")
endif()
message("${FILE}: ${mb} MB")
